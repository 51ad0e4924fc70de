"""The handlers of the threaded interpreter, as LLVM IR: one function an instruction, or a sequence of them.

Each ends in a tail call of the next. Sequences that often follow each other have a handler of their own, which does one
after the other without the jump between them (`isa.fusions` names them). Where an operand of one is known to be the
register that the one before has just written, the value need not go through memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from softmetal.engines.native.decoder import extract
from softmetal.engines.native.frame import LIMIT, NEAR, OPERANDS, RECORD, Places
from softmetal.engines.native.interpreter import FLOWED, KEPT, Interpreter
from softmetal.isa.table import Insn, Isa
from softmetal.lang import ir
from softmetal.lang.chip import Board
from softmetal.lang.llvm import Writer, llvm_type
from softmetal.lang.ranges import Range, type_range
from softmetal.lang.types import u64

SIGNATURE = "ptr align 4096 %root, ptr align 16 %ip, i64 %budget"
ARGUMENTS = "ptr %root, ptr {ip}, i64 {budget}"


def assignments(body: Any, field: str) -> list[ir.SetField]:
    """Every statement in a body that sets a field of this name."""
    if isinstance(body, list | tuple):
        return [found for part in body for found in assignments(part, field)]
    if isinstance(body, ir.SetField):
        return [body] if body.field.name == field else []
    inside = [getattr(body, n, []) for n in ("then", "other", "body", "cases", "default")]
    return assignments([part for part in inside if isinstance(part, list)], field)


def is_near(value: ir.Expr) -> bool:
    """Is this `pc + distance`, cut to the width of `pc`, with a small distance?"""
    if not (isinstance(value, ir.Cut) and isinstance(value.a, ir.Bin) and value.a.op == "+"):
        return False
    base, far = value.a.a, value.a.b.range
    is_pc = isinstance(base, ir.FieldLoad) and base.field.name == "pc" and base.index is None
    return is_pc and far is not None and -NEAR < far.lo and far.hi < NEAR


@dataclass(frozen=True)
class Handler:
    """A native function that does an instruction: its name, and the number by which sequences are recognised."""

    name: str
    number: int


@dataclass(frozen=True)
class Fusion:
    """A sequence of instructions with a handler of its own.

    `numbers` are those of the single handlers; `links[i]` names the operands of instruction `i` that must be the register
    which instruction `i - 1` writes; `size` in bytes.
    """

    name: str
    entries: tuple[Insn, ...]
    numbers: tuple[int, ...]
    links: tuple[tuple[str, ...], ...]


class Handlers(Interpreter):
    """Writes the handlers of a table."""

    def __init__(self, isa: Isa, board: Board) -> None:
        if isa.modes or isa.unit != 8:
            why = f"what a code means depends on {isa.modes[0]!r}" if isa.modes else f"an address stands for {isa.unit} bits"
            raise TypeError(f"{isa.name}: {why}, so code is not decoded ahead: leave `decoding` out of {board.cls.__name__}")
        super().__init__(isa, board, kept=KEPT)
        kinds = {name: self.fields[name].type for name in KEPT}
        if kinds["count"] is not u64 or kinds["pc"] is not kinds["next_pc"] or kinds["pc"].signed or kinds["pc"].bits > 64:
            given = ", ".join(f"{name} is {kind}" for name, kind in kinds.items())
            needed = "to decode ahead the engine needs one unsigned type, to u64, for pc and next_pc, and a count of u64"
            raise TypeError(f"{board.cls.__name__}: {given}: {needed}")
        self.places = self.placed()
        self.handlers: dict[Any, Handler] = {}
        self._flowing: dict[ir.Function, bool] = {}

    def placed(self) -> Places:
        """Where the interpreter keeps what it keeps behind the state."""
        return Places.of(self.board, self.isa)

    # -- what a record holds

    def layout(self, entry: Insn) -> list[tuple[str, Any, int, int]] | None:
        """(parameter, type, offset in the record, bytes) of the operands; None where they do not fit in."""
        used: set[int] = set()
        found = []
        free = [(n, k) for n, k in entry.parameters.items() if not isinstance(entry.bound.get(n, n), int)]
        for name, kind in sorted(free, key=lambda p: -p[1].size):
            places = range(-(-OPERANDS // kind.size) * kind.size, RECORD - kind.size + 1, kind.size)
            at = next((p for p in places if used.isdisjoint(range(p, p + kind.size))), None)
            if at is None:
                return None
            used.update(range(at, at + kind.size))
            found.append((name, kind, at, kind.size))
        return found

    def split(self, entry: Insn) -> str:
        """The parameter that distinguishes an entry's two variants (is it the register that is always 0?), or ""."""
        zero = self.isa.zero
        return zero if zero in entry.parameters and not isinstance(entry.bound.get(zero, zero), int) else ""

    def constants(self, entry: Insn, zero: bool) -> dict[str, int]:
        """The parameters that have one value in all instructions of this form."""
        known = {n: b for n in entry.parameters if isinstance(b := entry.bound.get(n, n), int)}
        return {**known, self.split(entry): 0} if zero else known

    # -- handlers

    def handler(self, entry: Insn, zero: bool, far: bool = False) -> Handler:
        """The handler of an entry (of its variant for the register that is always 0), written when first asked for.

        With `far` it is the one whose changes of flow may go anywhere.
        """
        constants = self.constants(entry, zero)
        key = (entry.meaning, tuple(constants.items()), entry.size, self.layout(entry) is None and entry, far)
        if key not in self.handlers:
            made = self.handlers[key] = Handler(f'@"h.{entry.name}.{len(self.handlers)}"', len(self.handlers) + 1)
            self._write(made.name, [(entry.meaning, entry.size, _Operands(self, entry, constants, zero), ())], far)
        return self.handlers[key]

    def illegal(self, size: int) -> Handler:
        """The handler of codes of this size that no entry recognises. The record holds the code in its last 4 bytes."""
        key = ("illegal", size)
        if key not in self.handlers:
            if self.instance(self.isa.illegal).returns:
                raise ValueError(f"{self.isa.name}: the meaning of codes that are no instruction must end in a trap")
            made = self.handlers[key] = Handler(f'@"h.illegal.{size}"', len(self.handlers) + 1)
            self._write(made.name, [(self.isa.illegal, size, _Code(self), ())])
        return self.handlers[key]

    def fusions(self) -> list[Fusion]:
        """The sequences that the table names, their handlers written; longer ones and those with more links first."""
        made = []
        for line in self.isa.fusions:
            entries, links = [], []
            for word in line.split():
                name, _, linked = word.partition(":")
                entries.append(self.isa.by_name[name])
                links.append(tuple(linked.split(",")) if linked else ())
            if any(self.flows(self.instance(e.meaning)) for e in entries[:-1]):
                raise ValueError(f"{line!r}: only the last of a sequence may change the flow of control")
            numbers = tuple(self.handler(e, False).number for e in entries)
            name = f'@"f.{line.replace(" ", "+")}"'
            parts = [
                (e.meaning, e.size, _Operands(self, e, self.constants(e, False), False), ls)
                for e, ls in zip(entries, links, strict=True)
            ]
            self._write(name, parts)
            made.append(Fusion(name, tuple(entries), numbers, tuple(links)))
        return sorted(made, key=lambda f: (-len(f.entries), -sum(map(len, f.links))))

    def _write(self, name: str, parts: list[tuple[Any, int, Any, tuple[str, ...]]], far: bool = False) -> None:
        """Write a handler: for each part a meaning, its instruction's size, its operands, and which are links."""
        writer = Writer(self.unit)
        ip = "%ip"
        traps = []
        before: dict[str, str] = {}
        for i, (meaning, size, operands, links) in enumerate(parts):
            function = self.instance(meaning)
            values = operands.write(writer, ip, function)
            for link in links:
                values[link] = before[self.isa.destination]
            kept = self._prepare(writer, ip, size)
            trapped = f"trapped{i}"
            writer.invoke(function, [], [values[n] for n, _ in function.params], trapped, kept)
            if function.traps:
                traps.append((trapped, ip))
            before = values
            if self.flows(function):
                # Two ways, and not one with a choice of address: so the host predicts the guest's branches, and does not
                # wait for what they depend on.
                flowed = writer.new(f"load i64, ptr {writer.gep(kept, 8 * FLOWED)}")
                writer.branch(writer.new(f"icmp ne i64 {flowed}, 0"), "taken", "straight")
                writer.start("straight")
                self._enter_record(writer, writer.gep(ip, size << self.places.shift))
                writer.start("taken")
                near = not far and self.near(function, operands.entry)
                target = writer.new(f"load i64, ptr {writer.gep(kept, 8)}")
                if near:  # the records are surrounded by guards, or it was looked at when this was decoded
                    away = writer.new(f"sub i64 {target}, {writer.new(f'load i64, ptr {kept}')}")
                    away = writer.new(f"shl i64 {away}, {self.places.shift}")
                    self._enter_record(writer, writer.new(f"getelementptr i8, ptr {ip}, i64 {away}"))
                else:
                    self._enter(writer, target)
                break
            ip = writer.gep(ip, size << self.places.shift)
        if not writer.done:
            handler = writer.new(f"load ptr, ptr {ip}")
            self.tail(writer, handler, ip, "%budget")
        for trapped, at in traps:
            writer.start(trapped)
            self.tail(writer, "@exit.trap", at, "%budget")
        head = f"define internal preserve_nonecc void {name}({SIGNATURE}) nounwind {{"
        self.unit.parts.append("\n".join([head, "entry:", *writer.slots, *writer.lines, "}\n"]))

    def _prepare(self, writer: Writer, ip: str, size: int) -> str:
        """Write the kept fields' values at a record; the pointer to them."""
        kept = writer.slot("[4 x i64]", "kept")
        pc = self.address_of(writer, ip)
        writer.emit(f"store i64 {pc}, ptr {kept}")
        behind, bits = writer.new(f"add i64 {pc}, {size}"), self.fields["pc"].type.bits
        if bits < 64:
            behind = writer.new(f"and i64 {behind}, {(1 << bits) - 1}")
        writer.emit(f"store i64 {behind}, ptr {writer.gep(kept, 8)}")
        limit = writer.new(f"load i64, ptr {writer.gep('%root', self.mailbox(LIMIT))}")
        rest = writer.new(f"load i16, ptr {writer.gep(ip, 8)}")
        rest = writer.new(f"zext i16 {rest} to i64")
        ahead = writer.new(f"add i64 %budget, {rest}")
        writer.emit(f"store i64 {writer.new(f'sub i64 {limit}, {ahead}')}, ptr {writer.gep(kept, 16)}")
        writer.emit(f"store i64 0, ptr {writer.gep(kept, 8 * FLOWED)}")
        return kept

    def address_of(self, writer: Writer, record: str) -> str:
        """Write the code address of a record."""
        far = writer.new(f"sub i64 {writer.new(f'ptrtoint ptr {record} to i64')}, {self._base(writer)}")
        return writer.new(f"ashr exact i64 {far}, {self.places.shift}")

    def record_of(self, writer: Writer, address: str) -> str:
        """Write the record of a code address."""
        far = writer.new(f"shl i64 {address}, {self.places.shift}")
        return writer.new(f"inttoptr i64 {writer.new(f'add i64 {self._base(writer)}, {far}')} to ptr")

    def _base(self, writer: Writer) -> str:
        """Write the place of record 0, as a number (so that sums and differences of places cancel)."""
        return writer.new(f"add i64 {writer.new('ptrtoint ptr %root to i64')}, {self.places.code}")

    def _enter(self, writer: Writer, target: str) -> None:
        """Write the entry into the run of instructions at any code address."""
        # Only whole parcels below the end have records.
        without = (1 << 64) - (1 << self.places.code_bits) | self.isa.parcel // 8 - 1
        inside = writer.new(f"icmp eq i64 {writer.new(f'and i64 {target}, {without}')}, 0")
        writer.branch(self._likely(writer, inside), "inside", "astray")
        writer.start("astray")
        self.store(writer, "pc", target)
        self.tail(writer, "@exit.astray", "%root", "%budget")
        writer.start("inside")
        self._enter_record(writer, self.record_of(writer, target))

    def _enter_record(self, writer: Writer, record: str) -> None:
        """Write the entry into a run at its first record: is it decoded, and does the budget suffice?"""
        handler = writer.new(f"load ptr, ptr {record}")
        missing = writer.new(f"icmp eq ptr {handler}, null")
        rest = writer.new(f"load i16, ptr {writer.gep(record, 8)}")
        after = writer.new(f"sub i64 %budget, {writer.new(f'zext i16 {rest} to i64')}")
        short = writer.new(f"icmp slt i64 {after}, 0")
        stop = writer.new(f"or i1 {missing}, {short}")
        go, slowly = writer.label("go"), writer.label("slowly")
        writer.branch(self._unlikely(writer, stop), slowly, go)
        writer.start(slowly)
        self.tail(writer, "@enter.slowly", record, "%budget")
        writer.start(go)
        self.tail(writer, handler, record, after)

    def _likely(self, writer: Writer, test: str) -> str:
        name = self.unit.intrinsic("llvm.expect.i1", "i1", "i1", "i1")
        return writer.new(f"call i1 {name}(i1 {test}, i1 true)")

    def _unlikely(self, writer: Writer, test: str) -> str:
        name = self.unit.intrinsic("llvm.expect.i1", "i1", "i1", "i1")
        return writer.new(f"call i1 {name}(i1 {test}, i1 false)")

    def tail(self, writer: Writer, callee: str, record: str, budget: str) -> None:
        given = ARGUMENTS.format(ip=record, budget=budget)
        writer.emit(f"musttail call preserve_nonecc void {callee}({given})")
        writer.end("ret void")

    def flows(self, function: ir.Function) -> bool:
        """May a meaning change the flow of control? Then it ends a run."""
        if function not in self._flowing:
            self._flowing[function] = (0, "next_pc") in function.stores or any(map(self.flows, function.calls))
        return self._flowing[function]

    def near(self, function: ir.Function, entry: Insn) -> bool:
        """Does every change of flow in a meaning go to `pc` plus a bounded number of whole parcels?"""
        if any(self.flows(c) for c in function.calls):
            return False
        return all(is_near(s.value) and self._whole(s.value, entry) for s in assignments(function.body, "next_pc"))

    def _whole(self, value: Any, entry: Insn) -> bool:
        """Is the distance in `pc + distance` an operand that is always a multiple of a parcel?"""
        step, distance = self.isa.parcel // 8, value.a.b
        if step == 1:
            return True
        if not isinstance(distance, ir.Local):
            return False
        source = entry.bound.get(distance.name, distance.name)
        if isinstance(source, int):
            return source % step == 0
        operand = next(o for o in entry.operands if o.name == source)
        return operand.add % step == 0 and all((1 << s.at) % step == 0 for s in operand.segments)


class _Operands:
    """The operands of an entry, as its records hold them."""

    def __init__(self, handlers: Handlers, entry: Insn, constants: dict[str, int], zero: bool) -> None:
        self.entry, self.constants = entry, constants
        self.layout = handlers.layout(entry)
        self.nonzero = "" if zero else handlers.split(entry)

    def write(self, writer: Writer, ip: str, function: ir.Function) -> dict[str, str]:
        """Write their loads; their texts by parameter."""
        entry = self.entry
        operands = {n: str(v) for n, v in self.constants.items()}
        if self.layout is None:  # they do not fit in the record, which holds the code instead
            code = writer.new(f"load i32, ptr {writer.gep(ip, OPERANDS + 2)}")
            code = writer.new(f"zext i32 {code} to i64")
            by_name = {o.name: o for o in entry.operands}
            for parameter, kind in entry.parameters.items():
                if parameter not in operands:
                    source = entry.bound.get(parameter, parameter)
                    value = code if source == "code" else extract(writer, by_name[str(source)], code)
                    operands[parameter] = writer.resize(value, Range(0, (1 << 64) - 1), type_range(kind).width)
            return operands
        for parameter, kind, offset, size in self.layout:
            if parameter in operands:
                continue
            lo, hi = kind.lo + (parameter == self.nonzero), kind.hi + 1
            known = kind.bits != 8 * size or parameter == self.nonzero
            spread = f", !range !{{i{8 * size} {lo}, i{8 * size} {hi}}}" if known else ""
            value = writer.new(f"load i{8 * size}, ptr {writer.gep(ip, offset)}{spread}")
            operands[parameter] = value if kind.bits > 1 else writer.new(f"trunc i8 {value} to i1")
        return operands


class _Code:
    """The bits of an instruction that is not known."""

    def __init__(self, handlers: Handlers) -> None:
        self.handlers = handlers

    def write(self, writer: Writer, ip: str, function: ir.Function) -> dict[str, str]:
        """Write the load; the text by parameter."""
        code = writer.new(f"load i32, ptr {writer.gep(ip, RECORD - 4)}")
        parameter, kind = function.params[0]
        return {parameter: code if kind.bits == 32 else writer.new(f"trunc i32 {code} to {llvm_type(kind)}")}
