"""Hardware with one holder: who goes on, who waits, how a lease ends, what the next one gets."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from softmetal.host.arbiter import End, Exclusive, FrameRule, Frames, Party, Terms


class Bench:
    """Hardware, guests of some priorities, and what they were called for."""

    def __init__(self, terms: Terms | None = None, **priorities: int) -> None:
        self.now = 0.0
        self.hardware = Exclusive("scale", terms or Terms(), lambda: self.now)
        self.calls: list[tuple[str, str]] = []
        self.guests = {}
        for name, priority in priorities.items():
            self.guests[name] = Party(name, lambda n=name: self.calls.append((n, "granted")), self._ended(name), priority)

    def _ended(self, name):
        return lambda why: self.calls.append((name, why.value))

    def want(self, name: str) -> bool:
        return self.hardware.want(self.guests[name])

    def release(self, name: str, why: End = End.FRAME) -> bool:
        return self.hardware.release(self.guests[name], why)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.hardware.tick()

    @property
    def holder(self) -> str:
        return self.hardware.holder.guest if self.hardware.holder else ""


def test_the_first_goes_on_and_the_others_wait_in_order():
    bench = Bench(a=0, b=0, c=0)
    assert bench.want("a")
    assert not bench.want("b")
    assert not bench.want("c")
    assert bench.want("a")
    assert bench.calls == []
    bench.release("a")
    assert bench.calls == [("a", "frame"), ("b", "granted")]
    bench.release("b")
    assert bench.holder == "c"
    bench.release("c")
    assert bench.holder == ""


def test_higher_priority_goes_first_and_equals_keep_their_order():
    bench = Bench(a=0, low1=1, high=5, low2=1)
    bench.want("a")
    for name in ("low1", "low2", "high"):
        bench.want(name)
    order = []
    for _ in range(3):
        bench.release(bench.holder)
        order.append(bench.holder)
    assert order == ["high", "low1", "low2"]


def test_a_guest_that_waits_can_leave_the_queue_and_disturbs_nobody():
    bench = Bench(a=0, b=0, c=0)
    for name in "abc":
        bench.want(name)
    assert bench.release("b", End.LEFT)
    assert bench.holder == "a"
    bench.release("a")
    assert bench.holder == "c"
    assert ("b", "granted") not in bench.calls


@pytest.mark.parametrize("why", [End.CLOSED, End.DIED, End.RELEASED])
def test_whatever_ends_a_lease_the_next_goes_on_at_once(why):
    bench = Bench(a=0, b=0)
    bench.want("a")
    bench.want("b")
    bench.release("a", why)
    assert bench.calls == [("a", why.value), ("b", "granted")]
    assert [e[:2] for e in bench.hardware.ends] == [("a", why)]


def test_an_idle_holder_loses_its_lease_and_one_that_works_does_not():
    bench = Bench(Terms(idle=1.0), a=0, b=0)
    bench.want("a")
    bench.want("b")
    bench.pass_time(0.9)
    bench.hardware.used(10)
    bench.pass_time(0.9)
    assert bench.holder == "a"
    bench.pass_time(0.1)
    assert bench.holder == "b"
    assert ("a", "idle") in bench.calls


def test_who_holds_too_long_is_pre_empted_only_when_another_waits():
    bench = Bench(Terms(max_hold=2.0), a=0, b=0)
    bench.want("a")
    bench.pass_time(100)
    assert bench.holder == "a"
    bench.want("b")
    assert bench.hardware.due() <= bench.now
    bench.hardware.tick()
    assert bench.holder == "b"


def test_after_a_lease_was_taken_away_the_hardware_has_to_be_silent():
    bench = Bench(Terms(max_hold=1.0, quiet=0.5), a=0, b=0)
    bench.want("a")
    bench.want("b")
    bench.pass_time(1.0)
    assert bench.holder == ""
    bench.pass_time(0.4)
    bench.hardware.used()  # a late answer to `a`
    bench.pass_time(0.4)
    assert bench.holder == ""
    bench.pass_time(0.1)
    assert bench.holder == "b"


def test_a_deadline_ends_a_wait():
    bench = Bench(Terms(deadline=3.0), a=0, b=0)
    bench.want("a")
    bench.pass_time(1)
    bench.want("b")
    assert bench.hardware.due() == 4.0
    bench.pass_time(3)
    assert ("b", "deadline") in bench.calls
    bench.release("a")
    assert bench.holder == ""


def test_the_ledger_says_who_held_it_and_who_waited_for_how_long():
    bench = Bench(a=0, b=0)
    bench.want("a")
    bench.want("b")
    bench.hardware.used(7)
    bench.pass_time(2)
    bench.release("a")
    bench.pass_time(1)
    bench.release("b")
    assert list(bench.hardware.ledger.recent) == [("a", "lease", 7, 0, 0, 2), ("b", "lease", 0, 0, 2, 3)]
    assert bench.hardware.ledger.accounts["b"].waited == 2


class Traffic(RuleBasedStateMachine):
    """Whatever guests do: one holder at most, nobody is forgotten, who waits gets its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(Terms(max_hold=5, idle=3, quiet=0.5), a=0, b=0, c=1)

    @rule(name=st.sampled_from("abc"))
    def want(self, name):
        self.bench.want(name)

    @rule(name=st.sampled_from("abc"), why=st.sampled_from([End.FRAME, End.CLOSED, End.DIED, End.LEFT]))
    def release(self, name, why):
        self.bench.release(name, why)

    @rule(seconds=st.floats(0, 10))
    def wait(self, seconds):
        self.bench.pass_time(seconds)

    @precondition(lambda self: self.bench.hardware.holder)
    @rule()
    def use(self):
        self.bench.hardware.used(1)

    @invariant()
    def nobody_is_forgotten(self):
        hardware = self.bench.hardware
        with_lease = {p for p in self.bench.guests.values() if p.lease}
        assert with_lease == {*hardware.queue, *([hardware.holder] if hardware.holder else [])}
        assert len(hardware.queue) == len(set(hardware.queue))
        if hardware.queue and not hardware.holder:
            assert hardware.quiet_until is not None
        if hardware.queue:
            assert hardware.due() is not None


TestTraffic = Traffic.TestCase
TestTraffic.settings = settings(max_examples=60, stateful_step_count=40)


@pytest.mark.parametrize(
    ("rule", "stream", "ends"),
    [
        (FrameRule(ends=b"\r\n"), b"ST,+1.00\r\nST,+2.00\r\nST", [10, 20]),
        (FrameRule(ends=b"\r\n"), b"\r\r\n\n\r\n", [3, 6]),
        (FrameRule(ends=b"\x03"), b"\x02abc\x03", [5]),
        (FrameRule(length_at=1, length_size=1), b"\x55\x04ab\x55\x03c", [4, 7]),
        (FrameRule(length_at=0, length_size=2, extra=2), b"\x00\x03abc\x00\x00\x00\x05ab", [5, 7]),
        (FrameRule(length_at=0, length_size=2, extra=2, little=True), b"\x03\x00abc", [5]),
        (FrameRule(length_at=0, length_size=1), b"\x00\x00\x01", [1, 2, 3]),
        (FrameRule(gap=0.1), b"abc", []),
    ],
)  # fmt: skip
def test_ends_of_frames_are_found_however_the_stream_is_cut(rule, stream, ends):
    for size in (1, 2, 3, len(stream)):
        frames = Frames(rule)
        found = [i + end for i in range(0, len(stream), size) for end in frames.feed(stream[i : i + size])]
        assert found == ends
