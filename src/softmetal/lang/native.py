"""Native code: LLVM compiles a unit for this host, the cache keeps it, and Python calls it."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import Any

from softmetal.lang import ir
from softmetal.lang.cache import Compiled, cached, identity, sources_of
from softmetal.lang.check import Program
from softmetal.lang.chip import Board, Chip, Trap, chip_class, method_of, trap_class, trap_fields
from softmetal.lang.llvm import Unit, Writer, emit
from softmetal.lang.llvm.parts import compile_parts
from softmetal.lang.loader import Library, bundle
from softmetal.lang.ranges import type_range
from softmetal.lang.source import HardwareError, tree_of
from softmetal.lang.types import FloatType, IntType


class Entry(Writer):
    """A function that Python calls: `u64 name(root, arguments...)`, each argument 64 bits.

    It gives 0, or the number of the trap that was raised; results, or the trap's values, are left in the mailbox
    from its second word on, 16 bytes a result.
    """

    def text(self, name: str, function: ir.Function) -> str:
        """The entry's LLVM IR."""
        box = self.unit.board.mailbox
        args = []
        for i, (_, kind) in enumerate(function.params):
            if isinstance(kind, FloatType):
                args.append(self.new(f"bitcast i64 %a{i} to double"))
            else:
                wide = type_range(kind)
                args.append(f"%a{i}" if wide.width == 64 else self.new(f"trunc i64 %a{i} to i{wide.width}"))
        for i, (text, found) in enumerate(self.invoke(function, [], args, "trapped")):
            at = self.gep("%root", box + 8 + 16 * i)
            if found is None:
                self.emit(f"store i64 {self.bits64(text)}, ptr {at}")
            else:
                self.emit(f"store i128 {self.resize(text, found, 128)}, ptr {at}, align 8")
        self.end("ret i64 0")
        if function.traps:
            self.start("trapped")
            number = self.new(f"load i64, ptr {self.gep('%root', box)}")
            self.end(f"ret i64 {number}")
        params = ", ".join(["ptr %root", *(f"i64 %a{i}" for i in range(len(function.params)))])
        return "\n".join([f"define i64 @{name}({params}) nounwind {{", *self.slots, *self.lines, "}\n"])


class Native:
    """A board whose methods run as native code.

    `state` is the golden view of the same bytes, so every field can be read and written there. Methods are called on
    the object itself: `Native(Mos6526).tick()`; `names` limits what is compiled (all public methods).
    """

    def __init__(self, cls: type[Chip], names: Iterable[str] | None = None) -> None:
        self.state: Any = cls()
        board = Board.of(cls)
        chosen = tuple(sorted(names if names is not None else _public(cls)))

        def build() -> Compiled:
            program, unit = Program(), Unit(board)
            for name in chosen:
                found = method_of(cls, name)
                if found is None:
                    raise AttributeError(f"{cls.__name__} has no method {name!r}")
                function = _entry_function(program, cls, found)
                unit.parts.append(Entry(unit).text(f"call.{name}", function))
            facts = {"traps": [[t.__module__, t.__qualname__] for t in unit.traps]}
            return Compiled(bundle(compile_parts(emit(unit))), facts, sources_of(program))

        compiled = cached(("native", identity(cls), chosen), build, f"compiling {cls.__name__} for this computer (once)")
        self._library = Library(compiled.code, [f"call.{n}" for n in chosen])
        self._traps = [trap_class(*t) for t in compiled.facts["traps"]]
        self._mapping = self.state.__mapping__
        self._box = board.mailbox
        self._calls: dict[str, Any] = {}
        self._cls, self._chosen = cls, chosen

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._calls:
            self._calls[name] = self._caller(name)
        return self._calls[name]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *_public(self._cls)]

    def _caller(self, name: str) -> Any:
        found = method_of(self._cls, name)
        if found is None:
            raise AttributeError(f"{self._cls.__name__} has no method {name!r}")
        if name not in self._chosen:
            raise AttributeError(f"{self._cls.__name__}.{name}() is not compiled: it takes or gives chips, or was not asked for")
        params, results = signature(*found)
        address = self._library.address(f"call.{name}")
        call = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, *[ctypes.c_uint64] * len(params))(address)
        root, view, box = self._mapping.address, self._mapping.view, self._box

        def failed(number: int) -> Trap:
            kind = self._traps[number - 1]
            return kind(*(int.from_bytes(view[box + 8 + 8 * i :][:8], "little") for i in range(len(trap_fields(kind)))))

        def wrong_count(given: int) -> TypeError:
            return TypeError(f"{self._cls.__name__}.{name}() takes {len(params)} values, {given} are given")

        def run(*args: Any) -> Any:
            if len(args) != len(params):
                raise wrong_count(len(args))
            number = call(root, *[_to_bits(k, a) for k, a in zip(params, args, strict=True)])
            if number:
                raise failed(number)
            values = [_from_bits(k, view[box + 8 + 16 * i :][:16]) for i, k in enumerate(results)]
            return None if not values else values[0] if len(values) == 1 else tuple(values)

        result = view[box + 8 : box + 16].cast("Q")

        def run_plain(*args: Any) -> Any:
            """The same for numbers that the host has as well: compiled code cuts them."""
            if len(args) != len(params):
                raise wrong_count(len(args))
            number = call(root, *args)
            if number:
                raise failed(number)
            return result[0] if results else None

        plain = len(results) < 2 and all(isinstance(k, IntType) and not k.signed and k.bits <= 64 for k in (*params, *results))
        return run_plain if plain else run


def _public(cls: type) -> list[str]:
    """The methods that Python can call: those that take and give numbers only."""
    names = dict.fromkeys(n for base in cls.__mro__ for n in base.__dict__.get("__hw_methods__", {}) if not n.startswith("_"))
    kinds = {n: signature(*found) for n in names if (found := method_of(cls, n))}
    return [n for n, (params, results) in kinds.items() if not (any(map(_is_no_number, params)) or any(map(chip_class, results)))]


def _is_no_number(kind: Any) -> bool:
    """Is this a parameter that only hardware gives: a chip, a function?"""
    return kind is not None and not isinstance(kind, IntType | FloatType)


def signature(function: Any, owner: type) -> tuple[list[Any], list[Any]]:
    """The types of a method's parameters (without `self`) and results."""
    from softmetal.lang.source import annotation

    code = function.__code__
    params = [annotation(function, owner, n) for n in code.co_varnames[1 : code.co_argcount]]
    result = annotation(function, owner, "return")
    return params, [] if result is None else list(getattr(result, "__args__", (result,)))


def _entry_function(program: Program, cls: type, found: tuple[Any, type]) -> ir.Function:
    params, _ = signature(*found)
    tree, filename = tree_of(found[0])
    for arg, kind in zip(tree.args.args[1:], params, strict=False):
        if isinstance(kind, IntType) and kind.bits > 64:
            instead = f"u64 or narrower, or _{tree.name} for a method that only hardware calls"
            raise HardwareError(filename, arg, f"{arg.arg} is a {kind}: Python cannot call {tree.name}() with it", instead)
    return method_instance(program, cls, found)


def method_instance(program: Program, cls: type, found: tuple[Any, type]) -> ir.Function:
    """A board's method (function and owner), checked for whatever numbers it is called with."""
    params, _ = signature(*found)
    args: list[Any] = [program.root(cls), *(ir.Local(type_range(k), "argument") for k in params)]
    made, _, _ = program.instance(*found, args, {})
    return made


def _to_bits(kind: Any, value: Any) -> int:
    if isinstance(kind, FloatType):
        from softmetal.lang.ops import bits64

        return bits64(kind(value))
    return int(kind(value)) & (1 << 64) - 1


def _from_bits(kind: Any, data: memoryview) -> Any:
    if isinstance(kind, FloatType):
        return data[:8].cast("d")[0]
    return kind(int.from_bytes(data, "little"))
