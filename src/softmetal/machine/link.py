"""Cables between machines in one process: their clocks go on together, and frames arrive a moment after they were sent.

All run for a slice of machine time, then the frames that each has sent are delivered to the others. So the latency is a slice,
and the run depends only on the machines and their order: it is deterministic. While no frame is under way, slices grow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from softmetal.host.learning import Learned
from softmetal.machine.computer import Network
from softmetal.machine.errors import MachineError
from softmetal.machine.interrupts import deliver, signals_held
from softmetal.machine.machine import Machine
from softmetal.machine.stop import Stop

SLICE = 50_000
"""Nanoseconds of machine time between two deliveries while frames are under way."""
LONGEST = 1_000_000
"""The same while there are none."""
NANOSECONDS = 1_000_000_000
ENDED = (Stop.OFF, Stop.FAILED, Stop.RESET)


class Switch:
    """A learning switch, with a machine at each port. Each of them may also be run by itself: frames that it sends then wait.

    A frame goes to the port at which its destination last sent a frame, else to all others. Raises MachineError for machines
    that cannot be connected.
    """

    def __init__(self, machines: Sequence[Machine], latency: int = SLICE) -> None:
        _check(machines)
        if len(machines) > 2:
            _check_addresses(machines)
        self.machines = tuple(machines)
        self.latency = latency
        self.slice = latency
        self.frames = [0] * len(machines)
        """How many frames each has sent,"""
        self.lost = [0] * len(machines)
        """and how many were lost since its queue was full."""
        self.ended: Machine | None = None
        """The machine for which `run` came back with OFF, FAILED, RESET or HOOK."""
        self.origin = [_now(machine) for machine in machines]
        """Their times when they were connected: they may have been running for different times."""
        self._learned: Learned[int] = Learned()
        for machine in machines:
            machine.cable = self

    def close(self) -> None:
        """Disconnect the machines: they may be connected with others."""
        for machine in self.machines:
            machine.cable = None

    @property
    def clock(self) -> int:
        """Machine time, in nanoseconds, since the machines were connected: of the one that is furthest behind."""
        return min(_now(m) - start for m, start in zip(self.machines, self.origin, strict=True))

    def run(self, *, seconds: float | None = None, until: Callable[[], Any] | None = None) -> Stop:
        """Run all until so many seconds of machine time have passed, or `until()` is true, or one of them ends."""
        deadline = None if seconds is None else self.clock + round(seconds * 1e9)
        with signals_held():  # Ctrl-C comes between two slices: no frame is lost
            while not (until is not None and until()):
                now = self.clock
                if deadline is not None and now >= deadline:
                    return Stop.TIME
                ended = self._slice(now + self.slice if deadline is None else min(now + self.slice, deadline))
                if ended is not None:
                    return ended
                deliver()
        return Stop.UNTIL

    def _slice(self, end: int) -> Stop | None:
        self.ended = None
        for machine, start in zip(self.machines, self.origin, strict=True):
            goal = -(-(start + end) * machine.computer.hz // NANOSECONDS)
            while machine.clock < goal:
                stop = machine.advance((goal - machine.clock) * machine.computer.cpu_count, goal)
                if stop in ENDED or stop is Stop.HOOK:
                    self.ended = machine
                    return stop
        moved = self.carry()
        self.slice = self.latency if moved else min(2 * self.slice, max(LONGEST, self.latency))
        return None

    def carry(self) -> int:
        """Deliver the frames that each has sent to the others; how many frames that were."""
        moved = 0
        for port, machine in enumerate(self.machines):
            sent, machine.sent = machine.sent, []
            self.frames[port] += len(sent)
            moved += len(sent)
            for record in sent:
                for to in self._ways(port, record, _card(machine).header):
                    self.lost[to] += not self.machines[to].post("net", record)
        return moved

    def _ways(self, port: int, record: bytes, header: int) -> Sequence[int]:
        """The ports that a frame goes out of."""
        others = [to for to in range(len(self.machines)) if to != port]
        if len(others) == 1:  # a cable
            return others
        known = self._learned.way(record[header : header + 12], port)
        if known is None:
            return others
        return [known] if known != port else []


class Link(Switch):
    """A cable between two machines."""


def _check(machines: Sequence[Machine]) -> None:
    for i, machine in enumerate(machines):
        if machine.computer.network_card(machine.board) is None:
            raise MachineError("a machine without a network card cannot be linked: make it with network=True")
        if any(machine is other for other in machines[:i]):
            raise MachineError("a machine cannot be linked with itself: it has one network card")
        if machine.cable is not None:
            raise MachineError(
                "this machine's network card has a cable already: close() that first, or put all machines on one Switch"
            )
    if len(machines) < 2:
        raise MachineError(f"{len(machines)} machines on a network: give at least two")


def _check_addresses(machines: Sequence[Machine]) -> None:
    found: set[bytes] = set()
    for machine in machines:
        mac = _card(machine).mac
        if mac in found:
            raise MachineError(
                f"two machines have the address {mac.hex(':')}: give each its own: mac=..., or fork(Identity(...))"
            )
        found.add(mac)


def _card(machine: Machine) -> Network:
    """A machine's network card."""
    found = machine.computer.network_card(machine.board)
    assert found is not None
    return found


def _now(machine: Machine) -> int:
    """A machine's time, in nanoseconds."""
    return machine.clock * NANOSECONDS // machine.computer.hz


def connect(one: Machine, other: Machine, latency: int = SLICE) -> Link:
    """Put a cable between two machines."""
    return Link((one, other), latency)


def switch(*machines: Machine, latency: int = SLICE) -> Switch:
    """Put two or more machines on one network."""
    return Switch(machines, latency)
