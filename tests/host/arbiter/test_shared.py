"""Hardware that guests share: turns in proportion to weights, limits, one guest's order, the account of who waited."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softmetal.host.arbiter import Access, Share, Shared


class Clock:
    """Time that only passes when hardware works, or when a test lets it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A disk that moves 100 MB/s and needs 10 us for an access."""

    def __init__(self, *shares: Share) -> None:
        self.clock = Clock()
        self.shared = Shared("store", self.clock)
        self.done: list[tuple[str, int]] = []
        self.bytes: dict[str, int] = {}
        for share in shares:
            self.shared.join(share)
            self.bytes[share.guest] = 0

    def ask(self, guest: str, size: int, number: int = 0) -> None:
        def run() -> None:
            self.clock.now += 10e-6 + size / 100e6
            self.done.append((guest, number))
            self.bytes[guest] += size

        self.shared.submit(Access(guest, "write", size, run))

    def keep_busy(self, guest: str, size: int, seconds: float) -> None:
        """Let a guest ask again as soon as it has its answer, until the clock says `seconds`."""

        def run() -> None:
            self.clock.now += 10e-6 + size / 100e6
            self.bytes[guest] += size
            if self.clock.now < seconds:
                self.shared.submit(Access(guest, "write", size, run))

        for _ in range(4):
            self.shared.submit(Access(guest, "write", size, run))

    def run(self) -> None:
        """Until nothing waits; the clock goes on where all are limited."""
        while (when := self.shared.run()) is not None:
            self.clock.now = max(self.clock.now, when)


def test_greedy_guests_get_bytes_in_proportion_to_their_weights():
    bench = Bench(Share("a"), Share("b"), Share("c", weight=2))
    for guest in "abc":
        bench.keep_busy(guest, 1 << 16, 5.0)
    bench.run()
    total = sum(bench.bytes.values())
    assert bench.bytes["a"] / total == pytest.approx(0.25, rel=0.05)
    assert bench.bytes["b"] / total == pytest.approx(0.25, rel=0.05)
    assert bench.bytes["c"] / total == pytest.approx(0.5, rel=0.05)


def test_large_accesses_get_no_more_than_small_ones():
    bench = Bench(Share("small"), Share("large"))
    bench.keep_busy("small", 1 << 16, 5.0)
    bench.keep_busy("large", 1 << 20, 5.0)
    bench.run()
    assert bench.bytes["small"] / bench.bytes["large"] == pytest.approx(1, rel=0.1)


def test_a_guest_alone_gets_everything_and_waits_for_nobody():
    bench = Bench(Share("a"), Share("b", weight=100))
    bench.keep_busy("a", 1 << 16, 1.0)
    bench.run()
    assert bench.bytes["a"] == pytest.approx(100e6 * (1 << 16) / ((1 << 16) + 1000), rel=0.02)


def test_a_guest_that_comes_late_does_not_wait_for_what_others_have_queued():
    bench = Bench(Share("a"), Share("b"))
    for i in range(1000):
        bench.ask("a", 1 << 16, i)
    bench.shared.run(1 << 18)
    bench.ask("b", 4096)
    before = len(bench.done)
    bench.run()
    assert bench.done.index(("b", 0)) - before < 3


@pytest.mark.parametrize(("limit", "value"), [("bandwidth", 10e6), ("rate", 200)])
def test_limits_hold_in_the_long_run_and_leave_the_rest_to_others(limit, value):
    bench = Bench(Share("a", **{limit: value}), Share("b"))
    bench.keep_busy("a", 1 << 16, 4.0)
    bench.keep_busy("b", 1 << 16, 4.0)
    bench.run()
    expected = (value if limit == "bandwidth" else value * (1 << 16)) * 4
    assert bench.bytes["a"] == pytest.approx(expected, rel=0.1)
    assert bench.bytes["b"] > 100e6 * 4 - expected * 1.3


def test_a_limited_guest_alone_is_told_when_to_come_again():
    bench = Bench(Share("a", rate=10))
    for i in range(5):
        bench.ask("a", 512, i)
    when = bench.shared.run()
    assert len(bench.done) == 1
    assert when == pytest.approx(0.05, abs=0.06)
    bench.run()
    assert [n for _, n in bench.done] == [0, 1, 2, 3, 4]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 1 << 20), st.booleans()), max_size=60))
@settings(max_examples=100)
def test_one_guest_s_accesses_are_done_once_and_in_its_order(traffic):
    bench = Bench(Share("a"), Share("b", weight=0.1, rate=1000), Share("c", weight=7, bandwidth=50e6))
    asked: dict[str, list[int]] = {"a": [], "b": [], "c": []}
    for number, (guest, size, turn) in enumerate(traffic):
        bench.ask(guest, size, number)
        asked[guest].append(number)
        if turn:
            bench.shared.run(1 << 17)
    bench.run()
    assert {g: [n for who, n in bench.done if who == g] for g in "abc"} == asked


def test_the_account_has_accesses_bytes_use_and_waits():
    bench = Bench(Share("a"), Share("b"))
    bench.ask("a", 1_000_000)
    bench.ask("b", 2_000_000)
    bench.run()
    a, b = (bench.shared.ledger.accounts[g] for g in "ab")
    assert (a.accesses, a.bytes, a.waited) == (1, 1_000_000, 0)
    assert a.used == pytest.approx(0.01001)
    assert (b.waited, b.longest) == (pytest.approx(0.01001), pytest.approx(0.01001))
    assert [r[:3] for r in bench.shared.ledger.recent] == [("a", "write", 1_000_000), ("b", "write", 2_000_000)]


def test_who_stops_has_all_its_accesses_done_and_who_leaves_has_none_left():
    bench = Bench(Share("a", rate=1), Share("b"))
    for i in range(3):
        bench.ask("a", 512, i)
        bench.ask("b", 512, i)
    bench.shared.finish("a")
    assert bench.done == [("a", 0), ("a", 1), ("a", 2)]
    bench.shared.leave("b")
    assert bench.shared.run() is None
    assert len(bench.done) == 3


def test_nobody_joins_twice_and_weights_are_above_0():
    bench = Bench(Share("a"))
    with pytest.raises(ValueError, match="store: guest a is there already"):
        bench.shared.join(Share("a"))
    with pytest.raises(ValueError, match="guest b: a weight is above 0"):
        Share("b", weight=0)
