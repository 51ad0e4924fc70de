"""The threaded interpreter, as LLVM IR: one function an instruction, each ending in a tail call of the next.

Every code address has a *record* of 16 bytes, at a fixed place for its address, so finding a record costs nothing:

    0        8           10                16
    | handler | remaining | operands        |

`handler` is the native function that does the instruction, 0 where nothing has been decoded yet. Decoding goes from an
address up to the next instruction that may change the flow of control. `remaining` counts the instructions up to
and with that one: whoever enters a run of instructions subtracts it from the budget once, and whoever leaves in the
middle gives back the `remaining` of the instruction it did not finish. So counts are exact and cost nothing inside.

Handlers get (root, record, budget) in registers. `pc`, `next_pc` and `count` of the core are not kept in memory while
it runs: they follow from the record's address and the budget.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from softmetal.engines.native.decoder import DecodeTree, extract
from softmetal.engines.native.interpreter import ASTRAY, LEFT, LIMIT, PAUSED, REASON, STUCK, TRAPPED, Interpreter
from softmetal.isa.table import Insn, Isa
from softmetal.lang import ir
from softmetal.lang.chip import Board, method_of
from softmetal.lang.infer import type_range
from softmetal.lang.llvm import Writer, llvm_type
from softmetal.lang.ranges import Range

RECORD = 16
OPERANDS = 10
"""Where in a record the operands begin."""
LONGEST = 60000
"""The most instructions that are decoded in one go; `remaining` has 16 bits."""

NEAR = 1 << 21
"""Relative jumps shorter than this many bytes are not checked: the records are surrounded by as many that are 0."""
GUARD = NEAR << 4

SIGNATURE = "ptr align 4096 %root, ptr align 16 %ip, i64 %budget"
ARGUMENTS = "ptr %root, ptr {ip}, i64 {budget}"


@dataclass(frozen=True)
class Places:
    """Offsets from the start of the state to what the interpreter keeps behind it.

    `code` records, `marks` a byte a 4 KiB page that says whether anything in it is decoded, `run` a work area, `watch` a
    count and the addresses of pages whose stores are watched; `end` the end. `code_bits`: code lies below 2**code_bits.
    """

    code: int
    marks: int
    run: int
    watch: int
    end: int
    code_bits: int
    shift: int

    @staticmethod
    def of(board: Board, isa: Isa) -> Places:
        bits: int = board.cls.CODE_BITS  # type: ignore[attr-defined]
        shift = {8: 4, 16: 3, 32: 2}[isa.parcel]
        code = -(-board.size // (1 << 21)) * (1 << 21) + GUARD
        marks = code + (1 << bits + shift) + GUARD
        run = marks + max(1 << bits - 12, 1 << 12)
        watch = run + 8 * (LONGEST + 8)
        return Places(code, marks, run, watch, watch + 8 * 8192, bits, shift)


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


class Threaded(Interpreter):
    """Writes the interpreter of a table for a board whose class is the core's or derived from it."""

    def __init__(self, isa: Isa, board: Board) -> None:
        super().__init__(isa, board, kept=("pc", "next_pc", "count"))
        self.places = Places.of(board, isa)
        self.handlers: dict[Any, str] = {}

    def text(self) -> str:
        """The whole interpreter."""
        self.unit.parts.append(self._decode_one())
        self.unit.parts += [self._dispatch(), self._exits(), self._decode_run(), self._run()]
        return self.unit.text()

    # -- handlers

    def _layout(self, entry: Insn) -> list[tuple[str, Any, int, int]] | None:
        """(parameter, type, offset in the record, bytes) of the operands; None where they do not fit in."""
        at, found = OPERANDS, []
        free = [(n, k) for n, k in entry.parameters.items() if not isinstance(entry.bound.get(n, n), int)]
        for name, kind in sorted(free, key=lambda p: -p[1].size):
            at = -(-at // kind.size) * kind.size
            found.append((name, kind, at, kind.size))
            at += kind.size
        return found if at <= RECORD else None

    def _is_zero(self, entry: Insn) -> str:
        """The parameter that tells an entry's two variants apart, or ""."""
        zero = self.isa.zero
        return zero if zero in entry.parameters and not isinstance(entry.bound.get(zero, zero), int) else ""

    def handler(self, entry: Insn, zero: bool) -> str:
        """The handler of an entry (of its variant for the register that is always 0)."""
        constants = {n: b for n in entry.parameters if isinstance(b := entry.bound.get(n, n), int)}
        layout = self._layout(entry)
        split = self._is_zero(entry)
        if zero:
            constants[split] = 0
        key = (entry.meaning, tuple(constants.items()), entry.size, layout is None and entry)
        if key not in self.handlers:
            name = self.handlers[key] = f'@"h.{entry.name}.{len(self.handlers)}"'
            self.unit.parts.append(self._handler(name, entry, constants, "" if zero else split))
        return self.handlers[key]

    def _handler(self, name: str, entry: Insn, constants: dict[str, int], split: str) -> str:
        writer = Writer(self.unit)
        operands = self._operands(writer, entry, constants, split)
        return self._body(writer, name, entry.meaning, entry.size, operands)

    def _operands(self, writer: Writer, entry: Insn, constants: dict[str, int], split: str) -> dict[str, str]:
        """Write the loads of the operands; their texts by parameter."""
        operands = {n: str(v) for n, v in constants.items()}
        layout = self._layout(entry)
        if layout is None:  # they did not fit in the record, which holds the code instead
            code = writer.new(f"load i32, ptr {writer.gep('%ip', OPERANDS + 2)}")
            code = writer.new(f"zext i32 {code} to i64")
            by_name = {o.name: o for o in entry.operands}
            for parameter, kind in entry.parameters.items():
                if parameter not in operands:
                    source = entry.bound.get(parameter, parameter)
                    value = code if source == "code" else extract(writer, by_name[str(source)], code)
                    operands[parameter] = writer.resize(value, Range(0, (1 << 64) - 1), type_range(kind).width)
            return operands
        for parameter, kind, offset, size in layout:
            if parameter in operands:
                continue
            lo, hi = kind.lo + (parameter == split), kind.hi + 1
            spread = f", !range !{{i{8 * size} {lo}, i{8 * size} {hi}}}" if kind.bits != 8 * size or parameter == split else ""
            value = writer.new(f"load i{8 * size}, ptr {writer.gep('%ip', offset)}{spread}")
            operands[parameter] = value if kind.bits > 1 else writer.new(f"trunc i8 {value} to i1")
        return operands

    def _prepare(self, writer: Writer, size: int) -> str:
        """Write the kept fields' values at the record `%ip`; the pointer to them."""
        kept = writer.slot("[3 x i64]", "kept")
        pc = self._address_of(writer, "%ip")
        writer.emit(f"store i64 {pc}, ptr {kept}")
        writer.emit(f"store i64 {writer.new(f'add i64 {pc}, {size}')}, ptr {writer.gep(kept, 8)}")
        limit = writer.new(f"load i64, ptr {writer.gep('%root', self.mailbox(LIMIT))}")
        rest = writer.new(f"load i16, ptr {writer.gep('%ip', 8)}")
        rest = writer.new(f"zext i16 {rest} to i64")
        ahead = writer.new(f"add i64 %budget, {rest}")
        writer.emit(f"store i64 {writer.new(f'sub i64 {limit}, {ahead}')}, ptr {writer.gep(kept, 16)}")
        return kept

    def _address_of(self, writer: Writer, record: str) -> str:
        """Write the code address of a record."""
        far = writer.new(f"sub i64 {writer.new(f'ptrtoint ptr {record} to i64')}, {self._base(writer)}")
        return writer.new(f"ashr exact i64 {far}, {self.places.shift}")

    def _record_of(self, writer: Writer, address: str) -> str:
        """Write the record of a code address."""
        far = writer.new(f"shl i64 {address}, {self.places.shift}")
        return writer.new(f"inttoptr i64 {writer.new(f'add i64 {self._base(writer)}, {far}')} to ptr")

    def _base(self, writer: Writer) -> str:
        """Write the place of record 0, as a number (so that sums and differences of places cancel)."""
        return writer.new(f"add i64 {writer.new('ptrtoint ptr %root to i64')}, {self.places.code}")

    def _body(self, writer: Writer, name: str, meaning: Any, size: int, operands: dict[str, str]) -> str:
        function = self.instance(meaning)
        kept = self._prepare(writer, size)
        args = [operands[n] for n, _ in function.params]
        writer.invoke(function, [], args, "trapped", kept)
        if self.flows(function):
            target = writer.new(f"load i64, ptr {writer.gep(kept, 8)}")
            self._enter(writer, target, self.near(function))
        else:
            following = writer.gep("%ip", size << self.places.shift)
            handler = writer.new(f"load ptr, ptr {following}")
            self._tail(writer, handler, following, "%budget")
        if function.traps:
            writer.start("trapped")
            self._tail(writer, "@exit.trap", "%ip", "%budget")
        return "\n".join(
            [f"define internal preserve_nonecc void {name}({SIGNATURE}) nounwind {{", "entry:", *writer.slots, *writer.lines, "}\n"]
        )

    def _enter(self, writer: Writer, target: str, near: bool) -> None:
        """Write the entry into the run of instructions at a code address. Near ones cannot leave the records' guard."""
        if near:
            self._enter_record(writer, target)
            return
        inside = writer.new(f"icmp ult i64 {target}, {1 << self.places.code_bits}")
        writer.branch(self._likely(writer, inside), "inside", "astray")
        writer.start("astray")
        self._tail(writer, "@exit.astray", f"{writer.new(f'inttoptr i64 {target} to ptr')}", "%budget")
        writer.start("inside")
        self._enter_record(writer, target)

    def _enter_record(self, writer: Writer, target: str) -> None:
        record = self._record_of(writer, target)
        handler = writer.new(f"load ptr, ptr {record}")
        missing = writer.new(f"icmp eq ptr {handler}, null")
        rest = writer.new(f"load i16, ptr {writer.gep(record, 8)}")
        after = writer.new(f"sub i64 %budget, {writer.new(f'zext i16 {rest} to i64')}")
        short = writer.new(f"icmp slt i64 {after}, 0")
        stop = writer.new(f"or i1 {missing}, {short}")
        writer.branch(self._unlikely(writer, stop), "stop", "go")
        writer.start("stop")
        self._tail(writer, "@enter.slowly", record, "%budget")
        writer.start("go")
        self._tail(writer, handler, record, after)

    def _likely(self, writer: Writer, test: str) -> str:
        name = self.unit.intrinsic("llvm.expect.i1", "i1", "i1", "i1")
        return writer.new(f"call i1 {name}(i1 {test}, i1 true)")

    def _unlikely(self, writer: Writer, test: str) -> str:
        name = self.unit.intrinsic("llvm.expect.i1", "i1", "i1", "i1")
        return writer.new(f"call i1 {name}(i1 {test}, i1 false)")

    def _tail(self, writer: Writer, callee: str, record: str, budget: str) -> None:
        given = ARGUMENTS.format(ip=record, budget=budget)
        writer.emit(f"musttail call preserve_nonecc void {callee}({given})")
        writer.end("ret void")

    def flows(self, function: ir.Function) -> bool:
        """May a meaning change the flow of control? Then it ends a run."""
        stores = function.stores
        return (0, "next_pc") in stores or any(self.flows(c) for c in function.calls)

    def near(self, function: ir.Function) -> bool:
        """Does every change of flow in a meaning go to `pc` plus a bounded distance?"""
        if any(self.flows(c) for c in function.calls):
            return False
        return all(is_near(s.value) for s in assignments(function.body, "next_pc"))

    # -- decoding

    def _decode_one(self) -> str:
        """`decode.one(root, ip)`: fill a record; its instruction's bytes, negated where it ends a run, 0 on a trap."""
        writer = Writer(self.unit)
        fetch = self.method("fetch")
        address = self._address_of(writer, "%ip")
        kept = writer.slot("[3 x i64]", "kept")

        def parcel(at: int) -> str:
            place = writer.new(f"add i64 {address}, {at}") if at else address
            text, had = writer.invoke(fetch, [], [place], "trap", kept)[0]
            assert had is not None
            return writer.resize(text, had, 64)

        def fill(handler: str, size: int, ends: bool) -> None:
            writer.emit(f"store ptr {handler}, ptr %ip")
            writer.end(f"ret i64 {-size if ends else size}")

        def found(entry: Insn, code: str) -> None:
            function = self.instance(entry.meaning)
            ends = self.flows(function) or not function.returns
            layout = self._layout(entry)
            by_name = {o.name: o for o in entry.operands}
            values: dict[str, str] = {}
            if layout is None:
                short = writer.new(f"trunc i64 {code} to i32")
                writer.emit(f"store i32 {short}, ptr {writer.gep('%ip', OPERANDS + 2)}")
            for parameter, _, offset, size in layout or []:
                source = str(entry.bound.get(parameter, parameter))
                value = values[parameter] = code if source == "code" else extract(writer, by_name[source], code)
                cut = value if size == 8 else writer.new(f"trunc i64 {value} to i{8 * size}")
                writer.emit(f"store i{8 * size} {cut}, ptr {writer.gep('%ip', offset)}")
            split = self._is_zero(entry)
            if not split:
                fill(self.handler(entry, False), entry.size, ends)
                return
            value = values.get(split) or extract(writer, by_name[str(entry.bound.get(split, split))], code)
            test = writer.new(f"icmp eq i64 {value}, 0")
            none, some = writer.label("zero"), writer.label("nonzero")
            writer.branch(test, none, some)
            writer.start(none)
            fill(self.handler(entry, True), entry.size, ends)
            writer.start(some)
            fill(self.handler(entry, False), entry.size, ends)

        def unknown(size: int, code: str) -> None:
            short = writer.new(f"trunc i64 {code} to i32")
            writer.emit(f"store i32 {short}, ptr {writer.gep('%ip', 12)}")
            fill(self._illegal(size), size, True)

        DecodeTree(writer, self.isa, parcel, found, unknown, lambda e: e.size).write()
        if fetch.traps:
            writer.start("trap")
            writer.end("ret i64 0")
        return "\n".join(
            ["define internal i64 @decode.one(ptr align 4096 %root, ptr align 16 %ip) nounwind noinline {", "entry:", *writer.slots, *writer.lines, "}\n"]
        )

    def _illegal(self, size: int) -> str:
        name = self.handlers.get(("illegal", size))
        if name is None:
            name = self.handlers["illegal", size] = f'@"h.illegal.{size}"'
            writer = Writer(self.unit)
            code = writer.new(f"load i32, ptr {writer.gep('%ip', 12)}")
            function = self.instance(self.isa.illegal)
            parameter, kind = function.params[0]
            code = code if kind.bits == 32 else writer.new(f"trunc i32 {code} to {llvm_type(kind)}")
            self.unit.parts.append(self._body(writer, name, self.isa.illegal, size, {parameter: code}))
        return name

    def _decode_run(self) -> str:
        """`decode.run(root, ip)`: decode from a record to the end of its run. 0: done; 1: trap; 2: too long."""
        places = self.places
        writer = Writer(self.unit)
        address = self._address_of(writer, "%at")
        page = writer.new(f"lshr i64 {address}, 12")
        watched = "false"
        if method_of(self.board.cls, "watch"):
            watched = writer.invoke(self.method("watch"), [], [address])[0][0]
        code = "\n".join(writer.lines)
        return f"""
define internal i64 @decode.run(ptr %root, ptr %ip) nounwind noinline cold {{
entry:
  %kept = alloca [3 x i64]
  %work = getelementptr i8, ptr %root, i64 {places.run}
  %list = getelementptr i8, ptr %root, i64 {places.watch}
  br label %next
next:
  %at = phi ptr [ %ip, %entry ], [ %after, %more ]
  %n = phi i64 [ 0, %entry ], [ %n1, %more ]
  %full = icmp eq i64 %n, {LONGEST}
  br i1 %full, label %long, label %look
look:
  %known = load ptr, ptr %at
  %fresh = icmp eq ptr %known, null
  br i1 %fresh, label %decode, label %meet
meet:
  %restat = getelementptr i8, ptr %at, i64 8
  %rest16 = load i16, ptr %restat
  %rest = zext i16 %rest16 to i64
  %sum = add i64 %rest, %n
  %over = icmp ugt i64 %sum, {LONGEST}
  br i1 %over, label %long, label %count
decode:
  %size = call i64 @decode.one(ptr %root, ptr %at)
  %trapped = icmp eq i64 %size, 0
  br i1 %trapped, label %unfetched, label %got
got:
{code}
  %mark = getelementptr i8, ptr %root, i64 {places.marks}
  %markat = getelementptr i8, ptr %mark, i64 {page}
  store i8 1, ptr %markat
  br i1 {watched}, label %note, label %noted
note:
  %many = load i64, ptr %list
  %many1 = add i64 %many, 1
  %room = icmp ult i64 %many1, 8192
  %entry1 = select i1 %room, i64 %many1, i64 8191
  store i64 %entry1, ptr %list
  %where = getelementptr i64, ptr %list, i64 %entry1
  store i64 {page}, ptr %where
  br label %noted
noted:
  %slot = getelementptr ptr, ptr %work, i64 %n
  store ptr %at, ptr %slot
  %n1 = add i64 %n, 1
  %ends = icmp slt i64 %size, 0
  br i1 %ends, label %last, label %more
more:
  %bytes = shl i64 %size, {places.shift}
  %after = getelementptr i8, ptr %at, i64 %bytes
  br label %next
unfetched:
  %none = icmp eq i64 %n, 0
  br i1 %none, label %fault, label %wall
wall:
  ; the run goes on where nothing can be fetched: what stands there is found out when it is reached
  store ptr @h.wall, ptr %at
  %wslot = getelementptr ptr, ptr %work, i64 %n
  store ptr %at, ptr %wslot
  %nw = add i64 %n, 1
  br label %last
fault:
  ret i64 1
long:
  store ptr @h.stuck, ptr %at
  %lslot = getelementptr ptr, ptr %work, i64 %n
  store ptr %at, ptr %lslot
  %nl = add i64 %n, 1
  br label %last
last:
  %nn = phi i64 [ %n1, %noted ], [ %nw, %wall ], [ %nl, %long ]
  br label %count
count:
  %base = phi i64 [ 0, %last ], [ %rest, %meet ]
  %total = phi i64 [ %nn, %last ], [ %n, %meet ]
  br label %each
each:
  %i = phi i64 [ 0, %count ], [ %i1, %set ]
  %done = icmp eq i64 %i, %total
  br i1 %done, label %finish, label %set
set:
  %eslot = getelementptr ptr, ptr %work, i64 %i
  %rec = load ptr, ptr %eslot
  %left0 = sub i64 %total, %i
  %left = add i64 %left0, %base
  %left16 = trunc i64 %left to i16
  %recrest = getelementptr i8, ptr %rec, i64 8
  store i16 %left16, ptr %recrest
  %i1 = add i64 %i, 1
  br label %each
finish:
  ret i64 0
}}
"""

    # -- the frame

    def _dispatch(self) -> str:
        return f"""
define internal preserve_nonecc void @enter.slowly({SIGNATURE}) nounwind noinline cold {{
entry:
  %handler = load ptr, ptr %ip
  %missing = icmp eq ptr %handler, null
  br i1 %missing, label %decode, label %charge
decode:
  %some = icmp sgt i64 %budget, 0
  br i1 %some, label %really, label %pause
really:
  %failed = call i64 @decode.run(ptr %root, ptr %ip)
  %trap = icmp ne i64 %failed, 0
  br i1 %trap, label %fault, label %charge
fault:
  musttail call preserve_nonecc void @exit.fetch({ARGUMENTS.format(ip="%ip", budget="%budget")})
  ret void
charge:
  %restat = getelementptr i8, ptr %ip, i64 8
  %rest16 = load i16, ptr %restat
  %rest = zext i16 %rest16 to i64
  %after = sub i64 %budget, %rest
  %short = icmp slt i64 %after, 0
  br i1 %short, label %pause, label %go
pause:
  musttail call preserve_nonecc void @exit.pause({ARGUMENTS.format(ip="%ip", budget="%budget")})
  ret void
go:
  %now = load ptr, ptr %ip
  musttail call preserve_nonecc void %now({ARGUMENTS.format(ip="%ip", budget="%after")})
  ret void
}}
"""

    def _exit(self, name: str, reason: int, refund: bool, astray: bool = False) -> str:
        """An end of the interpreter: the address and what is left of the budget come to rest."""
        writer = Writer(self.unit)
        left = "%budget"
        if refund:
            rest = writer.new(f"load i16, ptr {writer.gep('%ip', 8)}")
            left = writer.new(f"add i64 %budget, {writer.new(f'zext i16 {rest} to i64')}")
        pc = writer.new("ptrtoint ptr %ip to i64") if astray else self._address_of(writer, "%ip")
        writer.emit(f"store i64 {pc}, ptr {writer.gep('%root', self.fields['pc'].offset)}")
        writer.emit(f"store i64 {left}, ptr {writer.gep('%root', self.mailbox(LEFT))}")
        writer.emit(f"store i64 {reason}, ptr {writer.gep('%root', self.mailbox(REASON))}")
        writer.end("ret void")
        head = f"define internal preserve_nonecc void {name}({SIGNATURE}) nounwind noinline {{"
        return "\n".join([head, *writer.lines, "}\n"])

    def _exits(self) -> str:
        return "\n".join(
            [
                self._exit("@exit.pause", PAUSED, False),
                self._exit("@exit.fetch", TRAPPED, False),
                self._exit("@exit.trap", TRAPPED, True),
                self._exit("@exit.astray", ASTRAY, False, astray=True),
                self._exit("@h.stop", PAUSED, True),
                self._exit("@h.stuck", STUCK, True),
                self._exit("@h.wall", STUCK, True),
            ]
        )

    def _run(self) -> str:
        """`run(root, budget)`: go on from the core's `pc` until the budget is used or something happens."""
        writer = Writer(self.unit)
        pc = writer.new(f"load i64, ptr {writer.gep('%root', self.fields['pc'].offset)}")
        count = writer.new(f"load i64, ptr {writer.gep('%root', self.fields['count'].offset)}")
        limit = writer.new(f"add i64 {count}, %budget")
        writer.emit(f"store i64 {limit}, ptr {writer.gep('%root', self.mailbox(LIMIT))}")
        record = self._record_of(writer, pc)
        writer.emit(f"call preserve_nonecc void @enter.slowly({ARGUMENTS.format(ip=record, budget='%budget')})")
        reason_at = writer.gep("%root", self.mailbox(REASON))
        reason = writer.new(f"load i64, ptr {reason_at}")
        left = writer.new(f"load i64, ptr {writer.gep('%root', self.mailbox(LEFT))}")
        paused = writer.new(f"icmp eq i64 {reason}, {PAUSED}")
        some = writer.new(f"icmp sgt i64 {left}, 0")
        writer.branch(writer.new(f"and i1 {paused}, {some}"), "exact", "done")
        # The next run is longer than what is left: go there, with a stop put in its way for as long as it takes.
        writer.start("exact")
        pc2 = writer.new(f"load i64, ptr {writer.gep('%root', self.fields['pc'].offset)}")
        start = self._record_of(writer, pc2)
        writer.emit("br label %walk")
        writer.lines.append("walk:")
        lines = f"""  %at = phi ptr [ {start}, %exact ], [ %after, %walk ]
  %k = phi i64 [ {left}, %exact ], [ %k1, %walk ]
  %size = call i64 @decode.one(ptr %root, ptr %at)
  %bytes = shl i64 %size, {self.places.shift}
  %after = getelementptr i8, ptr %at, i64 %bytes
  %k1 = sub i64 %k, 1
  %last = icmp eq i64 %k1, 0
  br i1 %last, label %place, label %walk
place:
  %saved = load ptr, ptr %after
  store ptr @h.stop, ptr %after
  %restat = getelementptr i8, ptr {start}, i64 8
  %rest16 = load i16, ptr %restat
  %rest = zext i16 %rest16 to i64
  %less = sub i64 {left}, %rest
  %first = load ptr, ptr {start}
  call preserve_nonecc void %first({ARGUMENTS.format(ip=start, budget="%less")})
  store ptr %saved, ptr %after
  br label %done
done:
  %why = load i64, ptr {reason_at}
  ret i64 %why"""
        text = "\n".join([*writer.lines, lines])
        return f"define i64 @run(ptr %root, i64 %budget) nounwind {{\nentry:\n{text}\n}}\n"
