"""The README's commands, as they stand there: from a clean clone, in a folder with a space in its name, with an empty home."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import termios
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from softmetal.machine.symbols import Symbols

PROJECT = Path(__file__).parents[2]
CLEARED = ("SOFTMETAL_", "XDG_", "PYTHON", "VIRTUAL_ENV", "PYTEST", "COVERAGE", "NO_COLOR")
LIMIT = 1500
"""Seconds that a command may take at most."""


class Done(NamedTuple):
    """What a command of the README does."""

    shows: str
    """What its output has to match."""
    types: tuple[tuple[str, str], ...] = ()
    """What is typed when the terminal shows something: (what it shows, what is typed)."""
    code: int = 0


DEMO = "examples/mandelbrot/mandelbrot.riscv64"
SHELL = (("# ", "nproc; echo 6*7=$((6*7))\n"), (r"6\*7=42", "poweroff -f\n"))
BOARD = "softmetal run --board riscv-virt --kernel kernel/Image --initrd kernel/initrd --append"
LOGIN = (
    ("login: $", "root\n"),
    (r":~# ", "systemctl is-system-running --wait; systemctl --failed --no-legend | wc -l\n"),
    (r"\n0\r\n", "apt-get --version | head -1; python3 -c 'print(6*7)'\n"),
    (r"\n42\r\n", "poweroff\n"),
)
COMMANDS = {
    "./dev demo": Done("@.*instructions"),
    "./dev boot": Done(r"Linux version .*6\*7=42.*Power down", SHELL),
    "./dev debian": Done(r"Linux version .*\srunning\r\n0\r\n.*\sapt \d.*\n42\r\n.*Power down", LOGIN),
    "./dev test": Done(""),  # OURSELVES: this is the run that we are in
    ". .venv/bin/activate": Done(""),
    f"softmetal run {DEMO}": Done("@"),
    f"softmetal run --stats --seed 7 {DEMO}": Done("@.*instructions"),
    f"softmetal run --engine golden --max-insns 500 --trace-to trace.txt {DEMO}": Done("500 instructions", code=124),
    "tools/guest_root.py root": Done("root"),
    "softmetal run --root root /usr/bin/python3 -c 'print(6*7)'": Done("^42\r\n$"),
    "tools/guest_kernel.py kernel": Done("kernel"),
    f"{BOARD} console=ttyS0 --cpus 2": Done(r"Linux version .*\n2\r\n6\*7=42.*Power down", SHELL),
    f'{BOARD} "console=ttyS0 rdinit=/off" --record run.rec': Done("Linux version .*softmetal replay run.rec"),
    "softmetal replay run.rec": Done("Linux version .*the same"),
    "softmetal asm --isa 6502 examples/monitor/monitor.s -o monitor.rom": Done(""),
    "softmetal run --board mos6502-sbc --rom monitor.rom --script examples/monitor/session.script": Done(r"41\s+\*"),
    'softmetal insn "mulhu a0, a1, a2" --set a1=-1 --set a2=7 --show asm': Done("0x02c5b533.*a0.*0x0000000000000006.*mul"),
    "softmetal insn 0x02c5b533": Done("mulhu a0, a1, a2"),
    "softmetal insn --isa 6502 'adc #$22' --set a=0x7f": Done(r"adc #\$22.*0xa1"),
    "softmetal asm examples/hello/hello.s -o hello && softmetal run hello": Done("^hello\r\n$"),
    "softmetal disasm hello": Done("ecall"),
}
OURSELVES = "./dev test"


def blocks(language: str = "") -> list[str]:
    """The README's blocks of commands, or of a language."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", (PROJECT / "README.md").read_text(), re.S | re.M)
    return [text for kind, text in fenced if kind == language]


def commands() -> list[str]:
    """Each command of the README, without the remark behind it."""
    return [re.sub(r"\s{2,}#.*$", "", line).strip() for block in blocks() for line in block.splitlines() if line.strip()]


class Terminal:
    """A shell in a terminal, in a fresh clone."""

    def __init__(self, clone: Path, home: Path) -> None:
        self.clone = clone
        kept = {k: v for k, v in os.environ.items() if not k.startswith(CLEARED)}
        self.process, self.ours = self._shell(clone, {**kept, "HOME": str(home), "TERM": "dumb", "PS1": "", "PS2": ""})

    @staticmethod
    def _shell(clone: Path, environment: dict[str, str]) -> tuple[subprocess.Popen[bytes], int]:
        ours, theirs = pty.openpty()
        command = ["bash", "--norc", "--noprofile", "--noediting", "-i"]
        modes = termios.tcgetattr(theirs)
        modes[3] &= ~termios.ECHO
        termios.tcsetattr(theirs, termios.TCSANOW, modes)
        process = subprocess.Popen(
            command, cwd=clone, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        return process, ours

    def run(self, command: str, done: Done) -> str:
        """What a command shows until it ends. Fails where it shows or returns something else than it should."""
        text, types, end = "", list(done.types), re.compile(r"<<(\d+)>>")
        os.write(self.ours, f"{command}; echo '<<'$?'>>'\n".encode())
        began = time.monotonic()
        while not (found := end.search(text)):
            left = LIMIT - (time.monotonic() - began)
            if left < 0 or not select.select([self.ours], [], [], left)[0]:
                pytest.fail(f"{command} did not end; it shows:\n{text[-3000:]}")
            text += os.read(self.ours, 65536).decode(errors="replace")
            if types and re.search(types[0][0], text):
                os.write(self.ours, types.pop(0)[1].encode())
        shown = text[: found.start()].replace("(.venv) ", "")
        assert int(found[1]) == done.code, f"{command} returned {found[1]}; it shows:\n{shown[-3000:]}"
        assert re.search(done.shows, shown, re.S), f"{command} does not show {done.shows!r} but:\n{shown[-3000:]}"
        assert not types, f"{command} never showed {types[0][0]!r}; it shows:\n{shown[-3000:]}"
        return shown

    def close(self) -> None:
        """End the shell and what runs in it."""
        os.close(self.ours)
        self.process.kill()
        self.process.wait()


@pytest.fixture
def terminal(tmp_path_factory):
    """A terminal in a fresh clone of what is committed and of what is changed here, in a folder with a space in its name."""
    folder = tmp_path_factory.mktemp("a folder") / "with a space"
    home = folder / "an empty home"
    home.mkdir(parents=True)
    clone = folder / "softmetal"
    subprocess.run(["git", "clone", "--quiet", str(PROJECT), str(clone)], check=True)
    changed = subprocess.run(["git", "diff", "HEAD", "--binary"], cwd=PROJECT, capture_output=True, check=True).stdout
    if changed:
        subprocess.run(["git", "apply"], input=changed, cwd=clone, check=True)
    made = Terminal(clone, home)
    yield made
    made.close()


def test_every_command_of_the_readme_is_known_here():
    assert commands() == list(COMMANDS)


@pytest.mark.timeout(LIMIT)
def test_the_readmes_commands_do_what_it_says_and_debian_on_a_disk_has_no_unit_failed(terminal):
    for command in commands():
        if command != OURSELVES:
            terminal.run(command, COMMANDS[command])
    (code,) = blocks("python")
    (terminal.clone / "page.py").write_text(code + "print(m.position)\n")
    terminal.run("python page.py", Done(r"^\d+\r\n$"))
    image = terminal.clone / ".guest" / "debian.img"
    assert Symbols(f"{image}.kernel").address("start_kernel") > 0xFFFF_FFFF_0000_0000  # from debian.img.symbols, beside it
