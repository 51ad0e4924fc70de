"""A walk through every system call of the table: what it does, natively and in the guest, line by line.

The calls with right arguments; those with wrong ones are in `wrong_arguments` and `wrong_events`. `walk/*.c` has a
`WALK(call)` for each call, which prints what can be seen afterwards; here they become one program. It gives up being root
first, so that it does the same for every user.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from softmetal.linux import calls
from softmetal.linux.table import TABLE

from .batteries import skip_on_old_kernels

FOLDER = Path(__file__).parent / "walk"
PARTS = ("files.c", "io.c", "memory.c", "processes.c", "signals.c", "sockets.c", "ipc.c", "system.c")
NOT_WALKED = {
    "riscv_hwprobe": "the host's architecture lacks it; test_extensions has it",
    "riscv_flush_icache": "the host's architecture lacks it; wild.c has it",
    "memfd_secret": "the host may have been started without it",
    "pkey_alloc": "the answer is the host CPU's",
}

MAIN = r"""
int main(int count, char **arguments) {
    static const struct { const char *name; void (*walk)(void); } walks[] = { %s };
    if (getenv("AGAIN")) return again(count, arguments);
    umask(022);
    if (count < 2 || chdir(arguments[1])) return 1;
    if (getuid() == 0 && (setgroups(0, 0) || setgid(65534) || setuid(65534))) return 1;
    for (size_t i = 0; i < sizeof walks / sizeof *walks; i++) {
        if (count > 2 && strcmp(arguments[2], walks[i].name)) continue;
        current = walks[i].name;
        pid_t child = fork();
        if (!child) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (mkdir(current, 0755) || chdir(current)) return 1;
            walks[i].walk();
            _exit(0);
        }
        int end = ended(child);
        if (end) line("ended with %%d", end);
    }
    return 0;
}
"""


def walked() -> Iterator[str]:
    """The names of the walks."""
    for part in PARTS:
        yield from re.findall(r"^WALK\((\w+)\)", (FOLDER / part).read_text(), re.MULTILINE)


def source() -> str:
    """The program."""
    parts = [(FOLDER / name).read_text() for name in ("walk.h", *PARTS)]
    return "".join(parts) + MAIN % ", ".join(f'{{"{name}", walk_{name}}}' for name in walked())


def by_call(output: str) -> dict[str, list[str]]:
    """The lines of each walk."""
    calls: dict[str, list[str]] = {}
    for line in output.splitlines():
        name, _, text = line.partition(": ")
        calls.setdefault(name, []).append(text)
    return calls


def filtered() -> bool:
    """Whether a seccomp filter stands before the host's kernel, as in a container, and may refuse what that would do."""
    return "Seccomp:\t2" in Path("/proc/self/status").read_text()


def test_every_call_of_the_table_is_walked() -> None:
    assert calls
    names = {entry.name for entry in TABLE.values()}
    assert names - set(walked()) == set(NOT_WALKED)


@pytest.mark.timeout(240)  # some two hundred processes, each of which forks
def test_every_call_does_what_the_hosts_kernel_does(build: Callable[..., Path], run: Callable[..., Any], tmp_path: Path) -> None:
    skip_on_old_kernels()
    folders = [tmp_path / "native", tmp_path / "guest"]
    for folder in (tmp_path, *folders):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)  # the program gives up being root
    text = source()
    native = build("walk.c", "-static", prefix="", text=text)
    command = [native, folders[0]]
    expected = by_call(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)
    done = run("--dir", f"{folders[1]}:/mnt/work", build("walk.c", "-static", text=text), "/mnt/work", timeout=200)
    found = by_call(done.stdout)
    assert (done.stderr, done.returncode) == ("", 0)
    assert list(expected) == list(walked())
    if filtered():
        for name, lines in expected.items():
            if any("EPERM" in line or "ENOSYS" in line for line in lines):
                found[name] = lines
    assert found == expected
