"""The guest sees what it was given and nothing else of the host."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

READER = r"""
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        char *name = strchr(argv[i], ':') ? strchr(argv[i], ':') + 1 : argv[i];
        int fd = open(name, argv[i][0] == 'w' ? O_WRONLY | O_CREAT : O_RDONLY, 0600);
        char text[64] = "";
        if (fd < 0) { printf("%s\n", strerror(errno)); continue; }
        ssize_t n = argv[i][0] == 'w' ? write(fd, "guest", 5) : read(fd, text, sizeof text - 1);
        if (n < 0) printf("%s\n", strerror(errno)); else printf("%s\n", argv[i][0] == 'w' ? "written" : text);
        close(fd);
    }
    return 0;
}
"""
MISSING = "No such file or directory"


@pytest.fixture(scope="session")
def reader(build: Callable[..., Path]) -> Path:
    """A program that prints each file named `r:PATH` and writes to each named `w:PATH`."""
    return build("reader.c", "-static", text=READER)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A guest root next to a secret."""
    (tmp_path / "secret").write_text("host secret")
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "inside").write_text("guest text")
    return tmp_path


def test_without_a_root_only_what_the_command_line_names_is_there(reader: Path, run: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "named").write_text("named text")
    (tmp_path / "other").write_text("other text")
    found = run(reader, tmp_path / "named", f"r:{tmp_path}/other", f"r:{tmp_path}", "r:/etc/passwd", "r:/proc/1/environ")
    assert found.stdout.splitlines() == ["named text", MISSING, "Is a directory", MISSING, MISSING]


def test_a_relative_name_on_the_command_line_is_found_from_the_guests_directory(
    reader: Path, run: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "named").write_text("named text")
    assert run(reader, "named", "./named", cwd=tmp_path).stdout == "named text\nnamed text\n"


def test_what_the_command_line_names_is_read_only(reader: Path, run: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "named").write_text("named text")
    found = run(reader, tmp_path / "named", f"w:{tmp_path}/named", f"w:{tmp_path}/new", f"w:{reader}")
    assert found.stdout.splitlines() == ["named text", *["Read-only file system"] * 3]
    assert (tmp_path / "named").read_text() == "named text"


def test_tmp_is_private_and_gone_afterwards(
    reader: Path, run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    found = run(reader, "w:/tmp/softmetal-test-file", "r:/tmp/softmetal-test-file", "w:/dev/shm/x", "r:/dev/shm/x")
    assert found.stdout.splitlines() == ["written", "guest", "written", "guest"]
    assert not os.path.exists("/tmp/softmetal-test-file")
    assert os.listdir(tmp_path) == []


ESCAPES = [
    "r:/../secret", "r:/etc/../../secret", "r:../secret", "r:/../../../../../../etc/passwd", "r:/up", "r:/etc/up/secret",
    "r:/absolute", "r:/chain1", "r:/proc/self/root/../secret", "r:/proc/self/cwd/../secret", "r:/proc/1/root/secret",
    "r:/dev/fd/../../../secret", "r:/tmp/../../secret", "r:/proc/self/fd/../../../../secret", "r:/outdir/secret",
]  # fmt: skip


@pytest.mark.parametrize("path", ESCAPES)
def test_no_path_leads_out_of_the_root(path: str, reader: Path, run: Callable[..., Any], world: Path) -> None:
    root = world / "root"
    (root / "up").symlink_to("../secret")
    (root / "etc" / "up").symlink_to("../..")
    (root / "absolute").symlink_to(world / "secret")
    (root / "chain1").symlink_to("chain2")
    (root / "chain2").symlink_to("/../../../" + str(world / "secret"))
    (root / "outdir").symlink_to(world)
    found = run("--root", root, reader, path)
    assert "host secret" not in found.stdout
    assert found.stdout.strip() in (MISSING, "Not a directory")


def test_an_absolute_link_is_followed_inside_the_root(reader: Path, run: Callable[..., Any], world: Path) -> None:
    (world / "root" / "link").symlink_to("/etc/inside")
    assert run("--root", world / "root", reader, "r:/link", "r:/proc/self/root/etc/inside").stdout == "guest text\n" * 2


SWAP = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
static int outside(const char *path) {
    char text[32] = "";
    int fd = open(path, O_RDONLY);
    if (fd >= 0 && read(fd, text, 31) < 0) {}
    return text[0] == 'h';
}
int main(void) {
    /* Move an open directory up, then climb from it. */
    mkdir("/a", 0755); mkdir("/a/b", 0755); mkdir("/a/b/c", 0755);
    if (chdir("/a/b/c")) return 1;
    rename("/a/b", "/b");
    int bad = outside("../../../secret") | outside("../../secret") | outside("../secret");
    int fd = open("/b/c", O_RDONLY | O_DIRECTORY);
    rename("/b/c", "/c");
    rmdir("/b");
    char text[64];
    int f = openat(fd, "../../secret", O_RDONLY);
    bad |= f >= 0 && read(f, text, 1) == 1;
    bad |= chroot("..") == 0;
    bad |= symlink("../../../../../secret", "/out") == 0 && outside("/out");
    bad |= link("/../secret", "/hard") == 0;
    bad |= rename("/../secret", "/stolen") == 0;
    bad |= mknod("/device", S_IFCHR | 0600, 0x101) == 0;
    printf("%s\n", bad ? "escaped" : "confined");
    return bad;
}
"""


def test_moving_directories_about_does_not_open_a_way_out(
    build: Callable[..., Path], run: Callable[..., Any], world: Path
) -> None:
    found = run("--root", world / "root", build("swap.c", "-static", text=SWAP))
    assert found.stdout == "confined\n"
    assert (world / "secret").read_text() == "host secret"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make device files")
def test_device_files_in_the_root_are_refused(reader: Path, run: Callable[..., Any], world: Path) -> None:
    os.mknod(world / "root" / "null", 0o20666, os.makedev(1, 3))
    assert run("--root", world / "root", reader, "r:/null").stdout == "Permission denied\n"


def test_a_read_only_root_stays_as_it_was(reader: Path, run: Callable[..., Any], world: Path) -> None:
    found = run("--root", f"{world}/root:ro", reader, "w:/new", "w:/etc/inside", "r:/etc/inside", "w:/tmp/fine")
    assert found.stdout.splitlines() == ["Read-only file system", "Read-only file system", "guest text", "written"]
    assert sorted(os.listdir(world / "root")) == ["etc"]


def test_a_writable_root_is_written_to(reader: Path, run: Callable[..., Any], world: Path) -> None:
    assert run("--root", world / "root", reader, "w:/etc/new").stdout == "written\n"
    assert (world / "root" / "etc" / "new").read_text() == "guest"


def test_dir_mounts_a_directory_and_ro_keeps_it(reader: Path, run: Callable[..., Any], world: Path) -> None:
    shared = world / "shared"
    shared.mkdir()
    (shared / "file").write_text("shared text")
    found = run("--dir", f"{shared}:/deep/down", reader, "r:/deep/down/file", "w:/deep/down/new", "r:/deep/down/../../secret")
    assert found.stdout.splitlines() == ["shared text", "written", MISSING]
    found = run("--root", world / "root", "--dir", f"{shared}:/deep/down:ro", reader, "r:/deep/down/file", "w:/deep/down/no")
    assert found.stdout.splitlines() == ["shared text", "Read-only file system"]
    assert sorted(os.listdir(shared)) == ["file", "new"]


CONNECT = r"""
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
int main(int argc, char **argv) {
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (s < 0) { printf("%s\n", strerror(errno)); return 1; }
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr.s_addr = htonl(0x7f000001)};
    char text[64] = "";
    if (connect(s, (void *)&a, sizeof a)) { printf("%s\n", strerror(errno)); return 2; }
    if (send(s, "ping", 4, 0) != 4 || recv(s, text, 63, 0) <= 0) return 3;
    printf("%s\n", text);
    return 0;
}
"""


def test_the_network_is_there_only_with_net(build: Callable[..., Path], run: Callable[..., Any]) -> None:
    import socket
    import threading

    program = build("connect.c", "-static", text=CONNECT)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = run(program, port)
        assert found.stdout == "Address family not supported by protocol\n"
        assert found.stderr == f"softmetal run: {program}: the program wants the network; --net gives it\n"

        def answer() -> None:
            peer, _ = server.accept()
            with peer:
                peer.sendall(peer.recv(10) + b" pong")

        thread = threading.Thread(target=answer)
        thread.start()
        found = run("--net", program, port)
        thread.join()
    assert (found.stdout, found.returncode) == ("ping pong\n", 0)


def test_signals_reach_no_process_outside(build: Callable[..., Path], run: Callable[..., Any]) -> None:
    text = "#include <signal.h>\n#include <stdio.h>\n#include <unistd.h>\n" + (
        'int main(){signal(SIGTERM,SIG_IGN);printf("%d %d %d\\n",kill(' + str(os.getpid()) + ",SIGTERM),kill(1,SIGTERM),"
        "kill(-1,SIGTERM));}"
    )
    assert run(build("kill.c", "-static", text=text)).stdout == "-1 -1 -1\n"


def test_a_name_in_proc_on_the_command_line_means_the_guests_own(reader: Path, run: Callable[..., Any]) -> None:
    assert run(reader, "r:/proc/self/comm", "/proc/self/comm").stdout == "reader\n\n" * 2
