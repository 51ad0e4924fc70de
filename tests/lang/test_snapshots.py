"""Snapshots, forks, hashes and state files of whole boards, by each way in which the host tells what was written."""

from __future__ import annotations

import gc
import os
import pickle
import random
import subprocess
import sys
import time
import weakref

import pytest

from softmetal.lang import Chip, StateError, fork, layout, memory, restore, snapshot, state_hash, u8, u32, u64
from softmetal.lang.mapping import Image, Mapping
from softmetal.lang.state import host, load, pages, save
from softmetal.testing import bench

PAGE = 4096
MIB = 1 << 20


class Timer(Chip):
    count: u32 = 7
    scratch: memory[100]


class Desk(Chip):
    """A board with fields, a small memory, one of some MiB and one as large as an address space."""

    flag: u8 = 5
    table: u64[3] = (1, 2, 3)
    timers: Timer[2]
    small: memory[5000]
    ram: memory[64 * MIB]
    space: memory[1 << 38]

    def poke(self, address: u32, value: u8) -> None:
        self.ram[address & 0x3FFFFFF] = value
        self.flag = value


MEMORIES = ("small", "ram", "space")
SIZES = (5000, 64 * MIB, 1 << 38)
RAM, SPACE = (next(e.offset for e in layout(Desk) if e.path == path) for path in ("ram", "space"))
FLAG = 3, 0


def marks(patch):
    """What this host's kernel has."""


def no_marks(patch):
    patch.setattr(host, "_watcher", lambda: None)


def no_scan(patch):
    no_marks(patch)
    patch.setattr(host, "SCAN", 0)


def no_memory_files(patch):
    patch.delattr(os, "memfd_create")


WAYS = (marks, no_marks, no_scan, no_memory_files)


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def way(request, monkeypatch):
    """A host whose kernel lacks this."""
    request.param(monkeypatch)
    return request.param


@pytest.fixture(params=(False, True), ids=("anonymous", "in_file"))
def in_file(request):
    return request.param


def filled(in_file=False, size=8 * MIB):
    board = Desk(in_file=in_file)
    board.ram[0:size] = random.Random(1).randbytes(size)
    board.space[1 << 37] = 9
    return board


def test_a_snapshot_brings_back_fields_and_memories(way, in_file):
    board = filled(in_file)
    before, digest, kept = snapshot(board), state_hash(board), bytes(board.ram[0 : 9 * MIB])
    board.flag, board.table[2], board.timers[1].count, board.timers[1].scratch[99] = 1, 2, 3, 4
    board.ram[MIB : 2 * MIB] = bytes(MIB)
    board.ram[60 * MIB] = board.space[(1 << 38) - 1] = board.space[1 << 37] = 1
    assert state_hash(board) != digest
    restore(board, before)
    assert (board.flag, board.table[2], board.timers[1].count, board.timers[1].scratch[99]) == (5, 3, 7, 0)
    assert bytes(board.ram[0 : 9 * MIB]) == kept
    assert (board.ram[60 * MIB], board.space[(1 << 38) - 1], board.space[1 << 37]) == (0, 0, 9)
    assert state_hash(board) == digest


def test_a_fork_and_what_it_came_from_do_not_see_each_others_writes(way, in_file):
    board = filled(in_file)
    one = fork(board)
    two = fork(one)
    assert state_hash(one) == state_hash(two) == state_hash(board)
    first = board.ram[0]
    board.ram[0], one.ram[PAGE], two.ram[40 * MIB], two.flag = first ^ 1, 11, 12, 13
    assert (board.ram[0], one.ram[0], two.ram[0]) == (first ^ 1, first, first)
    assert (one.ram[PAGE], one.ram[40 * MIB], one.flag) == (11, 0, 5)
    assert (two.ram[40 * MIB], two.flag, two.space[1 << 37], two.table[1]) == (12, 13, 9, 2)
    assert len({state_hash(b) for b in (board, one, two)}) == 3


def test_a_snapshot_of_a_fork_can_be_restored_in_its_parent_and_its_child(way, in_file):
    board = filled(in_file)
    one = fork(board)
    one.ram[5 * PAGE : 6 * PAGE], one.flag = bytes(PAGE), 99
    snap, digest = snapshot(one), state_hash(one)
    two = fork(one)
    for each in (board, one, two):
        each.ram[7 * PAGE : 4 * MIB] = random.Random(2).randbytes(4 * MIB - 7 * PAGE)
        restore(each, snap)
        assert state_hash(each) == digest


def test_a_twin_has_room_for_an_engine_and_nothing_in_it():
    board = Desk(room=5 * PAGE)
    board.__mapping__.view[-1] = board.__mapping__.view[-5 * PAGE] = 1
    twin = fork(board)
    assert twin.__mapping__.size == board.__mapping__.size
    assert bytes(twin.__mapping__.view[-5 * PAGE :]) == bytes(5 * PAGE)
    snap = snapshot(board)
    restore(board, snap)
    assert board.__mapping__.view[-1] == 1


def test_a_restored_state_lies_where_it_did_and_views_of_it_stay(way, in_file):
    board = filled(in_file)
    mapping, view = board.__mapping__, memoryview(board.ram.view)
    address, before = mapping.address, snapshot(board)
    held = view[3 * PAGE]
    fork(board)
    view[3 * PAGE] = held ^ 255
    assert board.ram[3 * PAGE] == held ^ 255
    restore(board, before)
    assert view[3 * PAGE] == held
    assert board.__mapping__ is mapping
    assert mapping.address == address


def test_restoring_is_counted_for_engines_that_keep_what_they_derived():
    board = Desk()
    snap = snapshot(board)
    before = board.__mapping__.restored
    restore(board, snap)
    assert board.__mapping__.restored == before + 1


@pytest.mark.parametrize("seed", range(4))
def test_random_writes_snapshots_restores_and_forks_agree_with_dictionaries(way, in_file, seed, monkeypatch):
    monkeypatch.setattr(pages, "FEW", 6)  # images are made of few pages, as of many
    draw = random.Random(seed)
    place = [
        (m, at)
        for m, size in enumerate(SIZES)
        for at in (0, PAGE - 1, PAGE, size - 1, *(draw.randrange(size) for _ in range(12)))
    ]
    boards = [(Desk(in_file=in_file), {})]
    snaps = []
    hashes = {}
    for _ in range(10 if way is no_scan else 150):  # without PAGEMAP_SCAN, a look at an address space takes long
        board, model = boards[draw.randrange(len(boards))]
        do = draw.randrange(12)
        if do < 6:
            for m, at in draw.sample(place, draw.choice((1, 3, 20))):
                model[m, at] = draw.choice((0, 0, 1, 200))
                getattr(board, MEMORIES[m])[at] = model[m, at]
            model[FLAG] = board.flag = draw.randrange(256)
        elif do == 6:
            start = draw.randrange(40) * PAGE
            end = start + draw.choice((100, PAGE, 20 * PAGE))
            board.__mapping__.discard(RAM + start, RAM + end)
            model.update({(m, at): 0 for m, at in model if m == 1 and start <= at < end})
        elif do == 7:
            snaps.append((snapshot(board), dict(model)))
        elif do == 8 and snaps:
            snap, model_then = draw.choice(snaps)
            restore(board, snap)
            model.clear()
            model.update(model_then)
        elif do == 9 and len(boards) < 6:
            boards.append((fork(board), dict(model)))
        elif do == 10 and len(boards) > 1 and draw.random() < 0.3:
            boards.remove((board, model))
        else:
            key = frozenset((k, v) for k, v in model.items() if v and k != FLAG), model.get(FLAG, 5)
            digest = state_hash(board)
            assert hashes.setdefault(key, digest) == digest
    for board, model in boards:
        for m, at in place:
            assert getattr(board, MEMORIES[m])[at] == model.get((m, at), 0)
        assert board.flag == model.get(FLAG, 5)
    assert len(set(hashes.values())) == len(hashes)


def test_native_code_and_cpython_leave_the_same_hash_in_twins(way):
    both = [bench(Desk, engine) for engine in ("golden", "native")]
    for board in both:
        board.poke(12345, 6)
        before = board.snapshot()
        board.poke(54321, 7)
        later = board.state_hash()
        board.restore(before)
        board.poke(54321, 7)
        assert board.state_hash() == later
    assert both[0].state_hash() == both[1].state_hash()


def test_a_hash_depends_on_nothing_but_the_state(way):
    rich, plain = filled(True), Desk()
    fork(rich)
    snapshot(rich)
    rich.ram[0 : 8 * MIB] = bytes(8 * MIB)
    rich.space[1 << 37] = 0
    assert state_hash(rich) == state_hash(plain)
    rich.ram[5] = plain.ram[5] = 1
    assert state_hash(rich) == state_hash(plain)
    rich.ram[5], rich.ram[5 + PAGE] = 0, 1  # the same page elsewhere
    assert state_hash(rich) != state_hash(plain)


def test_a_hash_between_looks_is_of_what_is_there(way, in_file):
    board, zeros = Desk(in_file=in_file), state_hash(Desk())
    board.ram[0] = 1
    snap = snapshot(board)
    board.ram[0] = 2
    board.ram[PAGE] = 3
    state_hash(board)
    board.ram[0] = 1
    board.ram[PAGE] = 0
    snapshot(board)
    twin = Desk()
    restore(twin, snap)
    assert state_hash(board) == state_hash(twin)
    board.ram[0] = 0
    assert state_hash(board) == zeros


def test_what_was_discarded_is_zeros_in_the_next_snapshot(way, in_file):
    board = filled(in_file)
    board.ram[20 * MIB] = 1
    snapshot(board)
    board.ram[30 * MIB] = 1
    snapshot(board)
    board.__mapping__.discard(RAM, RAM + 64 * MIB)
    assert snapshot(board).pages.keys() == {SPACE + (1 << 37)}
    assert bytes(board.ram[0 : 8 * MIB]) == bytes(8 * MIB)


def test_snapshots_share_the_pages_that_did_not_change():
    board = filled()
    first = snapshot(board)
    board.ram[0] ^= 1
    second = snapshot(board)
    board.ram[PAGE] ^= 1
    third = snapshot(board)
    assert first.image is second.image is third.image
    assert [len(s.held) for s in (first, second, third)] == [0, 1, 2]
    at = next(iter(second.held))
    assert second.held[at] is third.held[at]


def test_a_hundred_forks_take_memory_for_what_they_touch():
    board = filled(size=32 * MIB)
    forks = [fork(board)]
    before = resident()
    forks += [fork(board) for _ in range(100)]
    for each in forks:
        each.ram[0 : 16 * PAGE] = bytes(16 * PAGE)
    assert resident() - before < 101 * MIB  # 64 KiB of pages each, their tables, and Python's objects
    assert board.ram[0:16] != bytes(16)


def test_a_fork_that_is_dropped_gives_its_memory_back_at_once():
    board = fork(filled())
    gc.disable()
    try:
        gone = weakref.ref(board.__mapping__)
        state_hash(board)
        del board
        assert gone() is None
    finally:
        gc.enable()


def resident():
    with open("/proc/self/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Anonymous:")) * 1024


def test_an_empty_address_space_costs_nothing():
    board = Desk()
    board.space[(1 << 38) - 1] = 1
    before = time.process_time()
    restore(fork(board), snapshot(board))
    assert time.process_time() - before < 1
    assert len(snapshot(board).pages) == 1


def test_a_fork_of_this_process_does_not_write_in_its_boards():
    board = filled(in_file=True)
    first, digest = board.ram[0], None
    child = os.fork()
    if not child:
        board.ram[0] = first ^ 1
        os._exit(0 if state_hash(board) and snapshot(board) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert board.ram[0] == first
    digest = state_hash(board)
    child = os.fork()
    if not child:  # marks of the parent's are none of the child's
        board.ram[9 * PAGE] ^= 1
        os._exit(state_hash(board) == digest)
    assert os.waitpid(child, 0)[1] == 0
    assert state_hash(board) == digest


def test_a_look_that_is_interrupted_forgets_nothing(monkeypatch):
    board = Desk()
    board.ram[0] = 1
    snapshot(board)
    board.ram[0] = 2

    def stop(spans):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pages, "each", stop)
        with pytest.raises(KeyboardInterrupt):
            snapshot(board)
    twin = Desk()
    restore(twin, snapshot(board))
    assert twin.ram[0] == 2


def test_an_image_that_the_host_has_no_memory_for_leaves_the_board_as_it_is(monkeypatch):
    board = filled()
    kept = bytes(board.ram[0 : 8 * MIB])

    def full(self, at, data):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Image, "write", full)
        with pytest.raises(OSError, match="No space left"):
            snapshot(board)
    assert bytes(board.ram[0 : 8 * MIB]) == kept
    twin = Desk()
    restore(twin, snapshot(board))
    assert bytes(twin.ram[0 : 8 * MIB]) == kept


def test_a_saved_state_and_its_extras_are_loaded_again(tmp_path, in_file):
    board = filled(in_file)
    snap, digest = snapshot(board), state_hash(board)
    save(snap, tmp_path / "a.state", {"disk 0": b"overlay", "empty": b""})
    assert os.listdir(tmp_path) == ["a.state"]
    loaded, extras = load(tmp_path / "a.state", Desk)
    assert extras == {"disk 0": b"overlay", "empty": b""}
    other = Desk()
    restore(other, loaded)
    assert state_hash(other) == digest
    assert loaded.pages == snap.pages == pickle.loads(pickle.dumps(snap)).pages
    twin = fork(other)
    assert state_hash(twin) == digest


PROGRAM = """
import sys
from softmetal.lang import *
from softmetal.lang.state import load, save
class Small(Chip):
    value: u32
    ram: memory[1 << 30]
board = Small()
if sys.argv[2] == "save":
    board.value, board.ram[1 << 29], board.ram[5] = 77, 1, 2
    save(snapshot(board), sys.argv[1])
else:
    restore(board, load(sys.argv[1], Small).snapshot)
    assert (board.value, board.ram[1 << 29], board.ram[5]) == (77, 1, 2)
print(state_hash(board))
"""


def test_another_process_loads_a_state(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    said = [
        subprocess.run(
            [sys.executable, tmp_path / "program.py", tmp_path / "s", what], capture_output=True, text=True, check=True
        ).stdout
        for what in ("save", "load")
    ]
    assert said[0] == said[1]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    board = Timer()
    board.scratch[7] = 7
    path = tmp_path_factory.mktemp("states") / "timer.state"
    save(snapshot(board), path, {"name": b"value"})
    return path.read_bytes()


def refused(tmp_path, data, cls=None):
    (tmp_path / "bad").write_bytes(data)
    with pytest.raises(StateError) as error:
        load(tmp_path / "bad", cls)
    text = str(error.value)
    assert text.startswith(f"{tmp_path / 'bad'}: ")
    assert "\n" not in text
    return text.split(": ", 1)[1]


def test_a_file_that_is_cut_off_is_found_out(tmp_path, saved):
    for length in (0, 15):
        assert refused(tmp_path, saved[:length]) == "this is no state file"
    assert refused(tmp_path, saved[:20]) == "the file ends inside its header"
    for length in (60, 100, len(saved) - 1):
        assert refused(tmp_path, saved[:length]) == f"the file is truncated: it has {length} of {len(saved)} bytes"


def test_a_file_that_was_altered_is_found_out_wherever_that_was(tmp_path, saved):
    draw = random.Random(5)
    for at in [*range(60), *(draw.randrange(60, len(saved)) for _ in range(60))]:
        refused(tmp_path, saved[:at] + bytes([saved[at] ^ 1 << draw.randrange(8)]) + saved[at + 1 :])
    assert refused(tmp_path, saved + b"x") == "the file was altered: its checksum does not fit"


def test_a_file_of_another_version_says_so(tmp_path, saved):
    message = "the file is of version 9, this softmetal reads version 1: save the state again"
    assert refused(tmp_path, saved[:16] + bytes([9]) + saved[17:]) == message


def test_a_file_of_another_board_says_what_differs(tmp_path, saved):
    class Longer(Timer):
        more: u8

    class Other(Timer):
        pass

    layout = (
        "this snapshot is of another layout than Longer: it has `0x2000 scratch: memory[0x64]` where the board has `0x4 more: u8`"
    )
    assert refused(tmp_path, saved, Longer) == layout
    assert refused(tmp_path, saved, Other).startswith("this snapshot is of another board: Timer, not ")
    (tmp_path / "good").write_bytes(saved)
    with pytest.raises(StateError, match="of another layout than Longer"):
        restore(Longer(), load(tmp_path / "good").snapshot)


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path, saved):
    path = tmp_path / "timer.state"
    path.write_bytes(saved)
    with pytest.raises(TypeError):
        save(snapshot(Timer()), path, {"no bytes": 5})
    assert path.read_bytes() == saved
    assert os.listdir(tmp_path) == ["timer.state"]


def test_a_mapping_that_the_host_refuses_says_what_to_look_at():
    with pytest.raises(MemoryError, match=r"address space .*check `ulimit -v`"):
        Mapping(1 << 60)
