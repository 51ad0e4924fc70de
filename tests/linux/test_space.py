"""The address space against a model: a dictionary of pages."""

from __future__ import annotations

import errno
import mmap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softmetal.linux.cpu import ENGINE_BIT, MAPPED, PAGE, Exit, R, W
from softmetal.linux.errors import Fault
from softmetal.linux.space import Space

BASE = 0x100000
PAGES = 24


class Memory:
    """As much of a CPU as a Space needs: memory, and a count of its notifications."""

    def __init__(self) -> None:
        size = BASE + PAGES * PAGE
        self.x: list[int] = [0] * 32
        self.f: list[int] = [0] * 32
        self.pc = self.fcsr = self.count = 0
        self.ram = memoryview(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
        self.perm = memoryview(bytearray(size // PAGE))
        self.changed: list[tuple[int, int]] = []

    def run(self, max_insns: int) -> Exit:
        raise NotImplementedError

    def code_changed(self, start: int, end: int) -> None:
        self.changed.append((start, end))

    def clear_reservation(self) -> None:
        raise NotImplementedError

    def discard(self, start: int, end: int) -> None:
        self.ram[start:end] = bytes(end - start)


def space(limit: int = 1 << 40) -> Space:
    return Space(Memory(), limit)


ranges = st.tuples(st.integers(0, PAGES - 1), st.integers(1, PAGES)).map(lambda r: (r[0], min(PAGES, r[0] + r[1])))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("map"), ranges, st.integers(0, 7)),
        st.tuples(st.just("unmap"), ranges, st.just(0)),
        st.tuples(st.just("protect"), ranges, st.integers(0, 7)),
        st.tuples(st.just("touch"), ranges, st.integers(0, 255)),
    ),
    max_size=30,
)


@settings(max_examples=300, deadline=None)
@given(steps)
def test_any_sequence_of_calls_leaves_the_pages_that_a_dictionary_would(todo: list[tuple[str, tuple[int, int], int]]) -> None:
    memory = space()
    model: dict[int, tuple[int, int]] = {}  # page: protection, first byte
    for what, (first, last), value in todo:
        start, end = BASE + first * PAGE, BASE + last * PAGE
        pages = range(first, last)
        if what == "map":
            memory.map(start, end, value)
            model.update(dict.fromkeys(pages, (value, 0)))
        elif what == "unmap":
            memory.unmap(start, end)
            for page in pages:
                model.pop(page, None)
        elif what == "protect":
            if all(page in model for page in pages):
                memory.protect(start, end, value)
                model.update({page: (value, model[page][1]) for page in pages})
            else:
                with pytest.raises(OSError, match="not mapped") as caught:
                    memory.protect(start, end, value)
                assert caught.value.errno == errno.ENOMEM
        elif all(model.get(page, (0, 0))[0] & W for page in pages):
            memory.view(start, end - start, W)[::PAGE] = bytes([value]) * len(pages)
            model.update({page: (model[page][0], value) for page in pages})
        else:
            with pytest.raises(Fault):
                memory.view(start, end - start, W)
    for page in range(PAGES):
        at = BASE + page * PAGE
        protection, byte = model.get(page, (None, 0))
        assert memory.perm[at // PAGE] == (0 if protection is None else MAPPED | protection)
        assert (memory.find(at) is not None) == (protection is not None)
        assert memory.ram[at] == byte
    ends = [area.end for area in memory.areas]
    assert all(end <= start for end, start in zip(ends, memory.starts[1:], strict=False))
    assert memory.starts == [area.start for area in memory.areas]
    assert memory.used == PAGE * sum(1 for protection, _ in model.values() if protection & W)


def test_a_view_ends_where_the_right_to_it_ends() -> None:
    memory = space()
    memory.map(BASE, BASE + 2 * PAGE, R | W)
    assert len(memory.prefix(BASE + 100, 10 * PAGE, R)) == 2 * PAGE - 100
    with pytest.raises(Fault):
        memory.view(BASE + 100, 2 * PAGE, R)
    with pytest.raises(Fault):
        memory.prefix(BASE + 2 * PAGE, 1, R)


@pytest.mark.parametrize("address", [0, 1, (1 << 38) - 1, 1 << 38, 1 << 63, (1 << 64) - 1])
def test_every_impossible_address_is_refused(address: int) -> None:
    memory = space()
    for attempt in (lambda: memory.read(address, 8), lambda: memory.text(address), lambda: memory.write(address, b"x")):
        with pytest.raises(Fault):
            attempt()


def test_text_ends_at_its_nul_across_pages() -> None:
    memory = space()
    memory.map(BASE, BASE + 2 * PAGE, R | W)
    memory.write(BASE + PAGE - 3, b"abcdef\0")
    assert memory.text(BASE + PAGE - 3) == b"abcdef"
    memory.protect(BASE + PAGE, BASE + 2 * PAGE, 0)
    with pytest.raises(Fault):
        memory.text(BASE + PAGE - 3)


def test_the_engines_bit_of_a_page_survives_and_the_engine_is_notified_of_changed_code() -> None:
    memory = space()
    memory.map(BASE, BASE + PAGE, 7)
    memory.perm[BASE // PAGE] |= ENGINE_BIT
    memory.protect(BASE, BASE + PAGE, R | W)
    assert memory.perm[BASE // PAGE] == MAPPED | R | W | ENGINE_BIT
    assert isinstance(memory.cpu, Memory)
    assert memory.cpu.changed == [(BASE, BASE + PAGE)]


def test_the_limit_counts_private_writable_memory_only() -> None:
    memory = space(limit=4 * PAGE)
    memory.map(BASE, BASE + 8 * PAGE, R)
    memory.map(BASE + 8 * PAGE, BASE + 12 * PAGE, R | W)
    with pytest.raises(OSError, match="limit") as caught:
        memory.map(BASE + 12 * PAGE, BASE + 13 * PAGE, R | W)
    assert caught.value.errno == errno.ENOMEM
    memory.unmap(BASE + 8 * PAGE, BASE + 9 * PAGE)
    memory.map(BASE + 12 * PAGE, BASE + 13 * PAGE, R | W)
