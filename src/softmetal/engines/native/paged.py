"""The threaded interpreter for cores that translate addresses: the records belong to frames of memory, not to addresses.

So code is decoded once, wherever it is mapped, and a change of translations costs nothing. Inside a page the interpreter
follows records as the flat one does. The word HERE of the mailbox ties a page's records to its addresses:

    record = 8 * pc + HERE

Whatever may leave the page (a far jump, the record behind the last one of a page) asks the core's `located` for the frame.
Four things an instruction cannot do in a hurry, and the loop in `run` does for it, one instruction at a time: what raises
`Deferred`; what raises `CodeWrite`; to lie in two pages (EDGE); and to lie in a page that protection cuts (`Pieced`).
Between instructions `prepare` of the core looks after time, interrupts and whose turn it is, and `take` enters the handlers
of traps.
"""

from __future__ import annotations

from typing import Any

from softmetal.engines.native.frame import (
    BROKEN,
    EDGE,
    FRAME_SHIFT,
    HERE,
    LEFT,
    LIMIT,
    NUMBER,
    PAUSED,
    REASON,
    STUCK,
    TARGET,
    TRAPPED,
    PagedPlaces,
)
from softmetal.engines.native.handlers import ARGUMENTS, SIGNATURE, assignments
from softmetal.engines.native.threaded import Threaded
from softmetal.isa.decoding import ByFrame
from softmetal.isa.frames import CHANGED
from softmetal.isa.table import Insn
from softmetal.lang import ir
from softmetal.lang.chip import layout_of
from softmetal.lang.llvm import Writer, emit

PAGE = 4096


class Paged(Threaded):
    """Writes the interpreter of a table for a board with translation of addresses."""

    places: Any

    def placed(self) -> Any:
        return PagedPlaces.of(self.board, self.isa)

    def text(self) -> str:
        self.unit.parts.append(self._decode_one())
        self.unit.parts.append(self._fuse(self.fusions()))
        self.unit.parts += [self._dispatch(), self._exits(), self._ends(), self._decode_run(), self._far()]
        self.unit.parts += [self._exactly(), self._drop(), self._run()]
        self.unit.parts += [self.host_entry(name) for name in self.board.cls.ENTRIES]  # type: ignore[attr-defined]
        return emit(self.unit)

    # -- addresses and records

    def here(self, writer: Writer) -> str:
        return writer.new(f"load i64, ptr {writer.gep('%root', self.mailbox(HERE))}")

    def address_of(self, writer: Writer, record: str) -> str:
        far = writer.new(f"sub i64 {writer.new(f'ptrtoint ptr {record} to i64')}, {self.here(writer)}")
        return writer.new(f"ashr exact i64 {far}, 3")

    def record_of(self, writer: Writer, address: str) -> str:
        eight = writer.new(f"shl i64 {address}, 3")
        return writer.new(f"inttoptr i64 {writer.new(f'add i64 {eight}, {self.here(writer)}')} to ptr")

    def place_of(self, writer: Writer, record: str) -> tuple[str, str]:
        """Write the frame of a record, and the offset in it."""
        far = writer.new(f"sub i64 {writer.new(f'ptrtoint ptr {record} to i64')}, {self._base(writer)}")
        frame = writer.new(f"lshr i64 {far}, {FRAME_SHIFT}")
        return frame, writer.new(f"lshr i64 {writer.new(f'and i64 {far}, {(1 << FRAME_SHIFT) - 1}')}, 3")

    def enter_frame(self, writer: Writer, frame: str, address: str) -> str:
        """Write the change to a page in a frame; the record of an address there."""
        offset = writer.new(f"and i64 {address}, {PAGE - 2}")
        start = writer.new(f"add i64 {self._base(writer)}, {writer.new(f'shl i64 {frame}, {FRAME_SHIFT}')}")
        record = writer.new(f"add i64 {start}, {writer.new(f'shl i64 {offset}, 3')}")
        here = writer.new(f"sub i64 {record}, {writer.new(f'shl i64 {address}, 3')}")
        writer.emit(f"store i64 {here}, ptr {writer.gep('%root', self.mailbox(HERE))}")
        return writer.new(f"inttoptr i64 {record} to ptr")

    def _enter(self, writer: Writer, target: str) -> None:
        pause, some, hit, miss = (writer.label(n) for n in ("pause", "some", "hit", "miss"))
        none = writer.new("icmp eq i64 %budget, 0")
        writer.branch(self._unlikely(writer, none), pause, some)
        writer.start(pause)
        writer.emit(f"store i64 {target}, ptr {writer.gep('%root', self.fields['pc'].offset)}")
        self.tail(writer, "@exit.there", "%root", "%budget")
        writer.start(some)
        frame, had = writer.invoke(self.method("located"), [], [target])[0]
        assert had is not None
        frame = writer.resize(frame, had, 64)
        lost = writer.new(f"icmp eq i64 {frame}, {0xFFFFFFFF}")
        writer.branch(self._unlikely(writer, lost), miss, hit)
        writer.start(miss)
        writer.emit(f"store i64 {target}, ptr {writer.gep('%root', self.mailbox(TARGET))}")
        self.tail(writer, "@enter.far", "%root", "%budget")
        writer.start(hit)
        self._enter_record(writer, self.enter_frame(writer, frame, target))

    # -- decoding

    def parcel(self, writer: Writer, at: int, kept: str) -> str:
        frame, offset = self.place_of(writer, "%ip")
        if at:
            inside, across, edge, done = (writer.label(n) for n in ("inside", "across", "edge", "done"))
            ask = writer.label("ask")
            two = writer.new(f"icmp eq i64 {offset}, {PAGE - 2}")
            writer.branch(two, ask, inside)
            writer.start(ask)
            writer.branch("%across", across, edge)
            writer.start(edge)
            writer.emit("store ptr @h.edge, ptr %ip")
            writer.emit(f"store i64 0, ptr {writer.gep('%root', self.mailbox(NUMBER))}")
            writer.end("ret i64 -4")
            writer.start(across)
            address = writer.new(f"add i64 {self.address_of(writer, '%ip')}, {at}")
            text, had = writer.invoke(self.method("fetch"), [], [address], "trap", kept)[0]
            assert had is not None
            first, came = writer.resize(text, had, 64), writer.block_name
            writer.jump(done)
            writer.start(inside)
        place = writer.new(f"or i64 {writer.new(f'shl i64 {frame}, 12')}, {offset}")
        place = writer.new(f"add i64 {place}, {at}") if at else place
        text, had = writer.invoke(self.method("code_parcel"), [], [place])[0]
        assert had is not None
        value = writer.resize(text, had, 64)
        if not at:
            return value
        here = writer.block_name
        writer.jump(done)
        writer.start(done)
        return writer.new(f"phi i64 [ {first}, %{came} ], [ {value}, %{here} ]")

    def close(self, writer: Writer, function: ir.Function, entry: Insn, values: dict[str, str]) -> str:
        if not (self.flows(function) and self.near(function, entry)):
            return ""
        name = assignments(function.body, "next_pc")[0].value.a.b.name  # type: ignore[attr-defined]
        bound = entry.bound.get(name, name)
        distance = str(bound) if isinstance(bound, int) else values[name]
        _, offset = self.place_of(writer, "%ip")
        return writer.new(f"icmp ult i64 {writer.new(f'add i64 {offset}, {distance}')}, {PAGE}")

    def _decode_run(self) -> str:
        """`decode.run(root, ip)`: decode from a record to the end of its run, which does not leave the page."""
        writer = Writer(self.unit)
        _, offset = self.place_of(writer, "%at")
        code = "\n".join(writer.lines)
        writer.lines.clear()
        offsets = self._inside(writer, "debug", "offsets")  # a bit for each parcel of a page
        word = writer.new(f"getelementptr i64, ptr {offsets}, i64 {writer.new(f'lshr i64 {offset}, 7')}")
        shift = writer.new(f"and i64 {writer.new(f'lshr i64 {offset}, 1')}, 63")
        bit = writer.new(f"lshr i64 {writer.new(f'load i64, ptr {word}')}, {shift}")
        broken = writer.new(f"trunc i64 {bit} to i1")
        breaks = "\n".join(writer.lines)
        return f"""
define internal void @decode.run(ptr %root, ptr %ip) nounwind noinline cold {{
entry:
  %work = getelementptr i8, ptr %root, i64 {self.places.run}
  %numberat = getelementptr i8, ptr %root, i64 {self.mailbox(NUMBER)}
  br label %next
next:
  %at = phi ptr [ %ip, %entry ], [ %after, %more ]
  %n = phi i64 [ 0, %entry ], [ %n1, %more ]
  %known = load ptr, ptr %at
  %never = icmp eq ptr %known, null
  %old = icmp eq ptr %known, @h.stale
  %fresh = or i1 %never, %old
  br i1 %fresh, label %look, label %meet
meet:
  %restat = getelementptr i8, ptr %at, i64 8
  %rest16 = load i16, ptr %restat
  %rest = zext i16 %rest16 to i64
  br label %count
look:
{code}
  %inside = icmp ult i64 {offset}, {PAGE}
  br i1 %inside, label %decode, label %behind.page
behind.page:
  store ptr @h.next, ptr %at
  %norest = getelementptr i8, ptr %at, i64 8
  store i16 0, ptr %norest
  br label %count
decode:
  %size = call i64 @decode.one(ptr %root, ptr %at, i1 false)
  %slot = getelementptr {{ptr, i64}}, ptr %work, i64 %n
  store ptr %at, ptr %slot
  %number = load i64, ptr %numberat
  %slotnumber = getelementptr i8, ptr %slot, i64 8
{breaks}
  br i1 {broken}, label %broken, label %whole
broken:
  store ptr @h.break, ptr %at
  br label %whole
whole:
  %as = phi i64 [ 0, %broken ], [ %number, %decode ]
  store i64 %as, ptr %slotnumber
  %n1 = add i64 %n, 1
  %ends = icmp slt i64 %size, 0
  br i1 %ends, label %count, label %more
more:
  %bytes = shl i64 %size, 3
  %after = getelementptr i8, ptr %at, i64 %bytes
  br label %next
count:
  %base = phi i64 [ 0, %whole ], [ 0, %behind.page ], [ %rest, %meet ]
  %total = phi i64 [ %n1, %whole ], [ %n, %behind.page ], [ %n, %meet ]
{self.finish_run("ret void")}
}}
"""

    # -- the ways in and out

    def missing(self) -> str:
        return """  %never = icmp eq ptr %handler, null
  %old = icmp eq ptr %handler, @h.stale
  %missing = or i1 %never, %old"""

    def decoding(self) -> str:
        return """  call void @decode.run(ptr %root, ptr %ip)
  br label %charge"""

    def _exits(self) -> str:
        return "\n".join(
            [
                self._exit("@exit.pause", PAUSED, False),
                self._exit("@exit.there", PAUSED, False, astray=True),
                self._exit("@exit.trap", TRAPPED, True),
                self._exit("@exit.lost", TRAPPED, False, astray=True),
                self._exit("@h.stop", PAUSED, True),
                self._exit("@h.edge", EDGE, True),
                self._exit("@h.break", BROKEN, True),
            ]
        )

    def _ends(self) -> str:
        """Handlers that are no instructions: behind a page's last record, and for code that has been changed."""
        onward = Writer(self.unit)
        self._enter(onward, self.address_of(onward, "%ip"))
        stale = Writer(self.unit)
        rest = stale.new(f"load i16, ptr {stale.gep('%ip', 8)}")
        left = stale.new(f"add i64 %budget, {stale.new(f'zext i16 {rest} to i64')}")
        stale.emit("store ptr null, ptr %ip")
        self.tail(stale, "@enter.slowly", "%ip", left)
        head = "define internal preserve_nonecc void {}(" + SIGNATURE + ") nounwind {{"
        parts = []
        for name, writer in (("@h.next", onward), ("@h.stale", stale)):
            parts += [head.format(name), "entry:", *writer.slots, *writer.lines, "}\n"]
        return "\n".join(parts)

    def _far(self) -> str:
        """`enter.far`: the page of the address in TARGET has to be looked for."""
        writer = Writer(self.unit)
        target = writer.new(f"load i64, ptr {writer.gep('%root', self.mailbox(TARGET))}")
        frame, had = writer.invoke(self.method("locate"), [], [target], "lost")[0]
        assert had is not None
        record = self.enter_frame(writer, writer.resize(frame, had, 64), target)
        self.tail(writer, "@enter.slowly", record, "%budget")
        writer.start("lost")
        writer.emit(f"store i64 {target}, ptr {writer.gep('%root', self.fields['pc'].offset)}")
        self.tail(writer, "@exit.lost", "%root", "%budget")
        head = f"define internal preserve_nonecc void @enter.far({SIGNATURE}) nounwind noinline cold {{"
        return "\n".join([head, "entry:", *writer.slots, *writer.lines, "}\n"])

    def _exactly(self) -> str:
        """`exactly(root, start, n)`: from a decoded record, do `n` instructions that lie in its run."""
        return f"""
define internal void @exactly(ptr align 4096 %root, ptr %start, i64 %n) nounwind noinline {{
entry:
  %work = getelementptr i8, ptr %root, i64 {self.places.run}
  br label %walk
walk:
  %at = phi ptr [ %start, %entry ], [ %after, %good ]
  %k = phi i64 [ %n, %entry ], [ %k1, %good ]
  %kept = load ptr, ptr %at
  %keep = getelementptr {{ptr, ptr}}, ptr %work, i64 %k
  %keeprec = getelementptr i8, ptr %keep, i64 8
  store ptr %kept, ptr %keep
  store ptr %at, ptr %keeprec
  %ends = call i64 @decode.one(ptr %root, ptr %at, i1 true)
  %size = call i64 @llvm.abs.i64(i64 %ends, i1 true)
  %bytes = shl i64 %size, 3
  %after = getelementptr i8, ptr %at, i64 %bytes
  %k1 = sub i64 %k, 1
  %failed = icmp eq i64 %ends, 0
  br i1 %failed, label %fault, label %good
good:
  %last = icmp eq i64 %k1, 0
  br i1 %last, label %place, label %walk
fault:
  %leftat = getelementptr i8, ptr %root, i64 {self.mailbox(LEFT)}
  store i64 %n, ptr %leftat
  %reasonat = getelementptr i8, ptr %root, i64 {self.mailbox(REASON)}
  store i64 {TRAPPED}, ptr %reasonat
  br label %back
place:
  %saved = load ptr, ptr %after
  store ptr @h.stop, ptr %after
  %restat = getelementptr i8, ptr %start, i64 8
  %rest16 = load i16, ptr %restat
  %rest = zext i16 %rest16 to i64
  %less = sub i64 %n, %rest
  %first = load ptr, ptr %start
  call preserve_nonecc void %first({ARGUMENTS.format(ip="%start", budget="%less")})
  store ptr %saved, ptr %after
  br label %back
back:
  %j = phi i64 [ %n, %place ], [ %n, %fault ], [ %j1, %undo ]
  %low = phi i64 [ 0, %place ], [ %k1, %fault ], [ %low, %undo ]
  br label %undo
undo:
  %old = getelementptr {{ptr, ptr}}, ptr %work, i64 %j
  %oldrecat = getelementptr i8, ptr %old, i64 8
  %oldhandler = load ptr, ptr %old
  %oldrec = load ptr, ptr %oldrecat
  store ptr %oldhandler, ptr %oldrec
  %j1 = sub i64 %j, 1
  %all = icmp eq i64 %j1, %low
  br i1 %all, label %done, label %back
done:
  ret void
}}
"""

    def _drop(self) -> str:
        """`drop(root, frame)`: what was decoded in a frame is to be decoded again, also in the middle of a run."""
        return f"""
define internal void @drop(ptr %root, i64 %frame) nounwind noinline cold {{
entry:
  %code = getelementptr i8, ptr %root, i64 {self.places.code}
  %far = shl i64 %frame, {FRAME_SHIFT}
  %first = getelementptr i8, ptr %code, i64 %far
  br label %each
each:
  %i = phi i64 [ 0, %entry ], [ %i1, %on ]
  %record = getelementptr {{ptr, i64}}, ptr %first, i64 %i
  %handler = load ptr, ptr %record
  %none = icmp eq ptr %handler, null
  br i1 %none, label %on, label %mark
mark:
  store ptr @h.stale, ptr %record
  br label %on
on:
  %i1 = add i64 %i, 1
  %all = icmp eq i64 %i1, {PAGE // 2 + 2}
  br i1 %all, label %done, label %each
done:
  ret void
}}
"""

    # -- the loop

    def _inside(self, writer: Writer, chip: str, name: str) -> str:
        """Write the place of a field of one of the core's chips."""
        outer = self.fields[chip]
        return writer.gep("%root", outer.offset + layout_of(outer.type).fields[name].offset)

    def called(self, writer: Writer, name: str, args: list[str], trapped: str = "") -> str:
        """Write a call of the core's method at rest: what handlers keep in registers is in the state, before and after."""
        kept = writer.slot("[4 x i64]", "kept")
        places = [writer.gep("%root", self.fields[n].offset) for n in ("pc", "next_pc", "count")]
        for i, place in enumerate(places):
            writer.emit(f"store i64 {writer.new(f'load i64, ptr {place}')}, ptr {writer.gep(kept, 8 * i)}")
        results = writer.invoke(self.method(name), [], args, trapped, kept)
        for i, place in enumerate(places):
            writer.emit(f"store i64 {writer.new(f'load i64, ptr {writer.gep(kept, 8 * i)}')}, ptr {place}")
        return self.first(writer, results)

    def _run(self) -> str:
        """`run(root, budget, horizon)`: go on until the budget is used up, or the core's `prepare` lets nothing run."""
        writer = Writer(self.unit)
        new, emit = writer.new, writer.emit

        def load(place: str) -> str:
            return new(f"load i64, ptr {place}")

        def field(name: str) -> str:
            return writer.gep("%root", self.fields[name].offset)

        def word(number: int) -> str:
            return writer.gep("%root", self.mailbox(number))

        says: ByFrame = self.board.cls.decoding  # type: ignore[attr-defined]
        trap = self.unit.trap_number

        left, part = writer.slot("i64", "left"), writer.slot("i64", "slice")
        anew = writer.slot("i1", "anew")

        def ahead(value: int) -> None:
            emit(f"store i8 {value}, ptr {self._inside(writer, 'code', 'ahead')}")

        def spend(place: str, amount: str) -> None:
            less = new(f"sub i64 {load(place)}, {amount}")
            emit(f"store i64 {less}, ptr {place}")

        emit(f"store i64 %budget, ptr {left}")
        ahead(1)
        # code that has been changed since is dropped first; then the core decides how many instructions may run
        writer.start("top")
        self._dropping(writer)
        rest = load(left)
        count = self.called(writer, "prepare", [rest, "%horizon"])
        emit(f"store i64 {count}, ptr {part}")
        self._dropping(writer)
        writer.branch(new(f"icmp eq i64 {count}, 0"), "idle", "enter")
        writer.start("idle")
        emit(f"store i64 {PAUSED}, ptr {word(REASON)}")
        writer.jump("out")
        writer.start("enter")
        pc = load(field("pc"))
        frame, had = writer.invoke(self.method("locate"), [], [pc], "unfetched")[0]
        assert had is not None
        record = self.enter_frame(writer, writer.resize(frame, had, 64), pc)
        budget = load(part)
        limit = new(f"add i64 {load(field('count'))}, {budget}")
        emit(f"store i64 {limit}, ptr {word(LIMIT)}")
        emit(f"call preserve_nonecc void @enter.slowly({ARGUMENTS.format(ip=record, budget=budget)})")
        writer.jump("after")

        writer.start("unfetched")  # nothing has run since `part` was set
        emit(f"store i64 {TRAPPED}, ptr {word(REASON)}")
        emit(f"store i64 {load(part)}, ptr {word(LEFT)}")
        emit(f"store i64 {load(field('pc'))}, ptr {field('next_pc')}")
        writer.jump("trapped")

        writer.start("after")
        self._account(writer, left, part)
        why = load(word(REASON))
        writer.end(
            f"switch i64 {why}, label %step [ i64 {PAUSED}, label %paused  i64 {TRAPPED}, label %trapped"
            f"  i64 {BROKEN}, label %broken ]"
        )

        writer.start("paused")
        some = load(part)
        writer.branch(new(f"icmp eq i64 {some}, 0"), "top", "some")
        writer.start("some")  # fewer instructions than their run has; where there are breaks, they are looked at one by one
        breaks = new(f"load i8, ptr {self._inside(writer, 'debug', 'breaks')}")
        writer.branch(new(f"icmp eq i8 {breaks}, 0"), "exact", "broken")
        writer.start("broken")
        at = load(field("pc"))
        writer.branch(new(f"icmp ne i64 {self.called(writer, 'break_hit', [at])}, 0"), "out", "step")
        writer.start("exact")
        start = self.record_of(writer, load(field("pc")))
        emit(f"call void @exactly(ptr %root, ptr {start}, i64 {some})")
        writer.jump("after")

        writer.start("trapped")
        number = load(word(0))
        writer.end(
            f"switch i64 {number}, label %out [ i64 {trap(says.taken)}, label %take  i64 {trap(says.deferred)}, label %step"
            f"  i64 {trap(says.code_write)}, label %forget  i64 {trap(says.pieced)}, label %pieced ]"
        )
        writer.start("take")
        values = [load(word(i)) for i in (1, 2)]
        self.called(writer, "take", values)
        counted = new(f"add i64 {load(field('count'))}, 1")
        emit(f"store i64 {counted}, ptr {field('count')}")
        spend(left, "1")
        spend(part, "1")
        more = load(part)
        writer.branch(new(f"icmp sgt i64 {more}, 0"), "enter", "top")

        writer.start("forget")
        changed = load(word(1))
        kind = self.method("forget_code").params[0][1]
        self.called(writer, "forget_code", [writer.cut(changed, 64, kind)])
        self._dropping(writer)
        writer.jump("step")

        writer.start("pieced")  # every instruction of the page is fetched again, since the next one may not be permitted
        ahead(0)
        lone = load(field("pc"))
        frame, had = writer.invoke(self.method("locate_alone"), [], [lone], "unfetched.alone")[0]
        assert had is not None
        self.enter_frame(writer, writer.resize(frame, had, 64), lone)
        emit(f"store i64 {PAUSED}, ptr {word(REASON)}")
        some = new(f"load i8, ptr {self._inside(writer, 'debug', 'breaks')}")
        writer.branch(new(f"icmp eq i8 {some}, 0"), "step", "broken")
        writer.start("unfetched.alone")
        ahead(1)
        emit(f"store i64 {lone}, ptr {field('next_pc')}")
        writer.jump("trapped.alone")

        # One instruction, with time to spare. Its record is decoded, for it was just about to run, or is made so.
        writer.start("step")
        ahead(0)
        emit(f"store i1 false, ptr {anew}")
        alone = self.record_of(writer, load(field("pc")))
        handler = new(f"load ptr, ptr {alone}")
        never, old = new(f"icmp eq ptr {handler}, null"), new(f"icmp eq ptr {handler}, @h.stale")
        writer.branch(new(f"or i1 {never}, {old}"), "redecode", "single")
        writer.start("redecode")
        emit(f"call void @decode.run(ptr %root, ptr {alone})")
        emit(f"store i1 true, ptr {anew}")
        writer.jump("single")
        writer.start("single")
        one = new(f"add i64 {load(field('count'))}, 1")
        emit(f"store i64 {one}, ptr {word(LIMIT)}")
        emit(f"store i64 1, ptr {part}")
        emit(f"call void @exactly(ptr %root, ptr {alone}, i64 1)")
        writer.branch(new(f"load i1, ptr {anew}"), "unsure", "sure")
        writer.start("unsure")  # the instruction may have changed what was decoded behind it, when its frame was no code
        emit(f"call void @drop(ptr %root, i64 {self.place_of(writer, alone)[0]})")
        writer.jump("sure")
        writer.start("sure")
        ahead(1)
        self._account(writer, left, part)
        why = load(word(REASON))
        writer.branch(new(f"icmp eq i64 {why}, {TRAPPED}"), "trapped.alone", "top")
        writer.start("trapped.alone")
        number = load(word(0))
        emit(f"store i64 1, ptr {part}")
        writer.end(
            f"switch i64 {number}, label %out [ i64 {trap(says.taken)}, label %take  i64 {trap(says.watched)}, label %idle ]"
        )

        writer.start("out")
        ahead(0)
        emit(f"store i64 {load(left)}, ptr {word(LEFT)}")
        writer.end(f"ret i64 {load(word(REASON))}")
        head = "define i64 @run(ptr align 4096 %root, i64 %budget, i64 %horizon) nounwind {"
        abs_ = "declare i64 @llvm.abs.i64(i64, i1)\n"
        return "\n".join([abs_, head, "entry:", *writer.slots, *writer.lines, "}\n"])

    def _account(self, writer: Writer, left: str, part: str) -> None:
        """Write the bookkeeping after some instructions of a slice have run."""
        new = writer.new
        rested = new(f"load i64, ptr {writer.gep('%root', self.mailbox(LEFT))}")
        limit = new(f"load i64, ptr {writer.gep('%root', self.mailbox(LIMIT))}")
        count = new(f"sub i64 {limit}, {rested}")
        writer.emit(f"store i64 {count}, ptr {writer.gep('%root', self.fields['count'].offset)}")
        done = new(f"sub i64 {new(f'load i64, ptr {part}')}, {rested}")
        before = new(f"load i64, ptr {left}")
        writer.emit(f"store i64 {new(f'sub i64 {before}, {done}')}, ptr {left}")
        writer.emit(f"store i64 {rested}, ptr {part}")
        pc = new(f"load i64, ptr {writer.gep('%root', self.fields['pc'].offset)}")
        writer.emit(f"store i64 {pc}, ptr {writer.gep('%root', self.fields['next_pc'].offset)}")

    def _dropping(self, writer: Writer) -> None:
        """Write the dropping of what the core lists as changed."""
        new = writer.new
        count_at = self._inside(writer, "code", "changed_count")
        count = new(f"load i32, ptr {count_at}")
        some, each, every, one, done = (writer.label(n) for n in ("some", "each", "every", "one", "done"))
        writer.branch(self._unlikely(writer, new(f"icmp ne i32 {count}, 0")), some, done)
        writer.start(some)
        at = writer.slot("i32", "at")
        writer.emit(f"store i32 0, ptr {at}")
        writer.branch(new(f"icmp ugt i32 {count}, {CHANGED}"), every, each)
        writer.start(every)  # the list has run over: the host has to drop everything
        writer.emit(f"store i64 {STUCK}, ptr {writer.gep('%root', self.mailbox(REASON))}")
        writer.jump("out")
        writer.start(each)
        i = new(f"load i32, ptr {at}")
        finished = writer.label("finished")
        writer.branch(new(f"icmp eq i32 {i}, {count}"), finished, one)
        writer.start(one)
        wide = new(f"zext i32 {i} to i64")
        listed = new(f"getelementptr i32, ptr {self._inside(writer, 'code', 'changed')}, i64 {wide}")
        short = new(f"load i32, ptr {listed}")
        frame = new(f"zext i32 {short} to i64")
        writer.emit(f"call void @drop(ptr %root, i64 {frame})")
        writer.emit(f"store i32 {new(f'add i32 {i}, 1')}, ptr {at}")
        writer.jump(each)
        writer.start(finished)
        writer.emit(f"store i32 0, ptr {count_at}")
        writer.jump(done)
        writer.start(done)
