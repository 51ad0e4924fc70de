"""A large unit is compiled in parts, side by side: together they are the unit, and do what it does."""

from __future__ import annotations

import pytest

from softmetal.engines.native import engine as engines
from softmetal.engines.native.threaded import Threaded
from softmetal.lang.chip import Board
from softmetal.lang.llvm import parts
from softmetal.lang.loader import Library, bundle
from tests.slices.test_narrow_pc import BACK, LOOP, Tiny, isa, looked, ready


@pytest.fixture(scope="module")
def text() -> str:
    """An interpreter, as LLVM IR."""
    return Threaded(isa, Board.of(Tiny)).text()


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_what_stands_by_itself_is_in_one_part_and_the_rest_where_it_is_called(text: str, count: int) -> None:
    whole, made = parts.read(text), [parts.read(part) for part in parts.split(text, count)]
    alone = [name for name, f in whole.functions.items() if not f.inlinable]
    assert len(alone) > 15
    assert len(whole.functions) > len(alone)
    for name in alone:
        assert [name in part.functions for part in made].count(True) == 1
    for part in made:
        for function in part.functions.values():
            for name in function.refers & whole.functions.keys():
                declared = any(f"{name}(" in line for line in part.declared)
                assert declared != (name in part.functions)
            assert function.refers & whole.tables.keys() <= part.tables.keys()


FAILING = "import sys; sys.stdout.write('half'); sys.exit(3)  # {path} {level}"


@pytest.mark.parametrize("child", [parts.CHILD, FAILING], ids=["side by side", "here, where a process fails"])
def test_the_parts_together_do_what_the_golden_model_does(tmp_path, monkeypatch, child) -> None:
    monkeypatch.setenv("SOFTMETAL_CACHE", str(tmp_path))
    monkeypatch.setattr(engines, "_LIBRARIES", {})
    monkeypatch.setattr(parts, "LARGE", 0)
    monkeypatch.setattr(parts, "CHILD", child)
    codes = dict(zip(range(0, 8, 2), LOOP, strict=True)) | dict(zip(range(0x100, 0x108, 2), BACK, strict=True))
    for start in (0, 0x100):
        ends = []
        for kind in ("golden", "native"):
            engine = ready(kind, codes)
            engine.core.pc = engine.core.next_pc = start
            engine.run(2000)
            ends.append(looked(engine.core))
        assert ends[0] == ends[1]


def test_the_same_unit_is_always_divided_in_the_same_way(text: str) -> None:
    assert parts.split(text) == parts.split(text)
    assert len(parts.split(text)) == parts.PARTS


def test_a_small_unit_is_not_divided(text: str) -> None:
    made = parts.compile_parts(text)
    assert len(made) == 1
    assert bundle(made) == made[0]
    assert Library(made[0], ["run"]).address("run")
