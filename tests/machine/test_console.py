"""What is kept of a guest's output: a window, which follows from how much was written; all of it where a file is asked for."""

from __future__ import annotations

import random

from softmetal.machine.console import WINDOW, Console


def text(count):
    return b"".join(b"line %9d\n" % i for i in range(count // 15))


def test_the_last_of_much_output_is_kept_and_a_file_gets_all_of_it(tmp_path):
    console, whole, seen = Console(), text(5 * WINDOW), []
    console.on_output = seen.append
    console.copy_to(str(tmp_path / "all"))
    for at in range(0, len(whole), 100_000):
        console.wrote(whole[at : at + 100_000])
        assert len(console.output) <= 2 * WINDOW
    assert len(console.output) >= WINDOW
    assert console.output == whole[console.dropped :]
    assert b"".join(seen) == whole == (tmp_path / "all").read_bytes()


def test_what_is_kept_does_not_depend_on_how_the_output_was_cut():
    whole, rng = text(4 * WINDOW), random.Random(1)
    one, other = Console(), Console()
    one.wrote(whole)
    at = 0
    while at < len(whole):
        size = rng.randrange(1, 200_000)
        other.wrote(whole[at : at + size])
        at += size
    assert (one.dropped, one.output) == (other.dropped, other.output)


def test_what_was_consumed_stays_consumed_while_the_window_moves():
    console = Console()
    console.wrote(text(WINDOW))
    assert console.match("line +1000\n")
    console.wrote(text(2 * WINDOW))
    assert console.match("line +1000\n")
    assert not console.match("line +1000\n")
    place = console.dropped + console.seen
    console.wrote(b"new\n")
    assert console.match("new\n")
    assert console.since(place).endswith("new\n")


def test_what_was_kept_comes_back_after_the_window_has_moved():
    console = Console()
    console.wrote(text(WINDOW))
    kept, had = console.keep(), bytes(console.output)
    console.wrote(text(3 * WINDOW))
    later, more, dropped = console.keep(), bytes(console.output), console.dropped
    for _ in range(2):
        console.put_back(kept)
        assert (bytes(console.output), console.dropped) == (had, 0)
        console.put_back(later)
        assert (bytes(console.output), console.dropped) == (more, dropped)
