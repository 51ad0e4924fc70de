"""A server for GDB's remote protocol: `target remote :PORT` gives a machine, its CPUs as threads, and its past.

The caller that runs the machine calls `advance` of the server instead of the machine's, and the server lets the machine run,
stop, step, or go back, as GDB commands. Harts take turns, and to step one, the others run until it is that one's turn.
When the guest ends, GDB sees a stop (SIGTERM), and can inspect the machine or go back; `continue` then ends it.

Source: GDB manual, appendix "Remote Protocol".
Not modelled: non-stop mode, range stepping, conditions and commands evaluated by the server, files, flash.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Callable
from typing import Any

from softmetal.debug.packets import INTERRUPT, MOST, Gone, Link, framed
from softmetal.debug.past import Past
from softmetal.machine import virtual
from softmetal.machine.debugger import Event, Hook, HookError
from softmetal.machine.errors import MachineError
from softmetal.machine.monitor import execute
from softmetal.machine.stop import FOREVER, Stop

SIGINT, SIGTRAP, SIGTERM = 2, 5, 15
WAIT = 0.02
"""Seconds to wait for GDB, while the machine is stopped, before `advance` returns to its caller."""
STEPS = 2000
"""Instructions of other CPUs after which the connection is polled, while a CPU is stepped."""
FEATURES = (
    f"PacketSize={MOST:x};qXfer:features:read+;swbreak+;hwbreak+;vContSupported+;QStartNoAckMode+;"
    "ReverseStep+;ReverseContinue+;multiprocess-"
)
WATCHES = {2: ("w", "watch"), 3: ("r", "rwatch"), 4: ("rw", "awatch")}
OK, EMPTY, WRONG, NO_MEMORY, NO_REGISTER = b"OK", b"", b"E16", b"E0e", b"E06"


class Killed(Exception):
    """GDB wants the machine to end."""


class GdbServer:
    """Serves one GDB at a time on 127.0.0.1; port 0 takes a free one, `port` is its number. `say` gets a line when one
    connects or disconnects.

    Raises OSError where the port is not free, MachineError if GDB does not support the CPU."""

    def __init__(self, machine: Any, port: int = 0, say: Callable[[str], None] = lambda text: None) -> None:
        self.machine, self._say = machine, say
        target = machine.computer.gdb_target()
        if target is None:
            raise MachineError(f"GDB does not support this kind of CPU ({machine.computer.name}); the monitor (Ctrl-A c) does")
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self._link: Link | None = None
        self._doing = "stand"  # or go, step
        self._stepped = (0, 0)  # the CPU that is stepped, and its count before
        self._last = b""  # the reply to `?`
        self._cpu = self._runner = 0  # whose registers, and who is stepped
        self._ended: Stop | None = None
        self._hooks: dict[tuple[int, int, int], Hook] = {}
        self._past = Past(machine)

    def close(self) -> None:
        """Close the connection and the port."""
        self._forget()
        self._listener.close()

    def __enter__(self) -> GdbServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- running

    def advance(self, most: int, horizon: int = FOREVER) -> Stop | None:
        """Run the machine as its own `advance` does, where GDB lets it. Raises Killed."""
        try:
            self._talk(0.0 if self._doing != "stand" else WAIT)
            if self._doing == "stand":
                return None
            if self._link is None:
                return self._advance(most, horizon)
            return self._step(horizon) if self._doing == "step" else self._go(most, horizon)
        except Gone:
            self._say("GDB has disconnected; the machine is stopped until GDB connects again")
            self._forget()
            self._doing = "stand"
        return None

    def _advance(self, most: int, horizon: int) -> Stop | None:
        stop: Stop | None = self.machine.advance(most, horizon)
        return stop

    def _go(self, most: int, horizon: int) -> Stop | None:
        if self._ended is not None:
            stop, self._ended = self._ended, None
            assert self._link is not None
            self._link.send(b"W%02x" % (0 if stop is Stop.OFF else 1))
            self._forget()
            return stop
        return self._stopped(self._advance(most, horizon))

    def _step(self, horizon: int) -> Stop | None:
        cpu, before = self._stepped
        if self._ended is not None:
            return self._go(1, horizon)
        for _ in range(STEPS):
            stop = self._advance(1, horizon)
            if stop is not None:
                return self._stopped(stop)
            if self.machine.cpus[cpu].state.count != before:
                self._report(SIGTRAP, cpu)
                break
        return None

    def _stopped(self, stop: Stop | None) -> Stop | None:
        """Report a stop to GDB if it concerns GDB; else return it to the caller of `advance`."""
        machine = self.machine
        match stop:
            case Stop.HOOK:
                self._report_hit(machine.debug.hits)
            case Stop.OFF | Stop.FAILED:
                self._ended = stop
                self._report(SIGTERM)
            case Stop.IDLE:
                self._say("the guest waits for ever, with no timer set")
                self._report(SIGINT)
            case Stop.END:
                self._report(SIGTRAP, reason="replaylog:end;")
            case _:
                return stop
        return None

    # -- reports to GDB

    def _reply(self, data: bytes) -> None:
        assert self._link is not None
        self._link.send(data)

    def _report(self, signal: int, cpu: int | None = None, reason: str = "") -> None:
        """The machine is stopped: report why, and which CPU GDB is to select."""
        self._doing = "stand"
        self._cpu = self._runner = self.machine.cpu.number if cpu is None else cpu
        self._last = f"T{signal:02x}{reason}thread:{self._cpu + 1:x};".encode()
        self._reply(self._last)

    def _report_hit(self, hits: list[Event]) -> None:
        """The machine is stopped at a hook, of GDB or of another user."""
        keys = {id(hook): key for key, hook in self._hooks.items()}
        known = [(keys[id(e.hook)], e) for e in hits if id(e.hook) in keys]
        if not known:
            self._report(SIGTRAP, hits[0].cpu if hits else None)
            return
        watched = [k for k in known if k[0][0] in WATCHES]
        (kind, address, _), event = (watched or known)[0]
        if kind in WATCHES:
            reason = f"{WATCHES[kind][1]}:{max(address, event.place):x};"
        else:
            reason = "hwbreak:;" if kind == 1 else "swbreak:;"
        self._report(SIGTRAP, event.cpu, reason)

    # -- packets from GDB

    def _talk(self, wait: float) -> None:
        """Carry out GDB's packets."""
        if self._link is None:
            self._accept(wait)
            return
        self._refuse_others()
        for packet in self._link.packets(wait):
            if packet == INTERRUPT:
                if self._doing != "stand":
                    self._report(SIGINT)
                continue
            answer = self._answer(packet)
            if answer is not None:
                self._reply(answer)
            if self._link is None:
                return

    def _accept(self, wait: float) -> None:
        self._listener.settimeout(wait)
        try:
            connection, _ = self._listener.accept()
        except (TimeoutError, BlockingIOError):
            return
        self._link = Link(connection)
        self._doing = "stand"
        self._cpu = self._runner = self.machine.cpu.number
        self._last = b"T%02xthread:%x;" % (SIGTRAP, self._cpu + 1)
        self._past.begin()
        self._say("GDB has connected")

    def _refuse_others(self) -> None:
        """One GDB at a time: another that connects is refused at once."""
        self._listener.settimeout(0)
        try:
            other, _ = self._listener.accept()
        except (TimeoutError, BlockingIOError):
            return
        with other, contextlib.suppress(OSError):
            other.sendall(framed(b"E.another GDB is connected"))
        self._say("another GDB was refused: only one can be connected")

    def _forget(self) -> None:
        """Close the connection, and remove GDB's hooks from the machine."""
        if self._link is not None:
            self._link.close()
        self._link = None
        for hook in self._hooks.values():
            with contextlib.suppress(ValueError):
                self.machine.debug.remove(hook)
        self._hooks.clear()

    def _answer(self, packet: bytes) -> bytes | None:
        """Carry out a packet; the reply, or None if there is none, or it is sent later."""
        text = packet.decode("latin-1")
        method = self._COMMANDS.get(text[:1])
        try:
            return method(self, packet) if method else EMPTY
        except (ValueError, IndexError) as error:
            if isinstance(error, HookError):
                self._say(str(error))
            return WRONG
        except MachineError as error:
            self._say(str(error))
            return WRONG

    # -- queries

    def _query(self, packet: bytes) -> bytes | None:
        text = packet.decode("latin-1")
        name, _, rest = text.partition(":")
        if text.startswith("qRcmd,"):
            return self._monitor(bytes.fromhex(text[6:]).decode(errors="replace"))
        if text.startswith("qThreadExtraInfo,"):
            return self._about(self._thread(text[17:])).encode().hex().encode()
        match name:
            case "qSupported":
                return FEATURES.encode()
            case "qAttached":
                return b"1"
            case "qC":
                return b"QC%x" % (self._cpu + 1)
            case "qfThreadInfo":
                return b"m" + ",".join(f"{i + 1:x}" for i in range(len(self.machine.cpus))).encode()
            case "qsThreadInfo":
                return b"l"
            case "qSymbol":
                return OK
            case "qXfer" if rest.startswith("features:read:target.xml:"):
                start, size = (int(n, 16) for n in rest.rpartition(":")[2].split(","))
                whole = self._target.description().encode()
                part: bytes = whole[start : start + size]
                return (b"m" if start + size < len(whole) else b"l") + part
        return EMPTY

    def _set(self, packet: bytes) -> bytes | None:
        if packet != b"QStartNoAckMode":
            return EMPTY
        self._reply(OK)
        assert self._link is not None
        self._link.acknowledges = False
        return None

    def _about(self, cpu: int) -> str:
        its = self.machine.cpus[cpu]
        mode = f" {its.privilege} mode," if its.privilege else ""
        return f"CPU {cpu}:{mode} pc {its.pc:#x}, {its.doing}"

    def _monitor(self, line: str) -> bytes:
        words = line.split()
        try:
            text = execute(self.machine, words[0], words[1:]) if words else ""
        except (ValueError, IndexError, OSError, MachineError) as error:
            text = f"{words[0]}: {error}"
        return (text + "\n").encode().hex().encode()

    def _why(self, packet: bytes) -> bytes | None:
        return self._last

    # -- threads

    def _thread(self, text: str) -> int:
        """The CPU of a thread's number; of "any" and "all" the one that GDB looks at. Raises ValueError."""
        number = int(text, 16)
        if number in (0, -1):
            return self._cpu
        if not 1 <= number <= len(self.machine.cpus):
            raise ValueError(number)
        return number - 1

    def _choose(self, packet: bytes) -> bytes | None:
        cpu = self._thread(packet[2:].decode())
        if packet[1:2] == b"g":
            self._cpu = cpu
        else:
            self._runner = cpu
        return OK

    def _alive(self, packet: bytes) -> bytes | None:
        self._thread(packet[1:].decode())
        return OK

    # -- registers and memory

    def _read_general(self, packet: bytes) -> bytes | None:
        held: bytes = self._target.general(self.machine, self._cpu)
        return held.hex().encode()

    def _write_general(self, packet: bytes) -> bytes | None:
        data = bytes.fromhex(packet[1:].decode())
        old = self._target.general(self.machine, self._cpu)
        for number in range(min(len(data) // 8, self._target.PC + 1)):
            new = data[8 * number : 8 * number + 8]
            if new != old[8 * number : 8 * number + 8]:
                self._target.change(self.machine, self._cpu, number, new)
        return OK

    def _read_register(self, packet: bytes) -> bytes | None:
        found = self._target.value(self.machine, self._cpu, int(packet[1:], 16))
        return NO_REGISTER if found is None else found.hex().encode()

    def _write_register(self, packet: bytes) -> bytes | None:
        number, _, new = packet[1:].partition(b"=")
        return OK if self._target.change(self.machine, self._cpu, int(number, 16), bytes.fromhex(new.decode())) else NO_REGISTER

    def _read_memory(self, packet: bytes) -> bytes | None:
        address, length = (int(n, 16) for n in packet[1:].split(b","))
        found = virtual.read(self.machine, self._cpu, address, min(length, MOST // 2 - 8))
        return found.hex().encode() if found or not length else NO_MEMORY

    def _write_memory(self, packet: bytes) -> bytes | None:
        where, _, rest = packet[1:].partition(b":")
        address, length = (int(n, 16) for n in where.split(b","))
        data = rest if packet[:1] == b"X" else bytes.fromhex(rest.decode())
        if len(data) != length:
            return WRONG
        return OK if virtual.write(self.machine, self._cpu, address, data) else NO_MEMORY

    # -- hooks

    def _hook(self, packet: bytes) -> bytes | None:
        found = re.fullmatch(rb"([zZ])([0-4]),([0-9a-fA-F]+),([0-9a-fA-F]+)(;.*)?", packet, re.DOTALL)
        if not found:
            return EMPTY
        kind, address, size = int(found[2]), int(found[3], 16), int(found[4], 16)
        key, debug = (kind, address, size), self.machine.debug
        if found[1] == b"z":
            if key in self._hooks:
                debug.remove(self._hooks.pop(key))
        elif key not in self._hooks:
            if kind in WATCHES:
                self._hooks[key] = debug.on_access(address, size, WATCHES[kind][0])
            else:
                self._hooks[key] = debug.on_address(address)
        return OK

    # -- resuming

    def _resume(self, packet: bytes) -> bytes | None:
        """`c`, `s`, `C`, `S`: with an address to go on from, or not; signals mean nothing to a machine."""
        letter, rest = packet[:1].lower(), packet[1:]
        if packet[:1].isupper():
            rest = rest.partition(b";")[2]
        if rest:
            self.machine.cpus[self._runner].set("pc", int(rest, 16))
        self._start(letter == b"s", self._runner)
        return None

    def _verbose(self, packet: bytes) -> bytes | None:
        if packet == b"vCont?":
            return b"vCont;c;C;s;S"
        if packet.startswith(b"vKill"):
            self._reply(OK)
            raise Killed
        if not packet.startswith(b"vCont;"):
            return EMPTY
        actions = [part.partition(":") for part in packet[6:].decode().split(";")]
        for action, _, thread in actions:
            if action[:1] in ("s", "S"):
                self._start(True, self._thread(thread or "0"))
                return None
        self._start(False, self._runner)
        return None

    def _start(self, step: bool, cpu: int) -> None:
        self._doing = "step" if step else "go"
        self._stepped = cpu, self.machine.cpus[cpu].state.count

    def _back(self, packet: bytes) -> bytes | None:
        """`bs` and `bc`: back by one instruction of a CPU, or to the hook that was met last."""
        if packet == b"bs":
            cpu = self._runner
            moved = self._past.step(cpu)
            self._report(SIGTRAP, cpu, "" if moved else "replaylog:begin;")
        elif packet == b"bc":
            hits = self._past.hit(self._interrupted)
            if hits:
                if hits[0].kind == "access":  # for this CPU, GDB goes one instruction on (here: back) to compare values
                    self.machine.goto(self.machine.position + 1)
                self._report_hit(hits)
            elif hits is None:
                self._report(SIGINT)
            else:
                self._report(SIGTRAP, reason="replaylog:begin;")
        else:
            return EMPTY
        self._ended = None
        return None

    def _interrupted(self) -> bool:
        """Does GDB want the search in the past to end?"""
        return self._link is not None and INTERRUPT in self._link.packets()

    def _detach(self, packet: bytes) -> bytes | None:
        self._reply(OK)
        self._forget()
        self._doing = "go"
        self._say("GDB has detached; the machine runs on")
        return None

    def _kill(self, packet: bytes) -> bytes | None:
        raise Killed

    _COMMANDS: dict[str, Callable[[GdbServer, bytes], bytes | None]] = {  # noqa: RUF012
        "q": _query, "Q": _set, "?": _why, "H": _choose, "T": _alive, "g": _read_general, "G": _write_general,
        "p": _read_register, "P": _write_register, "m": _read_memory, "M": _write_memory, "X": _write_memory,
        "Z": _hook, "z": _hook, "c": _resume, "s": _resume, "C": _resume, "S": _resume, "v": _verbose, "b": _back,
        "D": _detach, "k": _kill,
    }  # fmt: skip
