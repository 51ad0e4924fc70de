"""Unix sockets have the guest's names, need no `--net`, and reach nothing that the guest was not given."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TALK = r"""
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
/* `serve NAME`: bind, listen, let a forked child connect and speak. `reach NAME`: connect from outside of any server.
   A name that starts with '@' is abstract. */
int main(int argc, char **argv) {
    struct sockaddr_un a = {AF_UNIX};
    strncpy(a.sun_path, argv[2], sizeof a.sun_path - 1);
    socklen_t n = offsetof(struct sockaddr_un, sun_path) + strlen(argv[2]);
    if (argv[2][0] == '@') a.sun_path[0] = 0;
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    if (argv[1][0] == 'r') {
        if (connect(s, (void *)&a, n)) { printf("%s\n", strerror(errno)); return 1; }
        char text[20] = "";
        if (read(s, text, 19) < 0) return 2;
        printf("%s\n", text);
        return 0;
    }
    if (bind(s, (void *)&a, n) || listen(s, 1)) { printf("%s\n", strerror(errno)); return 1; }
    if (fork() == 0) {
        int c = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(c, (void *)&a, n)) perror("connect");
        _exit(write(c, "hello", 5) != 5);
    }
    int peer = accept(s, NULL, NULL);
    char text[20] = "";
    struct sockaddr_un own;
    n = sizeof own;
    getsockname(peer, (void *)&own, &n);
    if (read(peer, text, 19) < 0) return 2;
    wait(NULL);
    printf("%s on %s\n", text, own.sun_path[0] ? own.sun_path : own.sun_path + 1);
    return 0;
}
"""
MISSING = "No such file or directory\n"
REFUSED = "Connection refused\n"


@pytest.fixture(scope="session")
def talk(build: Callable[..., Path]) -> Path:
    """The program above."""
    return build("talk.c", "-static", text=TALK)


@pytest.mark.parametrize("name", ["/tmp/socket", "@abstract"])
def test_a_named_socket_needs_neither_net_nor_a_root(name: str, talk: Path, run: Callable[..., Any]) -> None:
    assert run(talk, "serve", name).stdout == f"hello on {name.removeprefix('@')}\n"


def test_the_length_of_the_hosts_path_does_not_count(talk: Path, run: Callable[..., Any], tmp_path: Path) -> None:
    root = tmp_path
    for _ in range(8):
        root /= "d" * 30
    (root / "tmp").mkdir(parents=True)
    name = "/tmp/" + "n" * 100
    assert run("--root", root, talk, "serve", name).stdout == f"hello on {name}\n"
    assert [path.name for path in (root / "tmp").iterdir()] == ["n" * 100]
    assert (root / "tmp" / ("n" * 100)).is_socket()


def test_a_read_only_tree_takes_no_socket(talk: Path, run: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert run("--root", f"{tmp_path}:ro", talk, "serve", "/run/socket").stdout == "Read-only file system\n"
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.parametrize("net", [(), ("--net",)], ids=["alone", "net"])
def test_no_socket_of_the_host_is_reached(net: tuple[str, ...], talk: Path, run: Callable[..., Any], tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    outside = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as named, socket.socket(socket.AF_UNIX) as abstract:
        named.bind(str(outside))
        named.listen()
        abstract.bind(b"\0softmetal-test-outside")
        abstract.listen()
        (root / "link").symlink_to(outside)
        (root / "up").symlink_to("../s")
        for name in (str(outside), "/../s", "/link", "/up", "/proc/self/fd/../../../s"):
            assert run(*net, "--root", root, talk, "reach", name).stdout == MISSING
        assert run(*net, talk, "reach", "@softmetal-test-outside").stdout == REFUSED


def test_two_runs_have_abstract_names_of_their_own(talk: Path, run: Callable[..., Any], command: list[str]) -> None:
    import subprocess

    text = TALK.replace("if (fork() == 0) {", 'puts("up"); fflush(stdout); if (0) {')
    assert text != TALK
    waiting = talk.with_name("waiting.c")
    waiting.write_text(text)
    program = talk.with_name("waiting")
    subprocess.run(["riscv64-linux-gnu-gcc", "-static", "-w", "-o", program, waiting], check=True)
    with subprocess.Popen([*command, str(program), "serve", "@name"], stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"up\n"
        assert run(talk, "reach", "@name").stdout == REFUSED
        assert run(talk, "serve", "@name").stdout == "hello on name\n"
        first.terminate()


def test_a_socket_in_a_directory_that_was_given_is_reached(talk: Path, run: Callable[..., Any], tmp_path: Path) -> None:
    import threading

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "service"))
        server.listen()

        def answer() -> None:
            peer, _ = server.accept()
            with peer:
                peer.sendall(b"from outside")

        thread = threading.Thread(target=answer)
        thread.start()
        assert run("--dir", f"{tmp_path}:/given:ro", talk, "reach", "/given/service").stdout == "from outside\n"
        thread.join()
