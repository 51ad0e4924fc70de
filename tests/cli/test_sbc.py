"""The 6502 computer from the command line, with the monitor of the examples in its ROM."""

from __future__ import annotations

import itertools
import wave
from pathlib import Path

import pytest

from softmetal.computers.mos6502_sbc import Sbc
from softmetal.machine.machine import Machine
from tests.cli.test_computer import softmetal

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "monitor"


@pytest.fixture
def rom(tmp_path):
    path = str(tmp_path / "monitor.rom")
    assert softmetal("asm", "--isa", "6502", str(EXAMPLE / "monitor.s"), "-o", path)[0] == 0
    return path


def run(rom, *arguments, typed=""):
    return softmetal("run", "--board", "mos6502-sbc", "--rom", rom, *arguments, typed=typed)


def test_the_example_s_session_ends_well(rom):
    assert run(rom, "--script", str(EXAMPLE / "session.script"))[0] == 0


def test_the_monitor_shows_changes_and_runs_and_the_timer_counts(rom):
    code, out, said = run(rom, "--stats", typed="0300=a9 41 60\n0300\n0300!\nxyz\nq\n")
    assert code == 1
    assert [line.strip() for line in out.replace("\r", "").splitlines()][1:] == [
        "6502 monitor", "*0300=a9 41 60", "*0300", "a9 41 60 00 00 00 00 00", "*0300!", "41", "*xyz", "?", "*q",
    ]  # fmt: skip
    assert said[0].startswith("softmetal: the processor is jammed by the instruction at $e")
    assert "of machine time (native)" in said[1]


def test_a_run_is_recorded_replayed_and_resumed(rom, tmp_path):
    log, other = str(tmp_path / "log"), str(tmp_path / "other")
    run(rom, "--record", log, "--max-insns", "20000", typed="0300=1 2 3\n")
    run(rom, "--record", other, "--max-insns", "20000", typed="0300=1 2 4\n")
    code, out, said = softmetal("replay", log)
    assert code == 0
    assert "0300=1 2 3" in out
    assert "the same at 2 of 2 checkpoints, up to position 20000" in said[-1]
    code, out, _ = softmetal("diff", log, other)
    assert code == 1
    assert out.startswith("the runs diverge at position ")
    assert "acia.rx.ring" in out


def test_a_hook_and_the_way_back_work_from_python(rom):
    m = Machine(Sbc(rom=rom))
    m.keep_timeline(every=1000)
    m.expect(r"\*")
    m.debug.on_access(0x0300, 1, "w")
    m.send("0300=77\n")
    m.run()
    assert (m.debug.hits[0].place, m.debug.hits[0].value, m.memory[0x300:0x301]) == (0x300, 0x77, b"\x77")
    m.rewind(insns=1)
    assert m.memory[0x300:0x301] == b"\0"


TONE = """
        ldx #$ff
        txs
        lda #$80                ; PB7 is an output,
        sta $6002
        lda #$c0                ; timer 1 drives it, and runs free
        sta $600b
        lda #$e6                ; 998: a half period of 1000 cycles
        sta $6004
        lda #$03
        sta $6005
loop:   jmp loop
"""


def test_what_a_timer_plays_is_heard_and_written_with_its_pitch(tmp_path):
    from tests.machine import guests_6502

    rom = guests_6502.rom(tmp_path, TONE)
    path = str(tmp_path / "out.wav")
    _, _, said = run(rom, "--sound", path, "--max-insns", "350000")
    assert any(line.startswith(f"softmetal: {path}: 1.0") and line.endswith(" s at 31250 Hz") for line in said)
    with wave.open(path) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 31250)
        frames = file.readframes(file.getnframes())
    levels = [frames[at + 1] >> 7 for at in range(0, len(frames), 2)]
    edges = sum(a != b for a, b in itertools.pairwise(levels))
    assert abs(edges * 1000 * 31250 / (len(levels) * 1_000_000) - 1) < 0.01  # one in a thousand cycles
    m = Machine(Sbc(rom=rom))
    m.keep_timeline(every=1000)
    pieces = []
    m.sound.on_samples = pieces.append
    m.run(insns=20_000)
    heard = bytes(m.sound.samples)
    assert heard == b"".join(pieces) == frames[: len(heard)]
    m.rewind(insns=5000)
    assert m.sound.samples == heard  # the way back is silent


REFUSED = {
    "": "nothing to run: give a ROM (--rom)",
    "--rom nothere": "rom nothere: No such file or directory",
    "--rom short": "rom short: it has 5 bytes; a ROM has at most 32768, the last 6 of them vectors",
    "--rom long": "rom long: it has 40000 bytes; a ROM has at most 32768",
    "--rom good --kernel x": "--kernel: there is no such option (softmetal run --board mos6502-sbc --help lists the options)",
    "--rom good --mem 1M": "--mem: the board mos6502-sbc has no such option",
    "--rom good --gdb 0": "GDB does not support this kind of CPU (mos6502-sbc); the monitor (Ctrl-A c) does",
    "--rom good --sound no/x.wav": "--sound no/x.wav: there is no such directory",
    "--rom good --screenshot x.png": "--screenshot x.png: this machine has no screen",
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_cannot_be_run_is_refused_in_one_line(tmp_path, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    for name, size in (("short", 5), ("long", 40_000), ("good", 0x8000)):
        (tmp_path / name).write_bytes(bytes(size))
    code, out, said = softmetal("run", "--board", "mos6502-sbc", *line.split())
    assert (code, out, len(said)) == (2, "", 1)
    assert said[0].startswith(f"softmetal run: {REFUSED[line]}")


def test_a_computer_of_the_user_s_own_runs_by_the_name_of_its_class(rom, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "from dataclasses import dataclass\n"
        "from softmetal.computers.mos6502_sbc import Sbc\n"
        "from softmetal.machine.computer import option\n\n\n"
        "@dataclass(frozen=True, kw_only=True)\n"
        "class Mine(Sbc):\n"
        "    name = 'mine'\n"
        "    speed: int = option(1, 'MHZ', 'How fast it is.')\n"
    )
    monkeypatch.chdir(tmp_path)
    code, out, _ = softmetal("run", "--board", "mine:Mine", "--rom", rom, "--speed", "2", "--max-insns", "3000")
    assert (code, "6502 monitor" in out) == (124, True)
    assert "--speed MHZ" in softmetal("run", "--board", "mine:Mine", "--help")[1]
    code, _, said = softmetal("run", "--board", "mine:Yours", "--rom", rom)
    assert (code, said) == (2, ["softmetal run: --board mine:Yours: AttributeError: module 'mine' has no attribute 'Yours'"])
