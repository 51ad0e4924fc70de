"""Whatever is interrupted, the machine is whole afterwards and knows where it is."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

import softmetal.machine.machine as machine_module
from softmetal.machine import interrupts
from softmetal.machine.replay import Recording, replay
from softmetal.machine.stop import Stop
from tests.machine.kits import ENGINES

PACKAGE = str(Path(machine_module.__file__).parent)
INSNS = 400


class Boom(Exception):
    """What a user's code raises here."""


class Alarm:
    """Sends a signal to this process when the n-th line of the package `machine` is about to run."""

    def __init__(self, n: int, number: int = signal.SIGINT) -> None:
        self.left, self.number = n, number

    def __enter__(self) -> Alarm:
        sys.settrace(self._enters)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _enters(self, frame, event, arg):
        return self._line if frame.f_code.co_filename.startswith(PACKAGE) else None

    def _line(self, frame, event, arg):
        if event == "line":
            self.left -= 1
            if self.left == 0:
                signal.raise_signal(self.number)
        return self._line


@pytest.fixture
def ctrl_c():
    """Ctrl-C raises KeyboardInterrupt, as in any script."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def script(m, todo: int) -> None:
    """What is done to the machine from where it is: something is typed, it runs, a snapshot is taken."""
    m.run(insns=todo)
    m.snapshot()


@pytest.mark.parametrize("engine", ENGINES)
def test_ctrl_c_at_any_line_leaves_the_machine_as_if_it_had_not_come(tmp_path, kit, engine, ctrl_c):
    m = kit.machine(tmp_path, engine=engine, **kit.several)
    m.keep_timeline(every=53)
    m.send("abc")
    start = m.snapshot()
    script(m, INSNS)
    expected = m.position, m.hash(), bytes(m.console.output)
    lines, interrupted, inside = 0, 0, 0
    while True:
        lines += 1 if lines < 25 else 29 if engine == "native" else 97
        m.restore(start)
        try:
            with Alarm(lines) as alarm:
                script(m, INSNS)
        except KeyboardInterrupt:
            interrupted += 1
            inside += 0 < m.position < INSNS
        if m.position < INSNS:
            m.run(insns=INSNS - m.position)
        assert (m.position, m.hash(), bytes(m.console.output)) == expected
        m.hash()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert interrupts._depth == 0
        if alarm.left > 0:
            break
    assert interrupted > 20
    assert inside > 5


def test_a_recording_that_was_interrupted_replays(tmp_path, kit, ctrl_c):
    m = kit.machine(tmp_path)
    recorder = m.record(str(tmp_path / "log"), every=100)
    for lines in (30, 45, 60, 80, 110):
        m.send("x")
        try:
            with Alarm(lines):
                m.run(insns=300)
        except KeyboardInterrupt:
            pass
    recorder.close()
    recording = Recording(str(tmp_path / "log"))
    twin = recording.machine()
    assert replay(recording, twin) is Stop.END
    assert twin.hash() == m.hash()


@pytest.mark.parametrize("engine", ENGINES)
def test_what_a_hook_raises_comes_out_and_the_run_goes_on_from_there(tmp_path, kit, engine):
    def boom(event):
        events.append(event.pc)
        if len(events) % 3 == 1:
            raise Boom(event.pc)

    events: list[int] = []
    counted, turned = kit.guests.IN_COUNTER
    m, twin = kit.machine(tmp_path, kit.guests.COUNTER, engine=engine), kit.machine(tmp_path, kit.guests.COUNTER, engine=engine)
    for each in (m, twin):
        hook = each.debug.on_address(counted, call=boom if each is m else events.append)
    m.debug.on_address(turned, stop=False)
    raised = 0
    while m.position < 600:
        try:
            m.run(insns=600 - m.position)
        except Boom:
            raised += 1
    calls = len(events)
    events.clear()
    twin.run(insns=600)
    assert raised > 20
    assert calls == len(events) == hook.count
    assert m.hash() == twin.hash()


@pytest.mark.parametrize("where", ["output", "reached", "entered"])
def test_what_an_observer_raises_comes_out_and_nothing_is_lost(tmp_path, kit, where):
    class Raising:
        next, follows_back = 50, True

        def entered(self, item):
            if where == "entered":
                raise Boom

        def reached(self):
            self.next += 50
            if where == "reached":
                raise Boom

    def output(data):
        if where == "output":
            raise Boom

    m, twin = kit.machine(tmp_path), kit.machine(tmp_path)
    m.observers.append(Raising())
    m.console.on_output = output
    raised = 0
    for each in (m, twin):
        each.send("hello")
        while each.position < 5000:
            try:
                each.run(insns=5000 - each.position)
            except Boom:
                raised += 1
    assert raised
    assert m.hash() == twin.hash()
    assert m.console.output == twin.console.output


def test_a_disk_that_raises_something_else_than_an_io_error_is_not_hidden(tmp_path, kit):
    m = kit.machine(tmp_path, kit.guests.COUNTER)

    def both(then: type[Exception] | None) -> None:
        with m.atomic():
            m.raise_later(Boom())
            m.raise_later(ValueError("a second one"))
            if then is not None:
                raise then

    with pytest.raises(Boom):
        both(None)
    m.run(insns=5)
    with pytest.raises(KeyError):
        both(KeyError)
    m.run(insns=5)
    assert m.position == 10


def test_a_handler_that_is_installed_while_signals_wait_stays(ctrl_c):
    called = []
    with interrupts.signals_held():
        signal.raise_signal(signal.SIGINT)
        signal.signal(signal.SIGUSR1, lambda *_: called.append("new"))
        with pytest.raises(KeyboardInterrupt):
            interrupts.deliver()
        with interrupts.signals_held():
            signal.raise_signal(signal.SIGUSR1)
        assert called == ["new"]  # it was not there when signals began to wait
    signal.raise_signal(signal.SIGUSR1)
    assert called == ["new", "new"]
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)


def test_handlers_that_do_not_raise_are_called_while_the_guest_runs(tmp_path, kit):
    m = kit.machine(tmp_path, kit.guests.COUNTER, engine="golden")
    positions: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda *_: positions.append(m.position))
    try:
        with Alarm(60, signal.SIGUSR1):
            m.run(insns=20_000)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert len(positions) == 1
    assert positions[0] in (0, 5000, 10000, 15000)
