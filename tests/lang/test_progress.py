"""What compiles long says so on a terminal, and nowhere else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

CODE = """
import sys
from softmetal.lang import progress
progress.DELAY = 0
started = []
import rich.progress
class Live(rich.progress.Progress):
    def start(self):
        super().start()
        started.append(self)
        event.set()
rich.progress.Progress = Live
import threading
event = threading.Event()
with progress.shown("compiling a toy"):
    if sys.stderr.isatty():
        event.wait()
print(len(started))
"""


def run(stderr: int) -> str:
    command = [sys.executable, "-c", CODE]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, text=True, check=True).stdout.strip()


def test_a_terminal_shows_what_is_compiled():
    ours, theirs = pty.openpty()
    try:
        assert run(theirs) == "1"
        assert b"compiling a toy" in os.read(ours, 4096)
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_file_gets_nothing(tmp_path):
    with open(tmp_path / "log", "w") as file:
        assert run(file.fileno()) == "0"
    assert (tmp_path / "log").read_text() == ""
