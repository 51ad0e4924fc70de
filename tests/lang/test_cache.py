"""The cache of compiled code: what hits, what misses, and what must never be trusted."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import textwrap

import pytest

from softmetal.lang import cache, native

CHIP = """
from __future__ import annotations
from softmetal.lang import Chip, u8
from {limits} import LIMIT

class Main(Chip):
    n: u8

    def f(self) -> u8:
        self.n += 1
        return self.n + LIMIT
"""
SCRIPT = """
from softmetal.lang.native import Native
import sys
sys.path.insert(0, {path!r})
from {module} import Main
print(Native(Main).f())
"""


class Project:
    """A module with a chip, one with a constant, and a cache, in a directory of their own."""

    def __init__(self, path, number):
        self.path, self.module, self.limits = path, f"cached_chip_{number}", f"cached_limits_{number}"
        self.cache = path / "cache"
        self.write(self.limits, "LIMIT = 5\n")
        self.write(self.module, CHIP.format(limits=self.limits))

    def write(self, name, text):
        (self.path / f"{name}.py").write_text(text)

    def load(self):
        """The class, from the source as it is now."""
        for name in (self.module, self.limits):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
        try:
            return importlib.import_module(self.module).Main
        finally:
            sys.dont_write_bytecode = before

    def entries(self):
        return sorted(self.cache.glob("*.bin"))


@pytest.fixture
def compiles(monkeypatch):
    """How often LLVM has compiled something."""
    count = []
    compile_parts = native.compile_parts
    monkeypatch.setattr(native, "compile_parts", lambda text: count.append(1) or compile_parts(text))
    return count


@pytest.fixture
def project(tmp_path, monkeypatch, request):
    made = Project(tmp_path, abs(hash(request.node.name)) % 10**9)
    monkeypatch.setenv("SOFTMETAL_CACHE", str(made.cache))
    monkeypatch.syspath_prepend(str(tmp_path))
    return made


def test_the_second_time_nothing_is_compiled(project, compiles):
    cls = project.load()
    assert [native.Native(cls).f() for _ in range(3)] == [6, 6, 6]
    assert len(compiles) == 1
    assert len(project.entries()) == 1


def test_other_methods_are_another_entry(project, compiles):
    project.write(project.module, CHIP.format(limits=project.limits) + "\n    def g(self) -> u8:\n        return 7\n")
    cls = project.load()
    assert native.Native(cls, ["f"]).f() == 6
    assert native.Native(cls, ["g"]).g() == 7
    assert len(compiles) == 2


def test_a_change_of_the_source_is_seen(project, compiles):
    assert native.Native(project.load()).f() == 6
    project.write(project.module, CHIP.format(limits=project.limits).replace("+= 1", "+= 2"))
    assert native.Native(project.load()).f() == 7
    assert len(compiles) == 2


def test_a_change_of_an_imported_module_is_seen(project, compiles):
    assert native.Native(project.load()).f() == 6
    project.write(project.limits, "LIMIT = 50\n")
    assert native.Native(project.load()).f() == 51
    assert len(compiles) == 2


def test_a_constant_that_has_another_value_without_another_source_is_seen(project, compiles, monkeypatch):
    project.write(project.limits, "import os\nLIMIT = int(os.environ['THE_LIMIT'])\n")
    for value, result in (("3", 4), ("9", 10), ("9", 10)):
        monkeypatch.setenv("THE_LIMIT", value)
        assert native.Native(project.load()).f() == result
    assert len(compiles) == 2


def test_a_relative_import_counts_too(tmp_path, monkeypatch, compiles):
    package = tmp_path / "cached_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "limits.py").write_text("LIMIT = 5\n")
    (package / "chips.py").write_text(CHIP.format(limits=".limits"))
    monkeypatch.setenv("SOFTMETAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("cached_package.chips")
    assert native.Native(module.Main).f() == 6
    [entry] = (tmp_path / "cache").glob("*.bin")
    found = cache.read(entry)
    assert found is not None
    assert str(package / "limits.py") in found.sources


def test_an_empty_module_and_one_without_a_last_newline_hit_too(project, compiles):
    project.write(f"{project.limits}_empty", "")
    project.write(project.limits, f"import {project.limits}_empty\nLIMIT = 5")
    cls = project.load()
    assert [native.Native(cls).f(), native.Native(cls).f()] == [6, 6]
    assert len(compiles) == 1


def test_classes_of_one_name_that_a_function_makes_are_kept_apart(project, compiles):
    project.write(project.module, textwrap.dedent("""
        from __future__ import annotations
        from softmetal.lang import Chip, u8
        def make(count: int) -> type:
            class Main(Chip):
                first: u8[count]
                last: u8 = 9
                def f(self) -> u8:
                    return self.last
            Main.__annotations__["first"] = u8[count]
            return Main
        Main = make(3)
        Other = make(300)
    """))  # fmt: skip
    project.load()
    module = sys.modules[project.module]
    assert [native.Native(c).f() for c in (module.Main, module.Other, module.Main)] == [9, 9, 9]
    assert len(compiles) == 2


@pytest.mark.parametrize("damage", ["truncated", "empty", "one bit", "other magic", "garbage"])
def test_a_damaged_entry_is_built_anew(project, compiles, damage):
    cls = project.load()
    native.Native(cls)
    [entry] = project.entries()
    data = whole = entry.read_bytes()
    if damage == "truncated":
        data = data[: len(data) // 2]
    elif damage == "empty":
        data = b""
    elif damage == "one bit":
        data = data[:-100] + bytes([data[-100] ^ 1]) + data[-99:]
    elif damage == "other magic":
        data = b"x" + data[1:]
    else:
        data = os.urandom(5000)
    entry.write_bytes(data)
    assert native.Native(cls).f() == 6
    assert len(compiles) == 2
    assert len(entry.read_bytes()) == len(whole)
    assert native.Native(cls).f() == 6
    assert len(compiles) == 2


def test_an_entry_of_another_compiler_is_built_anew(project, compiles, monkeypatch):
    cls = project.load()
    native.Native(cls)
    monkeypatch.setattr(cache, "compiler_digest", lambda: "another")
    assert native.Native(cls).f() == 6
    assert len(compiles) == 2


def test_an_entry_for_another_host_is_left_alone(project, compiles, monkeypatch):
    cls = project.load()
    native.Native(cls)
    monkeypatch.setattr(cache, "host_digest", lambda: "another")
    assert native.Native(cls).f() == 6
    assert len(compiles) == 2
    assert len(project.entries()) == 2


@pytest.mark.parametrize("where", ["/proc/nowhere", "a file"])
def test_a_cache_that_cannot_be_written_is_no_obstacle(project, compiles, monkeypatch, where, tmp_path):
    if where == "a file":
        where = str(tmp_path / "file")
        (tmp_path / "file").write_text("")
    monkeypatch.setenv("SOFTMETAL_CACHE", where)
    cls = project.load()
    assert [native.Native(cls).f(), native.Native(cls).f()] == [6, 6]
    assert len(compiles) == 2


def test_a_write_that_fails_leaves_nothing_behind(project, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert native.Native(project.load()).f() == 6
    assert list(project.cache.iterdir()) == []


def test_processes_that_start_at_once_do_not_disturb_each_other(project):
    script = SCRIPT.format(path=str(project.path), module=project.module)
    running = [subprocess.Popen([sys.executable, "-B", "-c", script], stdout=subprocess.PIPE) for _ in range(3)]
    assert [p.communicate()[0] for p in running] == [b"6\n"] * 3
    assert [p.returncode for p in running] == [0, 0, 0]
    assert len(list(project.cache.iterdir())) == 1
