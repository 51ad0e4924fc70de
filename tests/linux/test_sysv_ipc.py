"""System V IPC belongs to one run: no other run, and not the host, sees it or keeps it. What the calls do: `walk/ipc.c`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

KEY = 0x50F73E7A
LEAVE = f"""
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <unistd.h>
int main(int count, char **arguments) {{
    int shm = shmget({KEY}, 1 << 20, IPC_CREAT | IPC_EXCL | 0600), sem = semget({KEY}, 1, IPC_CREAT | IPC_EXCL | 0600);
    int msg = msgget({KEY}, IPC_CREAT | IPC_EXCL | 0600);
    char *text = shmat(shm, 0, 0);
    printf("%d %d %d %d\\n", shm, sem, msg, text[0]);
    fflush(stdout);
    memset(text, 'x', 1 << 20);
    return fork() ? 3 : (kill(getppid(), SIGKILL), 0);
}}
"""


def host_has_it() -> bool:
    """Whether the host has anything under the key."""
    tables = (Path("/proc/sysvipc") / kind for kind in ("shm", "sem", "msg"))
    return any(str(KEY) in table.read_text() for table in tables if table.exists())


def test_what_a_run_leaves_is_gone_with_it(build: Callable[..., Path], run: Callable[..., Any]) -> None:
    program = build("leave.c", "-static", text=LEAVE)
    assert [run(program).stdout for _ in range(2)] == ["0 0 0 0\n"] * 2
    assert not host_has_it()
