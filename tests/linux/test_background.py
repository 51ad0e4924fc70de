"""Processes that go on when the run's first process has ended, as servers that a shell leaves in the background do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SERVER = """
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
int main(int argc, char **argv) {
    if (fork()) {
        puts("started");
        return 3;
    }
    alarm(60); // should the test fail
    for (int fd = 0; fd < 3; fd++) close(fd);
    chdir(argv[1]);
    char letter;
    int asked = open("asked", O_RDONLY), answered = open("answered", O_WRONLY);
    struct timespec nap = {0, 300000000};
    while (read(asked, &letter, 1) == 1) {
        nanosleep(&nap, 0);
        write(answered, &letter, 1);
    }
}
"""


def test_a_run_ends_with_its_first_process_and_the_others_go_on_in_real_time(
    build: Callable[..., Path], run: Callable[..., Any], tmp_path: Path
) -> None:
    for name in ("asked", "answered"):
        os.mkfifo(tmp_path / name)
    ended = run("--dir", f"{tmp_path}:/w", build("server.c", "-static", text=SERVER), "/w", timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "started\n", "")
    with open(tmp_path / "asked", "wb", buffering=0) as asked, open(tmp_path / "answered", "rb", buffering=0) as answered:
        asked.write(b"a")
        assert answered.read(1) == b"a"  # both have been opened, and the clock is the host's from here on
        began = time.monotonic()
        asked.write(b"b")
        assert answered.read(1) == b"b"
        assert time.monotonic() - began >= 0.3
