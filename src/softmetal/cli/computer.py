"""`softmetal run --board`: a whole computer in the terminal, or under a script."""

from __future__ import annotations

import contextlib
import re
import struct
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from softmetal.cli.script import ScriptError, Step, parse
from softmetal.cli.terminal import HELP, Terminal
from softmetal.debug.gdb import GdbServer, Killed
from softmetal.machine.loading import LoadError
from softmetal.machine.machine import Machine, Stop
from softmetal.machine.virt import Virt

BOARDS = ("riscv-virt",)
OK, GUEST_FAILED, TIMED_OUT = 0, 1, 124
SLICE = 4_000_000
"""Instructions between two looks at the keyboard: a hundredth of a second."""
AFTER_SCRIPT = 20_000_000_000
"""Machine time, in ns, that a guest gets to end by itself after a script's last line."""
MOST_STRANGE = 16
"""Places of what is not modelled that are told."""
PANIC = re.compile(rb"Kernel panic - not syncing: ([^\r\n]*)")


@dataclass
class Options:
    """What the command line says, beyond what the machine is made of."""

    virt: Virt
    engine: str = "native"
    disks: list[str] = field(default_factory=list)
    shares: list[str] = field(default_factory=list)
    script: str | None = None
    screenshot: str | None = None
    timeout: float | None = None
    no_reboot: bool = False
    strict: bool = False
    stats: bool = False
    gdb: int | None = None
    record: str | None = None
    resume: str | None = None


class Quit(Exception):
    """The user has had enough."""


def run_computer(options: Options) -> int:
    """Run a computer until it ends; the exit code. Raises LoadError, ScriptError, MachineError, StateError."""
    steps = parse(options.script) if options.script else None
    backends = _open_backends(options)
    try:
        machine = _machine(options)
        recorder = machine.record(options.record) if options.record else None
        try:
            return Session(machine, options, steps).run()
        finally:
            if recorder is not None:
                recorder.close()
                print(f"softmetal: {recorder.told}", file=sys.stderr)
    finally:
        for each in backends:
            try:
                each.close()
            except OSError as error:
                print(f"softmetal run: {error}", file=sys.stderr)


def progress(line: str) -> None:
    """Tell what takes a while."""
    print(f"softmetal: {line}", file=sys.stderr)


def _machine(options: Options) -> Machine:
    virt = options.virt
    if options.resume is None:
        return Machine(virt, engine=options.engine, progress=progress)
    try:
        return Machine.load(options.resume, disks=virt.disks, shares=virt.shares, engine=options.engine, progress=progress)
    except OSError as error:
        raise LoadError(f"--resume {options.resume}: {error.strerror}") from None


def _open_backends(options: Options) -> list[Any]:
    from softmetal.host.disks import open_disk

    opened: list[Any] = []
    try:
        for spec in options.disks:
            opened.append(open_disk(spec))
        options.virt.disks = tuple(opened)
        if options.shares:
            from softmetal.host.shares import open_share

            shares = [open_share(spec) for spec in options.shares]
            opened += shares
            options.virt.shares = tuple(shares)
    except (OSError, ValueError) as error:
        for each in opened:
            each.close()
        raise LoadError(str(error)) from None
    return opened


class Session:
    """One run of a machine in the terminal, or under a script."""

    def __init__(self, machine: Machine, options: Options, steps: list[Step] | None) -> None:
        self.machine, self.options, self.steps = machine, options, steps
        commands = {"x": self._quit, "c": self._monitor, "s": self._snapshot}
        self.terminal = Terminal(commands, self._resized)
        self._advance = machine.advance
        self._started = time.monotonic()
        self._insns = 0
        self._snapshots = 0

    def run(self) -> int:
        """Until the machine ends; the exit code."""
        machine = self.machine
        machine.console.on_output = self.terminal.write
        with self.terminal, self._debugger():
            if self.terminal.is_terminal and self.steps is None:
                self.terminal.say(HELP)
            try:
                code = self._scripted(self.steps) if self.steps is not None else self._live()
            except (Quit, Killed):
                code = OK
        self._tell()
        if self.options.strict and machine.strange and code == OK:
            code = GUEST_FAILED
        return code

    @contextlib.contextmanager
    def _debugger(self) -> Iterator[None]:
        """Where GDB is to come: nothing runs before it has."""
        if self.options.gdb is None:
            yield
            return
        try:
            server = GdbServer(self.machine, self.options.gdb, self.terminal.say)
        except (OSError, OverflowError) as error:
            raise LoadError(f"--gdb {self.options.gdb}: {getattr(error, 'strerror', None) or error}") from None
        with server:
            self.terminal.say(f"waiting for GDB: gdb-multiarch -ex 'target remote 127.0.0.1:{server.port}' FILE-WITH-SYMBOLS")
            self._advance = server.advance
            yield

    # -- the ways to run

    def _live(self) -> int:
        """The terminal is the console. Machine time does not run ahead of the wall's where somebody watches."""
        machine, terminal = self.machine, self.terminal
        began, zero = time.monotonic(), machine.clock
        wait = 0.0
        while True:
            machine.send(terminal.keys(wait))
            wait = 0.0
            paced = terminal.is_terminal
            horizon = zero + int((time.monotonic() - began) * 1e9) if paced else 1 << 60
            stop = self._advance(SLICE, horizon)
            if stop is Stop.TIME:  # the guest waits: so do we
                wait = 0.01
                behind = horizon - machine.clock
                if behind > 50_000_000:
                    zero -= behind
                continue
            if paced and machine.clock < horizon - 100_000_000:  # it is slower than the wall: time lost is lost
                zero -= horizon - machine.clock
            code = self._ended(stop)
            if code is not None:
                return code

    def _scripted(self, steps: list[Step]) -> int:
        machine = self.machine
        for step in steps:
            if step.verb != "expect":
                machine.send(step.text)
                continue
            deadline = machine.clock + int(step.seconds * 1e9)
            while not machine.console.match(step.text):
                stop = self._advance(SLICE, deadline)
                code = self._ended(stop)
                if machine.console.match(step.text):
                    break
                if code is not None:
                    if code == OK or stop is Stop.IDLE:
                        return self._missed(step, "the guest ended")
                    return code
                if machine.clock >= deadline:
                    return self._missed(step, f"{step.seconds:g} s of machine time passed")
        deadline = machine.clock + AFTER_SCRIPT
        while machine.clock < deadline:  # what was typed last takes effect
            code = self._ended(self._advance(SLICE, deadline))
            if code is not None:
                return code
        return OK

    def _missed(self, step: Step, why: str) -> int:
        self.terminal.say(f"{self.options.script}:{step.line}: the console never showed {step.text!r}: {why}")
        return GUEST_FAILED

    def _ended(self, stop: Stop | None) -> int | None:
        """The exit code, once the machine has ended."""
        say = self.terminal.say
        panic = PANIC.search(self.machine.console.output, max(0, len(self.machine.console.output) - 20000))
        if self.options.gdb is not None:  # a panic is something to look at
            panic = None
        if panic and (b"end Kernel panic" in self.machine.console.output[panic.end() :] or stop is not None):
            say(f"the guest panicked: {panic[1].decode(errors='replace')}")
            return GUEST_FAILED
        if self.options.timeout is not None and time.monotonic() - self._started > self.options.timeout:
            say(f"time-out after {self.options.timeout:g} s; the guest was still running")
            return TIMED_OUT
        match stop:
            case Stop.OFF:
                return OK
            case Stop.FAILED:
                say(f"the guest powered off with error {self.machine.board.finisher.code}")
                return GUEST_FAILED
            case Stop.RESET:
                if self.options.no_reboot:
                    return OK
                say("the guest resets")
                self.machine.reset()
            case Stop.IDLE:
                say("the guest waits for what will never come: all its CPUs are idle, no timer is set, the input has ended")
                return GUEST_FAILED
        return None

    def _tell(self) -> None:
        """What the user has to know at the end."""
        machine, say = self.machine, self.terminal.say
        for trouble in machine.troubles:
            say(trouble)
        if machine.strange:
            say(f"the guest touched what is not modelled, {machine.board.strange_count} times:")
            for place in machine.strange[:MOST_STRANGE]:
                say(f"  {place}")
            if len(machine.strange) > MOST_STRANGE:
                say("  ...")
        if self.options.screenshot:
            self._screenshot(self.options.screenshot)
        if self.options.stats:
            seconds = time.monotonic() - self._started
            speed = machine.position / max(seconds, 1e-9) / 1e6
            say(
                f"{machine.position} instructions in {seconds:.2f} s: {speed:.0f} million a second;"
                f" {machine.seconds:.2f} s of machine time ({self.options.engine})"
            )

    # -- Ctrl-A

    def _quit(self) -> None:
        raise Quit

    def _resized(self, columns: int, rows: int) -> None:
        self.machine.resize(columns, rows)

    def _snapshot(self) -> None:
        self._snapshots += 1
        path = Path(f"softmetal-{self._snapshots}.state")
        while path.exists():
            self._snapshots += 1
            path = Path(f"softmetal-{self._snapshots}.state")
        try:
            self.machine.save(str(path))
        except (OSError, ValueError) as error:
            self.terminal.say(f"no snapshot: {error}")
            return
        self.terminal.say(f"saved in {path}; go on from it with: softmetal run --resume {path}")

    def _screenshot(self, path: str) -> None:
        width, height, pixels = self.machine.board.gpu.picture()
        Path(path).write_bytes(png(width, height, pixels))
        self.terminal.say(f"{path}: {width} x {height}")

    def _monitor(self) -> None:
        """A prompt between guest and host."""
        from softmetal.cli.monitor import monitor

        self.terminal.cooked()
        try:
            if monitor(self.machine):
                raise Quit
        finally:
            self.terminal.raw()


def png(width: int, height: int, rgba: bytes) -> bytes:
    """A picture as a PNG file (W3C, Portable Network Graphics, third edition)."""
    rows = b"".join(b"\0" + rgba[4 * width * y : 4 * width * (y + 1)] for y in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


__all__ = ["BOARDS", "LoadError", "Options", "ScriptError", "run_computer"]
