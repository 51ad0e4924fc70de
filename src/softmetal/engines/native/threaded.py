"""The threaded interpreter, as LLVM IR: one function an instruction, each ending in a tail call of the next.

Every code address has a *record* of 16 bytes, at a fixed place for its address, so finding a record costs nothing:

    0        8           10                16
    | handler | remaining | operands        |

`handler` is the native function that does the instruction, 0 where nothing has been decoded yet. Decoding goes from an
address up to the next instruction that may change the flow of control. `remaining` counts the instructions up to
and with that one: code that enters a run of instructions subtracts it from the budget once, and code that leaves in the
middle gives back the `remaining` of the instruction it did not finish. So counts are exact and cost nothing inside.

Handlers get (root, record, budget) in registers. `pc`, `next_pc` and `count` of the core are not kept in memory while
it runs: they follow from the record's address and the budget.
"""

from __future__ import annotations

from softmetal.engines.native.decoder import DecodeTree, extract
from softmetal.engines.native.frame import (
    ASTRAY,
    LEFT,
    LIMIT,
    LONGEST,
    NUMBER,
    OPERANDS,
    PAUSED,
    REASON,
    STUCK,
    TRANSLATIONS,
    TRAPPED,
    WALL,
    WATCHES,
)
from softmetal.engines.native.handlers import ARGUMENTS, SIGNATURE, Fusion, Handler, Handlers
from softmetal.isa.table import Insn
from softmetal.lang import ir
from softmetal.lang.llvm import Writer, emit


class Threaded(Handlers):
    """Writes the interpreter of a table for a board whose class is the core's or derived from it."""

    def text(self) -> str:
        self.unit.parts.append(self._decode_one())
        self.unit.parts.append(self._fuse(self.fusions()))
        self.unit.parts += [self._dispatch(), self._exits(), self._note(), self._decode_run(), self._run()]
        return emit(self.unit)

    # -- decoding

    def _decode_one(self) -> str:
        """`decode.one(root, ip, across)`: fill a record; its instruction's bytes, negated where it ends a run, 0 on a trap."""
        writer = Writer(self.unit)
        kept = writer.slot("[4 x i64]", "kept")
        number = writer.gep("%root", self.mailbox(NUMBER))

        def fill(handler: Handler, size: int, ends: bool) -> None:
            writer.emit(f"store ptr {handler.name}, ptr %ip")
            writer.emit(f"store i64 {handler.number}, ptr {number}")
            writer.end(f"ret i64 {-size if ends else size}")

        def found(entry: Insn, code: str) -> None:
            function = self.instance(entry.meaning)
            ends = self.flows(function) or not function.returns
            layout = self.layout(entry)
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
            split = self.split(entry)

            def choose(far: bool) -> None:
                if not split:
                    fill(self.handler(entry, False, far), entry.size, ends)
                    return
                value = values.get(split) or extract(writer, by_name[str(entry.bound.get(split, split))], code)
                test = writer.new(f"icmp eq i64 {value}, 0")
                none, some = writer.label("zero"), writer.label("nonzero")
                writer.branch(test, none, some)
                writer.start(none)
                fill(self.handler(entry, True, far), entry.size, ends)
                writer.start(some)
                fill(self.handler(entry, False, far), entry.size, ends)

            close = self.close(writer, function, entry, values)
            if close:
                near, far = writer.label("near"), writer.label("far")
                writer.branch(close, near, far)
                writer.start(far)
                choose(True)
                writer.start(near)
            choose(False)

        def unknown(size: int, code: str) -> None:
            short = writer.new(f"trunc i64 {code} to i32")
            writer.emit(f"store i32 {short}, ptr {writer.gep('%ip', 12)}")
            fill(self.illegal(size), size, True)

        DecodeTree(writer, self.isa, lambda at: self.parcel(writer, at, kept), found, unknown).write()
        if self.method("fetch").traps:
            writer.start("trap")
            writer.end("ret i64 0")
        head = "define internal i64 @decode.one(ptr align 4096 %root, ptr align 16 %ip, i1 %across) nounwind noinline {"
        return "\n".join([head, "entry:", *writer.slots, *writer.lines, "}\n"])

    def parcel(self, writer: Writer, at: int, kept: str) -> str:
        """Write the fetch of a parcel of the instruction to be decoded, as an i64; on a trap it goes to block `trap`."""
        address = self.address_of(writer, "%ip")
        place = writer.new(f"add i64 {address}, {at}") if at else address
        fetch = self.method("fetch")
        text, had = writer.invoke(fetch, [], [writer.cut(place, 64, fetch.params[0][1])], "trap", kept)[0]
        assert had is not None
        return writer.resize(text, had, 64)

    def close(self, writer: Writer, function: ir.Function, entry: Insn, values: dict[str, str]) -> str:
        """Write a test: will its changes of flow stay among records that can be reached directly? "" if that is known."""
        return ""

    def _fuse(self, fusions: list[Fusion]) -> str:
        """`fuse(list, left)`: the handler for the sequence that begins a work list of `left` entries, or null."""
        writer = Writer(self.unit)

        def number(i: int) -> str:
            return writer.new(f"load i64, ptr {writer.gep('%list', 16 * i + 8)}")

        def operand(fusion: Fusion, i: int, name: str) -> str:
            record = writer.new(f"load ptr, ptr {writer.gep('%list', 16 * i)}")
            offset = next(o for n, _, o, _ in self.layout(fusion.entries[i]) or [] if n == name)
            return writer.new(f"load i8, ptr {writer.gep(record, offset)}")

        def candidates(these: list[Fusion], depth: int) -> None:
            if not these:
                writer.end("ret ptr null")
                return
            if depth < 2:
                groups: dict[int, list[Fusion]] = {}
                for fusion in these:
                    groups.setdefault(fusion.numbers[depth], []).append(fusion)
                many = writer.new(f"icmp ugt i64 %left, {depth}")
                enough, none = writer.label("enough"), writer.label("none")
                writer.branch(many, enough, none)
                writer.start(enough)
                labels = {n: writer.label("number") for n in groups}
                arms = " ".join(f"i64 {n}, label %{label}" for n, label in labels.items())
                writer.end(f"switch i64 {number(depth)}, label %{none} [{arms}]")
                for n, label in labels.items():
                    writer.start(label)
                    candidates(groups[n], depth + 1)
                writer.start(none)
                writer.end("ret ptr null")
                return
            for fusion in these:
                yes, no = writer.label("yes"), writer.label("no")
                tests = [writer.new(f"icmp uge i64 %left, {len(fusion.numbers)}")]
                safe = writer.label("safe")
                writer.branch(tests[0], safe, no)
                writer.start(safe)
                tests = ["true"]
                tests += [writer.new(f"icmp eq i64 {number(i)}, {n}") for i, n in enumerate(fusion.numbers) if i > 1]
                for i, links in enumerate(fusion.links):
                    for link in links:
                        a, b = operand(fusion, i - 1, self.isa.destination), operand(fusion, i, link)
                        tests.append(writer.new(f"icmp eq i8 {a}, {b}"))
                test = tests[0]
                for other in tests[1:]:
                    test = writer.new(f"and i1 {test}, {other}")
                writer.branch(test, yes, no)
                writer.start(yes)
                writer.end(f"ret ptr {fusion.name}")
                writer.start(no)
            writer.end("ret ptr null")

        candidates(fusions, 0)
        head = "define internal ptr @fuse(ptr %list, i64 %left) nounwind noinline {"
        return "\n".join([head, "entry:", *writer.lines, "}\n"])

    def _note(self) -> str:
        """`note(root, address)`: code at an address has been decoded. Mark its page, and watch it for stores."""
        places = self.places
        writer = Writer(self.unit)
        page = writer.new("lshr i64 %address, 12")
        marks = writer.gep("%root", places.marks)
        writer.emit(f"store i8 1, ptr {writer.new(f'getelementptr i8, ptr {marks}, i64 {page}')}")
        watch = self.method("watch")
        watched = writer.invoke(watch, [], [writer.cut("%address", 64, watch.params[0][1])])[0][0]
        writer.branch(watched, "listed", "done")
        writer.start("listed")
        pages = writer.gep("%root", places.watch)
        many = writer.new(f"add i64 {writer.new(f'load i64, ptr {pages}')}, 1")
        writer.emit(f"store i64 {many}, ptr {pages}")  # it goes on counting when the list is full
        writer.branch(writer.new(f"icmp ult i64 {many}, {WATCHES}"), "room", "done")
        writer.start("room")
        writer.emit(f"store i64 {page}, ptr {writer.new(f'getelementptr i64, ptr {pages}, i64 {many}')}")
        writer.jump("done")
        writer.start("done")
        writer.end("ret void")
        head = "define internal void @note(ptr align 4096 %root, i64 %address) nounwind noinline {"
        return "\n".join([head, "entry:", *writer.slots, *writer.lines, "}\n"])

    def _decode_run(self) -> str:
        """`decode.run(root, ip)`: decode from a record to the end of its run. 0: done; 1: trap; 2: no record there."""
        places = self.places
        writer = Writer(self.unit)
        address = self.address_of(writer, "%at")
        code = "\n".join(writer.lines)
        return f"""
define internal i64 @decode.run(ptr %root, ptr %ip) nounwind noinline cold {{
entry:
  %work = getelementptr i8, ptr %root, i64 {places.run}
  %numberat = getelementptr i8, ptr %root, i64 {self.mailbox(NUMBER)}
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
{code}
  %inside = icmp ult i64 {address}, {1 << places.code_bits}
  br i1 %inside, label %read, label %outside
outside:
  %alone = icmp eq i64 %n, 0
  br i1 %alone, label %astray, label %wall
astray:
  ret i64 2
read:
  %size = call i64 @decode.one(ptr %root, ptr %at, i1 true)
  %trapped = icmp eq i64 %size, 0
  br i1 %trapped, label %unfetched, label %got
got:
  call void @note(ptr %root, i64 {address})
  ; an instruction may lie in two pages
  %length = call i64 @llvm.abs.i64(i64 %size, i1 true)
  %behindit = add i64 {address}, %length
  %end = sub i64 %behindit, 1
  %apart = xor i64 {address}, %end
  %two = icmp ugt i64 %apart, 4095
  br i1 %two, label %second, label %noted
second:
  call void @note(ptr %root, i64 %end)
  br label %noted
noted:
  %slot = getelementptr {{ptr, i64}}, ptr %work, i64 %n
  store ptr %at, ptr %slot
  %number = load i64, ptr %numberat
  %slotnumber = getelementptr i8, ptr %slot, i64 8
  store i64 %number, ptr %slotnumber
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
  %wslot = getelementptr {{ptr, i64}}, ptr %work, i64 %n
  store ptr %at, ptr %wslot
  %wslotnumber = getelementptr i8, ptr %wslot, i64 8
  store i64 0, ptr %wslotnumber
  %nw = add i64 %n, 1
  br label %last
fault:
  ret i64 1
long:
  ; what stands here may be part of another run, whose counts must stay right: so this one ends at its own last record
  %before = sub i64 %n, 1
  %lslot = getelementptr {{ptr, i64}}, ptr %work, i64 %before
  %lrec = load ptr, ptr %lslot
  store ptr @h.stuck, ptr %lrec
  %lslotnumber = getelementptr i8, ptr %lslot, i64 8
  store i64 0, ptr %lslotnumber
  br label %last
last:
  %nn = phi i64 [ %n1, %noted ], [ %nw, %wall ], [ %n, %long ]
  br label %count
count:
  %base = phi i64 [ 0, %last ], [ %rest, %meet ]
  %total = phi i64 [ %nn, %last ], [ %n, %meet ]
{self.finish_run()}
}}
"""

    def finish_run(self, end: str = "ret i64 0") -> str:
        """The end of `decode.run`: count `total` records of the work list (and `base` behind them), and fuse what can be."""
        return f"""  br label %each
each:
  %i = phi i64 [ 0, %count ], [ %i1, %set ], [ %i1, %join ]
  %done = icmp eq i64 %i, %total
  br i1 %done, label %finish, label %set
set:
  %eslot = getelementptr {{ptr, i64}}, ptr %work, i64 %i
  %rec = load ptr, ptr %eslot
  %left0 = sub i64 %total, %i
  %left = add i64 %left0, %base
  %left16 = trunc i64 %left to i16
  %recrest = getelementptr i8, ptr %rec, i64 8
  store i16 %left16, ptr %recrest
  %i1 = add i64 %i, 1
  %behind = sub i64 %total, %i
  %fused = call ptr @fuse(ptr %eslot, i64 %behind)
  %fuses = icmp ne ptr %fused, null
  br i1 %fuses, label %join, label %each
join:
  store ptr %fused, ptr %rec
  br label %each
finish:
  %decodedat = getelementptr i8, ptr %root, i64 {self.mailbox(TRANSLATIONS)}
  %decoded = load i64, ptr %decodedat
  %decoded1 = add i64 %decoded, 1
  store i64 %decoded1, ptr %decodedat
  {end}"""

    # -- the frame

    def _dispatch(self) -> str:
        return f"""
define internal preserve_nonecc void @enter.slowly({SIGNATURE}) nounwind noinline cold {{
entry:
  %handler = load ptr, ptr %ip
{self.missing()}
  br i1 %missing, label %decode, label %charge
decode:
  %some = icmp sgt i64 %budget, 0
  br i1 %some, label %really, label %pause
really:
{self.decoding()}
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

    def missing(self) -> str:
        """Lines that find from `%handler` whether a record has to be decoded: `%missing`."""
        return "  %missing = icmp eq ptr %handler, null"

    def decoding(self) -> str:
        """Lines that decode the run at `%ip`, and go on at `charge`."""
        return f"""  %failed = call i64 @decode.run(ptr %root, ptr %ip)
  switch i64 %failed, label %fault [ i64 0, label %charge  i64 2, label %outside ]
outside:
  musttail call preserve_nonecc void @exit.outside({ARGUMENTS.format(ip="%ip", budget="%budget")})
  ret void
fault:
  musttail call preserve_nonecc void @exit.fetch({ARGUMENTS.format(ip="%ip", budget="%budget")})
  ret void"""

    def _exit(self, name: str, reason: int, refund: bool, astray: bool = False) -> str:
        """An end of the interpreter: the address and what is left of the budget come to rest.

        With `astray` there is no record, and `pc` holds the address already.
        """
        writer = Writer(self.unit)
        left = "%budget"
        if refund:
            rest = writer.new(f"load i16, ptr {writer.gep('%ip', 8)}")
            left = writer.new(f"add i64 %budget, {writer.new(f'zext i16 {rest} to i64')}")
        if not astray:
            self.store(writer, "pc", self.address_of(writer, "%ip"))
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
                self._exit("@h.wall", WALL, True),
                self._exit("@exit.outside", ASTRAY, False),
            ]
        )

    def _run(self) -> str:
        """`run(root, budget)`: go on from the core's `pc` until the budget is used or something happens."""
        writer = Writer(self.unit)
        count_at = writer.gep("%root", self.fields["count"].offset)
        left_at, reason_at = (writer.gep("%root", self.mailbox(word)) for word in (LEFT, REASON))
        pc = self.load(writer, "pc")
        count = writer.new(f"load i64, ptr {count_at}")
        limit = writer.new(f"add i64 {count}, %budget")
        writer.emit(f"store i64 {limit}, ptr {writer.gep('%root', self.mailbox(LIMIT))}")
        # Only whole parcels below the end have records.
        beyond = writer.new(f"lshr i64 {pc}, {self.places.code_bits}")
        inside = writer.new(f"and i64 {pc}, {self.isa.parcel // 8 - 1}")
        wrong = writer.new(f"or i64 {beyond}, {inside}")
        writer.branch(writer.new(f"icmp eq i64 {wrong}, 0"), "start", "astray")
        writer.start("astray")
        writer.emit(f"store i64 %budget, ptr {left_at}")
        writer.end(f"ret i64 {ASTRAY}")
        writer.start("start")
        record = self.record_of(writer, pc)
        writer.emit(f"call preserve_nonecc void @enter.slowly({ARGUMENTS.format(ip=record, budget='%budget')})")
        reason = writer.new(f"load i64, ptr {reason_at}")
        left = writer.new(f"load i64, ptr {left_at}")
        paused = writer.new(f"icmp eq i64 {reason}, {PAUSED}")
        some = writer.new(f"icmp sgt i64 {left}, 0")
        writer.branch(writer.new(f"and i1 {paused}, {some}"), "exact", "done")
        # The next run is longer than what is left: go there, with a stop put in its way for as long as it takes.
        writer.start("exact")
        start = self.record_of(writer, self.load(writer, "pc"))
        writer.emit(f"%work = getelementptr i8, ptr %root, i64 {self.places.run}")
        writer.emit("br label %walk")
        writer.lines.append("walk:")
        lines = f"""  %at = phi ptr [ {start}, %exact ], [ %after, %walk ]
  %k = phi i64 [ {left}, %exact ], [ %k1, %walk ]
  %kept = load ptr, ptr %at
  %keep = getelementptr {{ptr, ptr}}, ptr %work, i64 %k
  %keeprec = getelementptr i8, ptr %keep, i64 8
  store ptr %kept, ptr %keep
  store ptr %at, ptr %keeprec
  %size = call i64 @decode.one(ptr %root, ptr %at, i1 true)
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
  br label %back
back:
  %j = phi i64 [ {left}, %place ], [ %j1, %back ]
  %old = getelementptr {{ptr, ptr}}, ptr %work, i64 %j
  %oldrecat = getelementptr i8, ptr %old, i64 8
  %oldhandler = load ptr, ptr %old
  %oldrec = load ptr, ptr %oldrecat
  store ptr %oldhandler, ptr %oldrec
  %j1 = sub i64 %j, 1
  %all = icmp eq i64 %j1, 0
  br i1 %all, label %done, label %back
done:
  %rested = load i64, ptr {left_at}
  %count = sub i64 {limit}, %rested
  store i64 %count, ptr {count_at}"""
        writer.lines.append(lines)
        writer.done = False
        self.store(writer, "next_pc", self.load(writer, "pc"))
        writer.end(f"ret i64 {writer.new(f'load i64, ptr {reason_at}')}")
        text = "\n".join(writer.lines)
        return f"define i64 @run(ptr %root, i64 %budget) nounwind {{\nentry:\n{text}\n}}\n"
