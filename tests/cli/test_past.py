"""`softmetal replay` and `softmetal diff`, as a user calls them."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from softmetal.machine.replay import Recording
from tests.machine.guests import TIMERS, program

OFF = """
        li t0, 0x100000
        li t1, 0x5555
        sw t1, 0(t0)
1:      j 1b
"""
ECHO_THEN_OFF = TIMERS.replace("sb t1, 0(s2)", f"sb t1, 0(s2)\n li t2, 'z' + 1\n bne t1, t2, loop\n{OFF}", 1)


def softmetal(*arguments, typed=""):
    command = [sys.executable, "-m", "softmetal", *map(str, arguments)]
    done = subprocess.run(command, input=typed, capture_output=True, text=True, env={**os.environ}, timeout=300)
    reported = [line for line in done.stderr.splitlines() if "compiling" not in line and ":   " not in line]
    return done.returncode, done.stdout, reported


@pytest.fixture
def guest(tmp_path):
    return program(tmp_path, ECHO_THEN_OFF)


def record(tmp_path, guest, name, typed):
    path = tmp_path / name
    code, out, reported = softmetal("run", "--bios", guest, "--mem", "16M", "--record", path, typed=typed)
    assert code == 0
    assert reported[-1].startswith(f"softmetal: {path}: ")
    return path, out


def test_a_recorded_run_is_replayed_and_shows_the_same(tmp_path, guest):
    path, out = record(tmp_path, guest, "log", "abz")
    code, again, reported = softmetal("replay", path)
    assert (code, again) == (0, out)
    assert re.fullmatch(r"softmetal replay: the same at (\d+) of \1 checkpoints, up to position \d+, in [\d.]+ s", reported[-1])


def test_a_replay_up_to_a_position_prints_the_hash_there(tmp_path, guest):
    path, _ = record(tmp_path, guest, "log", "abz")
    code, _, reported = softmetal("replay", path, "--until", 77)
    assert code == 0
    m = Recording(str(path)).machine()
    m.run(insns=77)
    assert reported[-1].endswith(f"; the hash at position 77 is {m.hash()}")


def test_two_runs_part_where_something_else_is_typed(tmp_path, guest):
    one, _ = record(tmp_path, guest, "one", "abz")
    other, _ = record(tmp_path, guest, "other", "acz")
    assert softmetal("diff", one, one)[0] == 0
    code, out, _ = softmetal("diff", one, other)
    assert code == 1
    assert re.match(r"the runs diverge at position \d+, tick \d+: CPU 0, pc 0x[0-9a-f]+: ", out)
    assert f"{other}: uart b'acz' enters here" in out


@pytest.mark.parametrize("command", [["replay"], ["diff", __file__]])
def test_what_is_no_recording_is_refused_in_one_line(tmp_path, command):
    code, _, reported = softmetal(*command, tmp_path / "nothing")
    assert (code, len(reported)) == (2, 1)


def test_a_changed_guest_is_refused(tmp_path, guest):
    path, _ = record(tmp_path, guest, "log", "z")
    program(tmp_path, OFF)
    code, _, reported = softmetal("replay", path)
    assert (code, reported) == (2, [f"softmetal replay: bios {guest}: changed since the recording was made"])
