"""A disk over vhost-user: what a front end and its guest get, and what neither can do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import struct
import threading

import pytest

from softmetal.chips.virtio.blk import IOERR, OK, UNSUPP, Kind
from softmetal.host.arbiter import Share, Shared
from softmetal.host.disks import DiskError, open_disk
from softmetal.host.vhost.connection import OFFERED
from softmetal.host.vhost.disk import DiskBackend
from softmetal.host.vhost.messages import ADDRESS, STATE, U64, Message
from softmetal.host.vhost.server import Listener, Turns

from .frontend import BASE, SIZE, USER, FrontEnd, Gone

SECTORS = 512


class Layer:
    """A host layer with one disk, in a thread of its own. With `working` false the disk takes requests and does nothing."""

    def __init__(self, folder, queues=1, working=True, how=""):
        self.image, self.path = folder / "disk.img", str(folder / "s")
        if not self.image.exists():
            self.image.write_bytes(bytes(SECTORS * 512))
        self.warnings = []
        self.loop = asyncio.new_event_loop()
        self.disk = open_disk(f"{self.image}{how}")
        self.shared = Shared("store")
        self.shared.join(Share("guest"))
        turns = Turns(self.shared, self.loop)
        work = turns.work if working else lambda: None

        def backend():
            return DiskBackend("guest", self.disk, self.shared, work, self.warnings.append, queues=queues, serial="store")

        self.listener = Listener(folder / "s", backend, self.loop, self.warnings.append)

    def __enter__(self):
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self._end)
        self.thread.join()
        self.loop.close()

    def _end(self):
        self.loop.stop()
        self.listener.close()
        with contextlib.suppress(DiskError):  # a test may have broken it
            self.disk.close()


@pytest.fixture
def layer(tmp_path):
    with Layer(tmp_path) as made:
        yield made


@pytest.fixture
def guest(layer):
    front = FrontEnd(layer.path)
    yield front.up()
    front.close()


def pattern(seed, size=512):
    return bytes((i * 7 + seed) & 0xFF for i in range(size))


def test_what_was_written_is_read_again_and_stands_in_the_file(layer, guest):
    text = pattern(3, 2048)
    assert guest.disk(Kind.OUT, 5, [guest.buffer(text[:512]), guest.buffer(text[512:])]) == OK
    parts = [guest.space(1024), guest.space(1024)]
    assert guest.disk(Kind.IN, 5, parts) == OK
    assert b"".join(map(guest.content, parts)) == text
    assert guest.disk(Kind.FLUSH) == OK
    assert layer.image.read_bytes()[2560:4608] == text


def test_the_configuration_is_the_chip_s(guest):
    capacity, _, segments = struct.unpack("<QII", guest.config(0, 16))
    assert (capacity, segments) == (SECTORS, 254)
    assert guest.config(34, 2) == b"\1\0"
    part = guest.space(20)
    assert guest.disk(Kind.GET_ID, 0, [part]) == OK
    assert guest.content(part) == b"store".ljust(20, b"\0")


@pytest.mark.parametrize(
    ("kind", "sector", "status"), [(Kind.IN, SECTORS, IOERR), (Kind.IN, 2**63, IOERR), (99, 0, UNSUPP)]
)  # fmt: skip
def test_what_is_not_on_the_disk_is_refused_and_the_ring_goes_on(guest, kind, sector, status):
    assert guest.disk(kind, sector, [guest.space(512)]) == status
    assert guest.disk(Kind.IN, 0, [guest.space(512)]) == OK


def test_a_disk_that_fails_gives_an_error_and_a_line_that_names_the_guest(layer, guest):
    os.truncate(layer.image, 4096)
    assert guest.disk(Kind.IN, 100, [guest.space(512)]) == IOERR
    assert [w.startswith("guest: disk ") for w in layer.warnings] == [True]
    assert guest.disk(Kind.IN, 0, [guest.space(512)]) == OK


def test_a_disk_that_may_only_be_read_says_so(tmp_path):
    with Layer(tmp_path, how=",ro") as layer:
        front = FrontEnd(layer.path).up()
        assert front.features >> 5 & 1
        assert front.disk(Kind.OUT, 0, [front.buffer(bytes(512))]) == IOERR
        front.close()


def test_many_requests_come_back_with_few_interrupts(guest):
    statuses = [guest.request(Kind.OUT, i, [guest.buffer(pattern(i))], first=3 * i) for i in range(5)]
    guest.kick()
    count = len(guest.wait())
    while count < 5:
        count += len(guest.wait())
    assert [guest.content(s)[0] for s in statuses] == [OK] * 5


def test_every_queue_of_a_disk_works(tmp_path):
    with Layer(tmp_path, queues=4) as layer:
        front = FrontEnd(layer.path, queues=4).up()
        assert U64.unpack(front.ask(Message.GET_QUEUE_NUM)) == (4,)
        assert front.config(34, 2) == b"\4\0"
        for queue in range(4):
            assert front.disk(Kind.OUT, queue, [front.buffer(pattern(queue))], queue=queue) == OK
        for queue in range(4):
            part = front.space(512)
            assert front.disk(Kind.IN, 3 - queue, [part], queue=queue) == OK
            assert front.content(part) == pattern(3 - queue)
        front.close()


def test_a_ring_that_stops_goes_on_from_where_it_was(guest):
    for i in range(3):
        assert guest.disk(Kind.OUT, i, [guest.buffer(pattern(i))]) == OK
    assert guest.stop() == 3
    guest.start(base=3)
    part = guest.space(512)
    assert guest.disk(Kind.IN, 2, [part]) == OK
    assert guest.content(part) == pattern(2)


def test_a_ring_that_stops_has_answered_everything_that_it_took(tmp_path):
    with Layer(tmp_path, working=False) as layer:
        front = FrontEnd(layer.path).up()
        statuses = [front.request(Kind.OUT, i, [front.buffer(pattern(i))], first=3 * i) for i in range(3)]
        front.kick()
        front.sync()
        assert front.stop() == 3
        assert [front.content(s)[0] for s in statuses] == [OK] * 3
        front.close()


def test_a_ring_that_is_not_enabled_is_not_looked_at(layer):
    front = FrontEnd(layer.path)
    front.negotiate()
    front.share()
    front.start()
    front.tell(Message.SET_VRING_ENABLE, STATE.pack(0, 0))
    front.sync()
    front.request(Kind.FLUSH)
    front.kick()
    front.sync()
    assert front.back() == []
    front.tell(Message.SET_VRING_ENABLE, STATE.pack(0, 1))
    assert len(front.wait()) == 1
    front.close()


def test_another_front_end_may_come_when_one_has_gone(layer):
    for i in range(3):
        front = FrontEnd(layer.path).up()
        assert front.disk(Kind.OUT, i, [front.buffer(pattern(i))]) == OK
        front.close()


def test_written_pages_are_logged_while_that_is_asked_for(guest):
    part = guest.space(512)
    assert guest.disk(Kind.IN, 0, [part]) == OK
    log = guest.log()
    guest.heap = 0x8_0000  # pages of its own
    part, untouched = guest.space(8192), guest.space(4096)
    assert guest.disk(Kind.IN, 0, [part]) == OK
    logged = {i for i in range(SIZE >> 12) if log[(BASE >> 12) + i >> 3] >> ((BASE >> 12) + i & 7) & 1}
    assert {0x80, 0x81, guest.used(0) >> 12} <= logged
    assert untouched[0] - BASE >> 12 not in logged - {(guest.heap - 1) >> 12}
    guest.tell(Message.SET_FEATURES, U64.pack(guest.features))
    guest.sync()
    log[:] = bytes(len(log))
    assert guest.disk(Kind.IN, 0, [part]) == OK
    assert [i for i in range(len(log)) if log[i]] == []


# -- a back end that is killed


def killed_while_working(tmp_path, front, requests):
    """Let a back end in a process of its own take requests, and kill it before it has carried out any."""
    ready, go = os.pipe()
    child = os.fork()
    if not child:
        with Layer(tmp_path, working=False):
            os.write(go, b"x")
            signal.pause()
        os._exit(1)
    os.read(ready, 1)
    try:
        front.connect()
        front.negotiate()
        front.share()
        front.track()
        front.start()
        for request in requests:
            request()
        front.kick()
        front.sync()
        front.sync()  # the kick was seen before this one
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(go)
    with pytest.raises(Gone):
        front.sync()


def test_no_request_is_lost_when_the_back_end_is_killed(tmp_path):
    with Layer(tmp_path) as layer:  # a front end needs one to begin with
        front = FrontEnd(layer.path)
    statuses = []

    def write(i):
        return lambda: statuses.append(front.request(Kind.OUT, i, [front.buffer(pattern(i))], first=3 * i))

    killed_while_working(tmp_path, front, [write(i) for i in range(4)])
    assert front.back() == []
    with Layer(tmp_path) as layer:
        front.connect()
        front.negotiate()
        front.share()
        front.track()
        front.start()
        count = 0
        while count < 4:
            count += len(front.wait())
        assert [front.content(s)[0] for s in statuses] == [OK] * 4
        part = front.space(4 * 512)
        assert front.disk(Kind.IN, 0, [part]) == OK
        assert front.content(part) == b"".join(pattern(i) for i in range(4))
        front.close()


# -- front ends that do what none may


def test_a_ring_that_no_driver_makes_stops_the_disk_for_that_guest_and_says_so(layer, guest):
    guest.poke(guest.desc(0), struct.pack("<QIHH", 0xDEAD_0000, 512, 2, 0))
    guest.offer_head(0)
    guest.kick()
    guest.sync()
    guest.sync()
    assert guest.back() == []
    assert layer.warnings == ["guest: its driver put into ring 0 what no driver may; the disk stops for it"]
    other = guest.stop()
    assert other == 0


@pytest.mark.parametrize(
    ("say", "reason"),
    [
        (lambda f: f.tell(99), "message 99 is none that this back end knows"),
        (lambda f: f.tell(Message.SET_VRING_NUM, b"abc"), "SET_VRING_NUM has 3 bytes, 8 are needed"),
        (lambda f: f.tell(Message.SET_VRING_NUM, STATE.pack(7, 16)), "ring 7, the device has 1"),
        (lambda f: f.tell(Message.SET_VRING_KICK, U64.pack(0)), "SET_VRING_KICK came without a descriptor"),
        (lambda f: f.tell(Message.GET_FEATURES, flags=2), "no vhost-user message: flags 0x2, 0 bytes"),
        (lambda f: f.tell(Message.SET_MEM_TABLE, STATE.pack(3, 0), [0]), "SET_MEM_TABLE names 3 regions and has 1 descriptors"),
        (lambda f: f.share(guest=BASE + 5), "guest memory at 0x80000005 is not made of whole pages"),
        (lambda f: f.share(guest=1 << 36), "guest memory at 0x1000000000 reaches beyond 64 GiB"),
        (lambda f: f.share(size=SIZE + 4096), "guest memory at 0x80000000: its file ends before the region does"),
        (lambda f: (f.share(), f.start()) and f.tell(Message.SET_VRING_ADDR, b""), "SET_VRING_ADDR has 0 bytes, 40 are needed"),
        (lambda f: f.start(), f"address {USER:#x} is not in guest memory"),
    ],
)  # fmt: skip
def test_a_front_end_that_says_what_none_may_is_let_go_with_one_line(layer, say, reason):
    front = FrontEnd(layer.path)
    front.negotiate()

    def say_it():
        say(front)
        front.sync()

    with pytest.raises(Gone):
        say_it()
    front.close()
    again = FrontEnd(layer.path).up()
    assert again.disk(Kind.FLUSH) == OK
    again.close()
    assert layer.warnings == [f"s: {reason}"]


def test_rings_outside_of_memory_are_refused(layer):
    front = FrontEnd(layer.path)
    front.negotiate()
    front.share()
    front.size = 1 << 14
    front.start()
    with pytest.raises(Gone):
        front.sync()
    front.close()


def test_overlapping_and_too_many_regions_are_refused(layer):
    for regions in ([(BASE, SIZE), (BASE + 4096, 4096)], [(BASE + i * 4096, 4096) for i in range(9)]):
        front = FrontEnd(layer.path)
        front.negotiate()

        def share_them(front=front, regions=regions):
            for guest, size in regions:
                front.tell(Message.ADD_MEM_REG, struct.pack("<5Q", 0, guest, size, USER + guest - BASE, 0), [front.file])
            front.sync()

        with pytest.raises(Gone):
            share_them()
        front.close()
        FrontEnd(layer.path).up().close()  # the one before has been let go of
    assert [w[3:] for w in layer.warnings] == [
        "regions of guest memory overlap", "9 regions of guest memory, 8 are the most"
    ]  # fmt: skip


def test_the_protocol_features_are_those_that_are_kept():
    assert OFFERED.value == 1 << 0 | 1 << 1 | 1 << 3 | 1 << 5 | 1 << 9 | 1 << 12 | 1 << 15
    assert ADDRESS.size == 40
