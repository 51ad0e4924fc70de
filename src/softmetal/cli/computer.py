"""`softmetal run --board`: a whole computer in the terminal, or under a script."""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from softmetal.cli import progress
from softmetal.cli.boards import ComputerSpec
from softmetal.cli.script import ScriptError, Step, parse
from softmetal.cli.terminal import HELP, Terminal, TerminalError, open_standard_streams
from softmetal.debug.gdb import GdbServer, Killed
from softmetal.lang.state import StateError
from softmetal.machine.errors import LoadError, MachineError
from softmetal.machine.interrupts import signals_held
from softmetal.machine.machine import Machine
from softmetal.machine.stop import Stop

REFUSALS = (LoadError, ScriptError, MachineError, StateError)
"""What cannot be run, in one line."""
OK, GUEST_FAILED, TIMED_OUT, NO_CONSOLE, SIGNALLED = 0, 1, 124, 125, 128
SIGNALS = {signal.SIGINT: "interrupted", signal.SIGTERM: "ended by SIGTERM", signal.SIGHUP: "the terminal was closed"}
MOST_TYPED = 1 << 16
"""Bytes that are read ahead from an input that is no terminal, while the guest does not read them."""
SLICE = 4_000_000
"""Instructions after which the keyboard is polled: a hundredth of a second."""
CALLS = 16
"""Calls of devices after which it is polled, since polling costs more than they do."""
AFTER_SCRIPT = 20
"""Seconds of machine time that a guest gets to end by itself after a script's last line."""
MOST_RESETS = 4
"""Resets that are reported."""
MOST_UNMODELLED = 16
"""Addresses of what is not modelled that are listed."""


@dataclass
class Options:
    """What the command line says, beyond what the machine is made of."""

    engine: str = "native"
    script: str | None = None
    screenshot: str | None = None
    sound: str | None = None
    timeout: float | None = None
    max_insns: int | None = None
    no_reboot: bool = False
    strict: bool = False
    stats: bool = False
    gdb: int | None = None
    record: str | None = None


class Over(Exception):
    """The run ends here, with an exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def run_computer(spec: ComputerSpec, options: Options) -> int:
    """Run a computer until it ends; the exit code. Raises what is in REFUSALS."""
    open_standard_streams()
    steps = parse(options.script) if options.script is not None else None
    for name, path in (("screenshot", options.screenshot), ("sound", options.sound)):
        if path is not None:
            _check_writable(name, path)
    try:
        spec.open()
        code = _run(spec, options, steps)
    finally:
        lost = spec.close()
        for error in lost:
            print(f"softmetal run: {error}", file=sys.stderr)
    return code or (GUEST_FAILED if lost else OK)


def _run(spec: ComputerSpec, options: Options, steps: list[Step] | None) -> int:
    machine = spec.machine(engine=options.engine, progress=progress.compiling())
    if options.screenshot is not None and machine.picture is None:
        raise LoadError(f"--screenshot {options.screenshot}: this machine has no screen")
    if options.sound is not None and machine.sound is None:
        raise LoadError(f"--sound {options.sound}: this machine has no sound")
    recorder = machine.record(options.record) if options.record is not None else None
    try:
        return Session(machine, options, steps).run()
    finally:
        if recorder is not None:
            recorder.close()
            progress.line(recorder.summary)


def _check_writable(name: str, path: str) -> None:
    """Before a long run, not behind it. Raises LoadError."""
    place = Path(path)
    if place.is_dir():
        raise LoadError(f"--{name} {path}: this is a directory")
    if not place.parent.is_dir():
        raise LoadError(f"--{name} {path}: there is no such directory")
    if not os.access(place if place.exists() else place.parent, os.W_OK):
        raise LoadError(f"--{name} {path}: may not be written")


class Session:
    """One run of a machine in the terminal, or under a script."""

    def __init__(self, machine: Machine, options: Options, steps: list[Step] | None) -> None:
        self.machine, self.options, self.steps = machine, options, steps
        commands = {"x": self._quit, "c": self._monitor, "s": self._snapshot}
        resize = machine.resize if "resize" in machine.computer.ports else lambda columns, rows: None
        self.terminal = Terminal(commands, resize, typing=steps is None)
        self._advance_machine = machine.advance
        self._started = time.monotonic()
        self._last = None if options.max_insns is None else machine.position + options.max_insns
        self._signal = 0
        self._warnings = self._remarks = self._resets = self._snapshots = 0
        self._began_at, self._began_clock = machine.position, machine.total_clock

    def run(self) -> int:
        """Until the machine ends; the exit code."""
        machine = self.machine
        machine.console.on_output = self.terminal.write
        with self._signals():
            with self.terminal, self._debugger():
                if self.terminal.is_terminal:
                    self.terminal.say(HELP)
                try:
                    code = self._scripted(self.steps) if self.steps is not None else self._live()
                except Over as over:
                    code = over.code
                except Killed:
                    code = OK
                except BrokenPipeError:  # the reader has closed the pipe
                    code = SIGNALLED + signal.SIGPIPE
                except TerminalError as error:
                    self.terminal.say(str(error))
                    code = NO_CONSOLE
            shown = self._report()
        if code == OK and (not shown or machine.warnings or (self.options.strict and machine.unmodelled)):
            code = GUEST_FAILED
        return code

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Signals end the run between two slices; a second one at once."""

        def come(number: int, frame: object) -> None:
            if self._signal:
                raise KeyboardInterrupt
            self._signal = number

        before = {number: signal.getsignal(number) for number in SIGNALS}
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, come)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def _debugger(self) -> Iterator[None]:
        """With --gdb: nothing runs before GDB has connected."""
        if self.options.gdb is None:
            yield
            return
        try:
            server = GdbServer(self.machine, self.options.gdb, self.terminal.say)
        except (OSError, OverflowError) as error:
            why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
            raise LoadError(f"--gdb {self.options.gdb}: {why}") from None
        with server:
            self.terminal.say(f"waiting for GDB: gdb-multiarch -ex 'target remote 127.0.0.1:{server.port}' FILE-WITH-SYMBOLS")
            self._advance_machine = server.advance
            yield

    # -- the ways to run

    def _advance(self, horizon: int) -> Stop | None:
        """Run for a moment. Raises Over."""
        self._look()
        machine = self.machine
        first = machine.position
        last = first + SLICE if self._last is None else min(first + SLICE, self._last)
        if self.options.gdb is not None:
            return self._advance_machine(last - first, horizon)
        stop = None
        with signals_held():  # once for several of a device's calls
            for _ in range(CALLS):
                stop = machine.advance(last - machine.position, horizon)
                if stop is not None or machine.position == last:
                    break
        return stop

    def _look(self) -> None:
        """Does the run end for a reason outside of the guest? Raises Over."""
        machine, options, say = self.machine, self.options, self.terminal.say
        self._print_warnings()
        if self._signal:
            say(SIGNALS[signal.Signals(self._signal)])
            raise Over(SIGNALLED + self._signal)
        if options.timeout is not None and time.monotonic() - self._started > options.timeout:
            say(f"time-out after {options.timeout:g} s; the guest was still running")
            raise Over(TIMED_OUT)
        if self._last is not None and machine.position >= self._last:
            say(f"stopped after {options.max_insns} instructions (--max-insns); the guest was still running")
            raise Over(TIMED_OUT)

    def _live(self) -> int:
        """The terminal is the console. In a terminal machine time does not run ahead of the wall clock."""
        machine, terminal, hz = self.machine, self.terminal, self.machine.computer.hz
        began, zero = time.monotonic(), machine.clock
        wait = 0.0
        while True:
            if terminal.is_terminal or len(machine.console.pending) < MOST_TYPED:
                machine.send(terminal.keys(wait))
            wait = 0.0
            paced = terminal.is_terminal
            horizon = zero + int((time.monotonic() - began) * hz) if paced else 1 << 60
            stop = self._advance(horizon)
            if stop is Stop.TIME:  # the guest waits: so do we
                wait = 0.01
                behind = horizon - machine.clock
                if behind > hz // 20:
                    zero -= behind
                continue
            if paced and machine.clock < horizon - hz // 10:  # it is slower than the wall clock: do not catch up
                zero -= horizon - machine.clock
            code = self._ended(stop)
            if code is not None:
                return code

    def _scripted(self, steps: list[Step]) -> int:
        machine = self.machine
        for step in steps:
            if step.verb == "quit":
                return step.code
            if step.verb != "expect":
                machine.send(step.text)
                continue
            deadline = machine.clock + int(step.seconds * machine.computer.hz)
            while not machine.console.match(step.text):
                stop = self._advance(deadline)
                code = self._ended(stop)
                if machine.console.match(step.text):
                    break
                if code is not None:
                    if code == OK or stop is Stop.IDLE:
                        return self._missed(step, "the guest ended")
                    return code
                if machine.clock >= deadline:
                    return self._missed(step, f"{step.seconds:g} s of machine time passed")
        deadline = machine.clock + AFTER_SCRIPT * machine.computer.hz
        while machine.clock < deadline:  # what was typed last takes effect
            code = self._ended(self._advance(deadline))
            if code is not None:
                return code
        return OK

    def _missed(self, step: Step, why: str) -> int:
        self.terminal.say(f"{self.options.script}:{step.line}: the console never showed {step.text!r}: {why}")
        return GUEST_FAILED

    def _ended(self, stop: Stop | None) -> int | None:
        """The exit code, once the machine has ended."""
        say = self.terminal.say
        machine = self.machine
        failure = machine.computer.failure(machine.console.output, stop is not None)
        if failure and self.options.gdb is None:  # with GDB the user inspects it
            say(failure)
            return GUEST_FAILED
        match stop:
            case Stop.OFF:
                return OK
            case Stop.FAILED:
                error = machine.computer.exit_code(machine.board)
                say(f"the guest powered off with error {error}")
                return min(error, 255) or GUEST_FAILED
            case Stop.RESET:
                if self.options.no_reboot:
                    return OK
                self._resets += 1
                if self._resets <= MOST_RESETS:
                    say("the guest resets" if self._resets < MOST_RESETS else "the guest resets again and again")
                self.machine.reset()
            case Stop.IDLE:
                say(machine.computer.why_idle(machine.board))
                return GUEST_FAILED
        return None

    def _print_warnings(self) -> None:
        """Print the machine's new warnings and remarks."""
        machine = self.machine
        for line in machine.warnings[self._warnings :] + machine.remarks[self._remarks :]:
            self.terminal.say(line)
        self._warnings, self._remarks = len(machine.warnings), len(machine.remarks)

    def _report(self) -> bool:
        """Print the report at the end of a run. False: the screenshot or the sound could not be written."""
        machine, say = self.machine, self.terminal.say
        self._print_warnings()
        if machine.unmodelled:
            say(f"the guest accessed what is not modelled, {machine.board.unmodelled.count} times:")
            for place in machine.unmodelled[:MOST_UNMODELLED]:
                say(f"  {place}")
            if len(machine.unmodelled) > MOST_UNMODELLED:
                say("  ...")
        if self.options.stats:
            seconds = time.monotonic() - self._started
            done = machine.position - self._began_at
            speed = done / max(seconds, 1e-9) / 1e6
            passed = (machine.total_clock - self._began_clock) / machine.computer.hz
            say(
                f"{done} instructions in {seconds:.2f} s: {speed:.0f} million a second;"
                f" {passed:.2f} s of machine time ({self.options.engine})"
            )
        screenshot, sound = self.options.screenshot, self.options.sound
        written = screenshot is None or self._screenshot(screenshot)
        return (sound is None or self._sound(sound)) and written

    # -- Ctrl-A

    def _quit(self) -> None:
        raise Over(OK)

    def _snapshot(self) -> None:
        self._snapshots += 1
        path = Path(f"softmetal-{self._snapshots}.state")
        while path.exists():
            self._snapshots += 1
            path = Path(f"softmetal-{self._snapshots}.state")
        try:
            self.machine.save(str(path))
        except (OSError, StateError, MachineError) as error:
            self.terminal.say(f"no snapshot: {getattr(error, 'strerror', None) or error}")
            return
        self.terminal.say(f"saved in {path}; go on from it with: softmetal run --resume {path}")

    def _sound(self, path: str) -> bool:
        sound = self.machine.sound
        assert sound is not None
        try:
            sound.save(path)
        except OSError as error:
            self.terminal.say(f"--sound {path}: {error.strerror}")
            return False
        lost = f"; the last {sound.lost} bytes were more than are kept" if sound.lost else ""
        self.terminal.say(f"{path}: {len(sound.samples) / (2 * sound.channels * sound.rate):.1f} s at {sound.rate} Hz{lost}")
        return True

    def _screenshot(self, path: str) -> bool:
        picture = self.machine.picture
        assert picture is not None
        width, height, pixels = picture
        try:
            Path(path).write_bytes(png(width, height, pixels))
        except OSError as error:
            self.terminal.say(f"--screenshot {path}: {error.strerror}")
            return False
        self.terminal.say(f"{path}: {width} x {height}")
        return True

    def _monitor(self) -> None:
        """A prompt between guest and host."""
        from softmetal.cli.monitor import monitor

        self.terminal.cooked()
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            if monitor(self.machine):
                raise Over(OK)
        finally:
            signal.signal(signal.SIGINT, before)
            self.terminal.raw()
        self.terminal.say("back in the guest")


def png(width: int, height: int, rgba: bytes) -> bytes:
    """A picture as a PNG file (W3C, Portable Network Graphics, third edition)."""
    rows = b"".join(b"\0" + rgba[4 * width * y : 4 * width * (y + 1)] for y in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


__all__ = ["REFUSALS", "Options", "run_computer"]
