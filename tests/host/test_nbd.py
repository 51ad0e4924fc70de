"""Disks over NBD: our server with our client, and with clients that speak it in another way, or not at all."""

from __future__ import annotations

import errno
import os
import socket
import struct
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from softmetal.host import nbd
from softmetal.host.disks import DiskError
from softmetal.host.nbd import ANSWER, ANSWER_MAGIC, REQUEST, REQUEST_MAGIC, Command

from .served import PATIENCE, SIZE, Served, read, receive

EXPORTED = 1 | 4 | 8 | 32 | 64  # flags of an export that can be written


@pytest.fixture
def served(tmp_path):
    with Served(tmp_path) as made:
        yield made


def option(number, payload=b""):
    return nbd.OPTION + struct.pack(">II", number, len(payload)) + payload


def greeted(served, flags=nbd.FIXED | nbd.NO_ZEROES):
    sock = served.connect()
    assert receive(sock, 18) == nbd.MAGIC + nbd.OPTION + struct.pack(">H", nbd.FIXED | nbd.NO_ZEROES)
    sock.sendall(struct.pack(">I", flags))
    return sock


def answers(sock, count):
    """Answers to options: each one's option, kind and payload."""
    found = []
    for _ in range(count):
        magic, number, kind, size = struct.unpack(">QIII", receive(sock, 20))
        assert magic == nbd.REPLY
        found.append((number, kind, receive(sock, size)))
    return found


def test_what_is_written_is_in_the_image_and_is_read_again(served):
    there = served.disk_there()
    assert there.size == SIZE
    there.write(1000, memoryview(b"hello"))
    there.flush()
    assert served.image.read_bytes()[998:1007] == b"\0\0hello\0\0"
    assert read(there, 999, 7) == b"\0hello\0"
    into = [bytearray(2), bytearray(3)]
    there.readv(1000, [memoryview(part) for part in into])
    assert into == [b"he", b"llo"]
    there.zero(1001, 2)
    assert read(there, 1000, 5) == b"h\0\0lo"
    there.discard(0, 4096)
    assert read(there, 5000, 1) == b"\0"
    there.close()
    names = [kind for _, kind, *_ in served.recent()]
    assert names == ["write", "flush", "read", "read", "write_zeroes", "read", "trim", "read", "flush"]
    assert served.shared.ledger.accounts["guest"].bytes == 5 + 7 + 5 + 5 + 1


def test_what_is_larger_than_a_request_goes_in_several(served, monkeypatch):
    monkeypatch.setattr(nbd, "LARGEST", 1000)
    monkeypatch.setattr(nbd, "FARTHEST", 3000)
    there = served.disk_there()
    data = bytes(range(1, 251)) * 18
    there.writev(512, [memoryview(data)[:700], memoryview(data)[700:3200], memoryview(data)[3200:]])
    assert served.image.read_bytes()[512 : 512 + 4500] == data
    assert read(there, 512, 4500) == data
    there.zero(512, 4000)
    assert read(there, 4511, 2) == b"\0" + data[4000:4001]
    there.discard(0, 3001)
    done = [(kind, size) for _, kind, size, *_ in served.recent()]
    pieces = [1000] * 4 + [500]
    zeroed = [("write_zeroes", 0)] * 2 + [("read", 2)] + [("trim", 0)] * 2
    assert done == [("write", n) for n in pieces] + [("read", n) for n in pieces] + zeroed
    there.close()


def test_more_bytes_than_32_bits_can_count_are_zeroed_and_discarded(tmp_path):
    with Served(tmp_path, size=6 << 30) as served:
        there = served.disk_there()
        there.write((5 << 30) - 1, memoryview(b"xy"))
        there.zero(0, 5 << 30)
        assert read(there, (5 << 30) - 1, 2) == b"\0y"
        there.discard(0, 6 << 30)
        there.close()


def test_a_read_only_disk_says_so_and_refuses_to_be_written(tmp_path):
    with Served(tmp_path, ",ro") as served:
        there = served.disk_there()
        assert there.base.read_only
        for change in (lambda: there.write(0, memoryview(b"x")), lambda: there.zero(0, 512), lambda: there.discard(0, 512)):
            with pytest.raises(DiskError) as caught:
                change()
            assert caught.value.errno == errno.EPERM
        assert read(there, 0, 2) == b"\0\0"
        there.close()
        assert set(served.warnings) == {f"guest: disk {served.image}: read-only"}
    with Served(tmp_path) as served:
        there = served.disk_there()
        assert not there.base.read_only
        there.close()


@pytest.mark.parametrize(
    ("code", "arrives"),
    [(errno.EIO, errno.EIO), (errno.ENOSPC, errno.ENOSPC), (errno.EDQUOT, errno.ENOSPC), (errno.EBADF, errno.EIO)],
)
def test_an_error_of_the_disk_arrives_and_the_connection_goes_on(served, monkeypatch, code, arrives):
    there = served.disk_there()

    def fail(*_):
        raise DiskError(code, "disk store: it is broken")

    for method, doing, act in (
        ("readv", "reading", lambda: read(there, 0, 700)),
        ("writev", "writing", lambda: there.write(0, memoryview(b"abc"))),
        ("flush", "flushing", there.flush),
        ("discard", "discarding", lambda: there.discard(0, 512)),
        ("zero", "zeroing", lambda: there.zero(0, 512)),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(served.disk.base, method, fail)
            with pytest.raises(DiskError, match=f"^disk there: {doing} failed: {os.strerror(arrives)}$") as caught:
                act()
            assert caught.value.errno == arrives
        there.write(600, memoryview(doing.encode()))
        assert read(there, 600, len(doing)) == doing.encode()
    assert served.warnings == ["guest: disk store: it is broken"] * 5
    there.close()


def test_requests_outside_of_the_disk_and_unknown_ones_are_invalid_and_change_nothing(served):
    sock = greeted(served)
    sock.sendall(option(nbd.GO, bytes(6)))
    answers(sock, 2)
    for number, (kind, offset, length) in enumerate(
        [(Command.READ, SIZE, 1), (Command.READ, 1 << 63, 512), (Command.TRIM, SIZE - 1, 2),
         (Command.WRITE_ZEROES, (1 << 64) - 1, 1), (5, 0, 0), (77, 0, 0)]
    ):  # fmt: skip
        sock.sendall(REQUEST.pack(REQUEST_MAGIC, 0, kind, number, offset, length))
        assert ANSWER.unpack(receive(sock, ANSWER.size)) == (ANSWER_MAGIC, errno.EINVAL, number)
    sock.sendall(REQUEST.pack(REQUEST_MAGIC, 0, Command.WRITE, 9, SIZE - 1, 2) + b"xy")
    assert ANSWER.unpack(receive(sock, ANSWER.size)) == (ANSWER_MAGIC, errno.EINVAL, 9)
    assert served.image.read_bytes() == bytes(SIZE)
    assert served.warnings[-2] == f"guest: disk {served.image}: there is no NBD request 77"
    sock.close()


def test_options_are_answered_as_the_protocol_says(served):
    sock = greeted(served)
    export = struct.pack(">HQH", 0, SIZE, EXPORTED)
    sock.sendall(option(nbd.LIST))
    assert answers(sock, 2) == [(nbd.LIST, 2, bytes(4)), (nbd.LIST, nbd.ACK, b"")]
    for number in (5, 8, 10, 4711):  # TLS, structured replies, meta contexts, no option at all
        sock.sendall(option(number, b"abc"))
        assert answers(sock, 1) == [(number, nbd.UNSUPPORTED, b"")]
    sock.sendall(option(nbd.INFO, bytes(6)))
    assert answers(sock, 2) == [(nbd.INFO, nbd.INFORMATION, export), (nbd.INFO, nbd.ACK, b"")]
    sock.sendall(option(nbd.ABORT))
    assert answers(sock, 1) == [(nbd.ABORT, nbd.ACK, b"")]
    assert sock.recv(1) == b""
    assert served.warnings == []


@pytest.mark.parametrize(("flags", "padding"), [(nbd.FIXED | nbd.NO_ZEROES, 0), (nbd.FIXED, 124), (0, 124)])
def test_an_old_client_gets_the_export_with_the_zeroes_that_it_waits_for(served, flags, padding):
    sock = greeted(served, flags)
    sock.sendall(option(nbd.EXPORT_NAME, b"anything"))
    assert receive(sock, 10 + padding) == struct.pack(">QH", SIZE, EXPORTED) + bytes(padding)
    sock.sendall(REQUEST.pack(REQUEST_MAGIC, 0, Command.READ, 5, 0, 2))
    assert receive(sock, ANSWER.size + 2) == ANSWER.pack(ANSWER_MAGIC, 0, 5) + b"\0\0"
    sock.sendall(REQUEST.pack(REQUEST_MAGIC, 0, Command.DISC, 6, 0, 0))
    assert sock.recv(1) == b""


def test_a_write_that_is_to_be_safe_at_once_is_flushed(served, monkeypatch):
    flushes = []
    monkeypatch.setattr(served.disk.base, "flush", lambda: flushes.append(1))
    sock = greeted(served)
    sock.sendall(option(nbd.GO, bytes(6)))
    answers(sock, 2)
    for flags in (0, nbd.FUA):
        sock.sendall(REQUEST.pack(REQUEST_MAGIC, flags, Command.WRITE, 1, 0, 1) + b"x")
        receive(sock, ANSWER.size)
        assert len(flushes) == flags
    sock.close()


def test_a_guest_that_asks_without_end_waits_for_what_it_has_asked(served):
    sock = greeted(served)
    sock.sendall(option(nbd.GO, bytes(6)))
    answers(sock, 2)
    turn = threading.Event()
    served.loop.call_soon_threadsafe(turn.wait, PATIENCE)  # until all requests are in its socket
    many = 4 * nbd.DEPTH
    sock.sendall(b"".join(REQUEST.pack(REQUEST_MAGIC, 0, Command.READ, n, 0, 1) for n in range(many)))
    most = []
    submit = served.shared.submit
    served.shared.submit = lambda access: (submit(access), most.append(len(served.shared.shares["guest"].waiting)))
    turn.set()
    got = [ANSWER.unpack(receive(sock, ANSWER.size + 1)[:-1])[2] for _ in range(many)]
    assert got == list(range(many))
    assert max(most) == nbd.DEPTH
    sock.close()


SERVED_HEADS = st.sampled_from([
    b"", struct.pack(">I", 3), struct.pack(">I", 3) + option(nbd.GO, bytes(6)), struct.pack(">I", 3) + option(nbd.LIST),
    struct.pack(">I", 3) + option(nbd.GO, bytes(6)) + REQUEST.pack(REQUEST_MAGIC, 0, 1, 1, 0, 100),
    struct.pack(">I", 3) + nbd.OPTION_HEAD.pack(nbd.OPTION, nbd.GO, 1 << 31),
    struct.pack(">I", 3) + option(nbd.GO, bytes(6)) + REQUEST.pack(REQUEST_MAGIC, 0, 0, 1, 0, nbd.LARGEST + 1),
])  # fmt: skip


@given(head=SERVED_HEADS, noise=st.binary(max_size=200), kinds=st.lists(st.integers(0, 9), max_size=4))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_client_that_talks_nonsense_never_stops_the_server(served, head, noise, kinds):
    asked = b"".join(REQUEST.pack(REQUEST_MAGIC, 0xFFFF, kind, 0, SIZE - 300, 512) for kind in kinds if kind not in (1, 2))
    with served.connect() as sock:
        sock.sendall(head + asked + noise)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(1 << 16):
            pass
    there = served.disk_there()
    there.write(512, memoryview(noise + b"."))  # at the start of a raw image not everything may be written
    assert read(there, 512, len(noise) + 1) == noise + b"."
    there.close()
    served.until(lambda: not served.server.clients)


def test_what_does_not_speak_nbd_is_said_in_one_line(served):
    too_long = struct.pack(">I", 3) + nbd.OPTION_HEAD.pack(nbd.OPTION, nbd.GO, nbd.LONGEST + 1)
    no_request = struct.pack(">I", 3) + option(nbd.GO, bytes(6)) + bytes(REQUEST.size)
    for head in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", too_long, no_request):
        with served.connect() as sock:
            sock.sendall(head)
            while sock.recv(1 << 16):
                pass
    image = served.image
    assert served.warnings == [
        *[f"guest: disk {image}: what connected does not speak NBD"] * 2, f"guest: disk {image}: a request that is none of NBD's"
    ]  # fmt: skip


def test_when_the_server_goes_the_client_has_an_error(served):
    there = served.disk_there()
    served.ask(served.server.close)
    with pytest.raises(DiskError, match=r"^disk there: (whoever serves it has gone|Broken pipe|Connection reset by peer)$"):
        read(there, 0, 1)
    assert not served.path.exists()
    with pytest.raises(DiskError, match=r"^disk there: No such file or directory$"):
        served.disk_there()


def test_a_server_can_take_the_place_of_one_that_was_closed(served):
    for _ in range(3):
        served.ask(served.server.close)
        served.serve()
        there = served.disk_there()
        assert read(there, 0, 1) == b"\0"
        there.close()
