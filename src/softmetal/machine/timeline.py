"""A machine's past: snapshots taken while it runs, and its inputs since; from these every moment can be reached again.

A moment is reached by restoring the snapshot before it and running from there, with the same inputs. Snapshots are so
frequent that such a run is short; of old ones fewer and fewer are kept.

After going back, the machine goes on as it did: inputs enter again where they entered. With the first new one (a key, a
change in memory) another future begins, and the recorded one is dropped.

The memory for it has a limit; if a guest writes so much that its snapshots exceed it, the oldest ones are dropped.
"""

from __future__ import annotations

import bisect
import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from softmetal.machine import saving
from softmetal.machine.errors import MachineError
from softmetal.machine.inputs import Input
from softmetal.machine.place import Place, reach
from softmetal.machine.saving import MachineSnapshot
from softmetal.machine.stop import FOREVER, Stop

if TYPE_CHECKING:
    from softmetal.machine.machine import Machine

FIRST = 1_000_000
"""Instructions to the second snapshot; from then on the host's speed decides."""
SPACING = 0.15
"""Seconds of the host's time between two snapshots."""
MOST_BYTES = 1 << 30
"""Of snapshots' pages and of inputs."""
LEAST = 4
"""Snapshots that are kept however large they are."""
PAGE = 4096
INPUT = 200
"""Bytes that an input takes beyond its data."""


class Timeline:
    """Keeps a machine's past from here on. `every`: instructions between snapshots (by default as many as the host does in
    SPACING seconds); `most`: how many snapshots are kept, `room`: how many bytes of theirs and of inputs."""

    follows_back = True

    def __init__(self, machine: Machine, every: int | None = None, most: int = 64, room: int = MOST_BYTES) -> None:
        self.machine, self.every, self.most, self.room = machine, every, max(most, LEAST), room
        self.snapshots: list[MachineSnapshot] = []
        self.inputs: list[Input] = []
        self.next = 0
        if machine.timeline is not None:
            machine.timeline.close()
        self.restart()
        machine.observers.append(self)

    def close(self) -> None:
        """Keep no timeline any more."""
        if self in self.machine.observers:
            self.machine.observers.remove(self)
        self.machine.timeline = None

    def restart(self) -> None:
        """Begin the timeline here: what was before is dropped."""
        self.snapshots, self.inputs = [saving.snapshot(self.machine)], list(self.machine.script.ahead)
        self._bytes = [_own_bytes(self.snapshots[0], None)]  # by which each snapshot is larger than the one before
        self._input_bytes = sum(map(_input_bytes, self.inputs))
        self._head = self.machine.place
        self._spaced = self.every or FIRST
        self.next = self.machine.position + self._spaced
        self._looked = time.perf_counter()

    # -- while the machine runs

    def entered(self, item: Input) -> None:
        """See `Observer`."""
        if not self.machine.script:
            if self._head > (item.position, item.clock):
                self.drop_future()
            self.inputs.append(item)
            self._input_bytes += _input_bytes(item)
            if self._input_bytes > self.room // 2:
                self._drop_oldest()

    def reached(self) -> None:
        """See `Observer`."""
        now = time.perf_counter()
        if self.every is None:
            speed = self._spaced / max(now - self._looked, 1e-6)
            self._spaced = max(1000, min(int(speed * SPACING), 8 * self._spaced))
        self.snapshots.append(saving.snapshot(self.machine))
        self._bytes.append(_own_bytes(self.snapshots[-1], self.snapshots[-2]))
        self.next = self.machine.position + self._spaced
        if len(self.snapshots) > self.most:
            least = self._least()
            self._bytes[least + 1] += self._bytes[least]
            del self.snapshots[least], self._bytes[least]
        self._drop_oldest()
        self._looked = time.perf_counter()

    def _drop_oldest(self) -> None:
        """Drop the oldest snapshots until the rest fits into `room`."""
        while sum(self._bytes) + self._input_bytes > self.room and len(self.snapshots) > LEAST:
            del self.snapshots[0], self._bytes[0]
            self._bytes[0] = _own_bytes(self.snapshots[0], None)
            first = bisect.bisect_left(self.inputs, self.snapshots[0].position, key=lambda i: i.position)
            self._input_bytes -= sum(map(_input_bytes, self.inputs[:first]))
            del self.inputs[:first]

    def _least(self) -> int:
        """The snapshot that matters least: its neighbours are near to each other, and it is old."""
        at, now = [s.position for s in self.snapshots], self.machine.position + 1
        return min(range(1, len(at) - 1), key=lambda i: (at[i + 1] - at[i - 1]) / (now - at[i]))

    def drop_future(self) -> None:
        """Drop snapshots and inputs after this place: another future begins here."""
        machine = self.machine
        here = machine.position
        later = bisect.bisect_right(self.snapshots, machine.place, key=_place)
        del self.snapshots[later:], self._bytes[later:]
        del self.inputs[len(self.inputs) - len(machine.script.ahead) :]
        self._input_bytes = sum(map(_input_bytes, self.inputs))
        self._head = machine.place
        self.next = max(here, self.snapshots[-1].position) + self._spaced
        self._looked = time.perf_counter()

    # -- going to another place

    @property
    def first(self) -> int:
        """The earliest position that can be reached."""
        return self.snapshots[0].position

    @contextlib.contextmanager
    def unobserved(self, stops: bool | None = None) -> Iterator[None]:
        """A context for repeating a part of the run: observers were notified of it before, and are not again.

        `stops`: see `Debugger.repeating`.
        """
        machine = self.machine
        if any(o is not self for o in machine.observers):
            raise MachineError("a machine that is being recorded cannot go back: end the recording first")
        observers, machine.observers = machine.observers, []
        outputs = [(o, o.muted) for o in (*machine.consoles.values(), machine.sound) if o is not None]
        for output, _ in outputs:
            output.muted = True
        try:
            with machine.debug.repeating(stops):
                yield
        finally:
            machine.observers = observers
            for output, muted in outputs:
                output.muted = muted

    def _put(self, snap: MachineSnapshot) -> None:
        machine = self.machine
        saving.restore(machine, snap)
        machine.waiting.clear()  # what had entered of it is among the inputs
        # inputs at the snapshot's own position entered after it: a snapshot is taken before anything enters
        first = bisect.bisect_left(self.inputs, snap.position, key=lambda i: i.position)
        machine.follow(self.inputs[first:], machine.script.bound)

    @property
    def head(self) -> Place:
        """The last place that the machine has reached, in its present future."""
        return max(self._head, self.machine.place)

    def goto(self, to: int | Place) -> None:
        """Go to a place.

        A position alone means the first moment at it; that of `head` means `head`. Raises MachineError where the timeline
        does not reach.
        """
        machine, head = self.machine, self.head
        place = to if isinstance(to, Place) else head if to == head.position else Place(to, 0)
        what = str(place) if isinstance(to, Place) else f"position {to}"
        if place.position < self.first:
            raise MachineError(f"position {place.position} is before the timeline, which begins at {self.first}")
        if place > head:
            raise MachineError(f"{what} is after the end of the timeline, {head}; run(insns=...) goes on from there")
        self._head = head
        with self.unobserved():
            self._put(self._before(place))
            came = reach(machine, *place)
            self._space()
        if not came or (place.clock and machine.clock != place.clock):
            raise MachineError(f"the guest does not reach {what}: it is at {machine.place}")

    def _before(self, place: Place) -> MachineSnapshot:
        """The last snapshot from which a place can be reached. One that was taken during a wait cannot reach the moment
        at which that began."""
        count = bisect.bisect_right(self.snapshots, place.position, key=lambda s: s.position)
        while count > 1:
            snap = self.snapshots[count - 1]
            if snap.position < place.position or snap.waited is None or _place(snap) <= place:
                break
            count -= 1
        return self.snapshots[max(count, 1) - 1]

    def _space(self) -> None:
        """The machine has gone to another place: the next snapshot is due after the last one that is kept."""
        self.next = max(self.machine.position, self.snapshots[-1].position) + self._spaced
        self._looked = time.perf_counter()

    def goto_clock(self, clock: int) -> None:
        """Go to the moment at which the clock had this value, to the instruction."""
        machine = self.machine
        if clock < self.snapshots[0].clock:
            raise MachineError(
                f"{clock / machine.computer.hz:.9f} s is before the timeline,"
                f" which begins at {self.snapshots[0].clock / machine.computer.hz:.9f} s"
            )
        self._head = self.head
        with self.unobserved():
            self._put(self.snapshots[max(0, bisect.bisect_right([s.clock for s in self.snapshots], clock) - 1)])
            while machine.clock < clock:
                before, most = machine.position, max(1, (clock - machine.clock) * machine.computer.cpu_count)
                if machine.advance(min(most, 10_000_000), clock) is not None and machine.position == before:
                    break
            self._space()

    def last_write(self, address: int, length: int, physical: bool) -> Place | None:
        """See `Machine.last_write`."""
        machine = self.machine
        self._head = self.head
        here, ahead = saving.snapshot(machine), machine.script.ahead
        try:
            return self._changed(address, length) if physical else self._stored(address, length)
        finally:
            saving.restore(machine, here)
            machine.follow(ahead, machine.script.bound)

    def _stored(self, address: int, length: int) -> Place | None:
        """By a hook on the stores of all CPUs, from one snapshot to the next, the last ones first."""
        machine = self.machine
        debug, end = machine.debug, machine.position
        hook = debug.on_access(address, length, "w")
        try:
            with self.unobserved(stops=True):
                for snap in reversed(self.snapshots):
                    found = None
                    if snap.position < end:
                        self._put(snap)
                    while machine.position < end:
                        stop = machine.advance(end - machine.position, FOREVER)
                        if stop is Stop.HOOK and any(event.hook is hook for event in debug.hits):
                            found = machine.place
                        elif stop in (Stop.OFF, Stop.FAILED, Stop.IDLE):
                            break
                    if found is not None:
                        return found if machine.computer.watch_stops_before else self._before_last(found)
                    end = min(end, snap.position)
        finally:
            debug.remove(hook)
        return None

    def _before_last(self, place: Place) -> Place:
        """The place before the last instruction that was executed when the machine came to a place."""
        position = place.position - 1
        self._put(self._before(Place(position, 0)))
        reach(self.machine, position)
        return self.machine.place

    def _changed(self, address: int, length: int) -> Place | None:
        """By comparing contents: the last snapshot at which they were different, then bisecting up to the next."""
        machine = self.machine
        span = slice(address, address + length)
        now, end = machine.memory[span], machine.position
        with self.unobserved():
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
                    reach(machine, middle)
                    if machine.memory[span] == now:
                        high = middle
                    else:
                        low = saving.snapshot(machine)
                return _place(low)
        return None


def _place(snap: MachineSnapshot) -> Place:
    return Place(snap.position, snap.clock)


def _input_bytes(item: Input) -> int:
    return len(item.data) + INPUT


def _own_bytes(snap: MachineSnapshot, before: MachineSnapshot | None) -> int:
    """How much memory of the host a snapshot holds that the one before it does not."""
    state = snap.state
    if before is None or state.image is not before.state.image:
        image = sum(end - start for start, end in state.image.spans) if state.image else 0
        return image + PAGE * len(state.held)
    had = before.state.held
    return PAGE * sum(had.get(at) is not page for at, page in state.held.items())
