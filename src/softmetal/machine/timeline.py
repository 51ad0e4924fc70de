"""A machine's past: snapshots kept while it runs, and what entered since; from these every moment can be made again.

A moment is made by going back to the snapshot before it and running from there, with the same inputs. Snapshots are taken
so that such a run is short; of old ones fewer and fewer are kept.

After going back, the machine goes on as it did: inputs enter again where they entered. With the first new one (a key, a
change in memory) another future begins, and the old one is forgotten.
"""

from __future__ import annotations

import bisect
import contextlib
import time
from collections.abc import Iterator

from softmetal.machine import saving
from softmetal.machine.errors import MachineError
from softmetal.machine.inputs import Input
from softmetal.machine.machine import FOREVER, Machine, Stop
from softmetal.machine.saving import MachineSnapshot

FIRST = 1_000_000
"""Instructions to the second snapshot; from then on the host's speed says."""
SPACING = 0.15
"""Seconds of the host's time between two snapshots."""


class Timeline:
    """Keeps a machine's past from here on. `every`: instructions between snapshots (by default as many as the host does in
    SPACING seconds); `most`: how many snapshots are kept."""

    follows_back = True

    def __init__(self, machine: Machine, every: int | None = None, most: int = 64) -> None:
        self.machine, self.every, self.most = machine, every, max(most, 4)
        self.snapshots: list[MachineSnapshot] = []
        self.inputs: list[Input] = []
        self.next = 0
        if machine.timeline is not None:
            machine.timeline.close()
        self.restart()
        machine.observers.append(self)

    def close(self) -> None:
        """Keep no more of it."""
        if self in self.machine.observers:
            self.machine.observers.remove(self)
        self.machine.timeline = None

    def restart(self) -> None:
        """Nothing is known of what was before."""
        self.snapshots, self.inputs = [saving.snapshot(self.machine)], list(self.machine._script or ())
        self._spaced = self.every or FIRST
        self.next = self.machine.position + self._spaced
        self._looked = time.perf_counter()

    # -- while the machine runs

    def entered(self, item: Input) -> None:
        """See `Observer`."""
        if self.machine._script is None:
            self.inputs.append(item)

    def reached(self) -> None:
        """See `Observer`."""
        now = time.perf_counter()
        if self.every is None:
            speed = self._spaced / max(now - self._looked, 1e-6)
            self._spaced = max(1000, min(int(speed * SPACING), 8 * self._spaced))
        self.snapshots.append(saving.snapshot(self.machine))
        self.next = self.machine.position + self._spaced
        if len(self.snapshots) > self.most:
            del self.snapshots[self._least()]
        self._looked = time.perf_counter()

    def _least(self) -> int:
        """The snapshot that will be missed least: neighbours near to each other, and all of it long ago."""
        at, now = [s.position for s in self.snapshots], self.machine.position + 1
        return min(range(1, len(at) - 1), key=lambda i: (at[i + 1] - at[i - 1]) / (now - at[i]))

    def forget_future(self) -> None:
        """Another future begins here."""
        machine = self.machine
        here = machine.position
        del self.snapshots[bisect.bisect_right(self.snapshots, here, key=lambda s: s.position) :]
        del self.inputs[len(self.inputs) - len(machine._script or ()) :]
        self.next = max(here, self.snapshots[-1].position) + self._spaced
        self._looked = time.perf_counter()

    # -- going elsewhere

    @property
    def first(self) -> int:
        """The earliest position that can be reached."""
        return self.snapshots[0].position

    @contextlib.contextmanager
    def silently(self, stops: bool | None = None) -> Iterator[None]:
        """Run without telling anyone: what is run here has been told before. `stops`: see `Debugger.again`."""
        machine = self.machine
        if any(o is not self for o in machine.observers):
            raise MachineError("a recording is written, which cannot go back: end it first")
        observers, machine.observers = machine.observers, []
        consoles = [(c, c.muted) for c in (machine.console, machine.hvc)]
        for console, _ in consoles:
            console.muted = True
        try:
            with machine.debug.again(stops):
                yield
        finally:
            machine.observers = observers
            for console, muted in consoles:
                console.muted = muted

    def _put(self, snap: MachineSnapshot) -> None:
        machine = self.machine
        saving.restore(machine, snap)
        for console in (machine.console, machine.hvc):
            console.pending.clear()  # what was taken of it is among the inputs
        machine._posted.clear()
        # those of the snapshot's own position entered behind it: a snapshot is taken before anything enters
        first = bisect.bisect_left(self.inputs, snap.position, key=lambda i: i.position)
        machine.follow(self.inputs[first:], machine._bound)

    def _reach(self, position: int) -> None:
        """Run to a position, if the guest gets there."""
        machine = self.machine
        while machine.position < position:
            before = machine.position
            if machine.advance(position - before, FOREVER) is not None and machine.position == before:
                break

    def goto(self, position: int) -> None:
        """Make the machine what it was, or will be, at a position."""
        machine = self.machine
        if position < self.first:
            raise MachineError(f"position {position} is before the timeline, which begins at {self.first}")
        with self.silently():
            if position < machine.position or machine._script is not None:
                self._put(self._before(position))
            self._reach(position)
            self._settle_in()
        if machine.position != position:
            raise MachineError(f"the guest does not get to position {position}: it ends at {machine.position}")

    def _before(self, position: int) -> MachineSnapshot:
        return self.snapshots[bisect.bisect_right(self.snapshots, position, key=lambda s: s.position) - 1]

    def _settle_in(self) -> None:
        """The machine is somewhere in its past: the next snapshot is due behind all that there are."""
        self.next = max(self.machine.position, self.snapshots[-1].position) + self._spaced
        self._looked = time.perf_counter()

    def goto_clock(self, clock: int) -> None:
        """Make the machine what it was when its clock was so far, as nearly as instructions tell."""
        machine = self.machine
        if clock < self.snapshots[0].clock:
            raise MachineError(
                f"{clock / 1e9:.9f} s is before the timeline, which begins at {self.snapshots[0].clock / 1e9:.9f} s"
            )
        with self.silently():
            self._put(self.snapshots[max(0, bisect.bisect_right([s.clock for s in self.snapshots], clock) - 1)])
            while machine.clock < clock:
                before, most = machine.position, max(1, (clock - machine.clock) * machine.virt.cpus)
                if machine.advance(min(most, 10_000_000), clock) is not None and machine.position == before:
                    break
            self._settle_in()

    def last_write(self, address: int, length: int, physical: bool) -> int | None:
        """See `Machine.last_write`."""
        machine = self.machine
        here, ahead = saving.snapshot(machine), machine._script
        try:
            return self._changed(address, length) if physical else self._stored(address, length)
        finally:
            saving.restore(machine, here)
            machine.follow(ahead or (), machine._bound)

    def _stored(self, address: int, length: int) -> int | None:
        """By a hook on the stores of all harts, from one snapshot to the next, the last ones first."""
        machine = self.machine
        debug, end = machine.debug, machine.position
        hook = debug.on_access(address, length, "w")
        try:
            with self.silently(stops=True):
                for snap in reversed(self.snapshots):
                    found = None
                    if snap.position < end:
                        self._put(snap)
                    while machine.position < end:
                        stop = machine.advance(end - machine.position, FOREVER)
                        if stop is Stop.HOOK and any(event.hook is hook for event in debug.hits):
                            found = machine.position
                        elif stop in (Stop.OFF, Stop.FAILED, Stop.IDLE):
                            break
                    if found is not None:
                        return found
                    end = min(end, snap.position)
        finally:
            debug.remove(hook)
        return None

    def _changed(self, address: int, length: int) -> int | None:
        """By comparing contents: the last snapshot at which they were others, then between it and the next."""
        machine = self.machine
        span = slice(address, address + length)
        now, end = machine.memory[span], machine.position
        with self.silently():
            for snap in reversed(self.snapshots):
                if snap.position >= end:
                    continue
                self._put(snap)
                if machine.memory[span] == now:
                    end = snap.position
                    continue
                low, high = snap, end
                while high - low.position > 1:
                    middle = (low.position + high) // 2
                    self._put(low)
                    self._reach(middle)
                    if machine.memory[span] == now:
                        high = middle
                    else:
                        low = saving.snapshot(machine)
                return low.position
        return None
