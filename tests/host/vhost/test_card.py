"""Network cards over vhost-user: frames between guests through the switch, whole, and only to whom they are for."""

from __future__ import annotations

import asyncio
import threading

import pytest

from softmetal.chips.virtio.net import HEADER
from softmetal.host.network import Network, start_capture
from softmetal.host.vhost.card import CardBackend, CardPort
from softmetal.host.vhost.server import Listener
from tests.chips.virtio.bed import SIZE

from .frontend import FrontEnd

RX, TX = 0, 1
GUESTS = "abc"
IN_GUEST = 12  # bytes of the header there


def mac(name):
    return b"\x02\0\0\0\0" + name.encode()


class Guest(FrontEnd):
    """A guest with its card; frames that come in lie in buffers of `length` bytes."""

    def __init__(self, path, length=2048):
        super().__init__(path, queues=2)
        self.length = length
        self.buffers = {}
        self.up()
        for first in range(8):
            self.offer_room(first)
        self.kick(RX)
        self.sync()
        self.sync()

    def offer_room(self, first):
        if first not in self.buffers:
            self.buffers[first] = self.space(self.length)
        self.offer([self.buffers[first]], RX, first)

    def transmit(self, frame, header=bytes(IN_GUEST)):
        at = self.heap
        self.send([self.buffer(header), self.buffer(frame)], TX)
        self.wait(TX)
        self.heap = at

    def receive(self):
        """What came, headers included; buffers are given again."""
        found = []
        for head, written in self.wait(RX):
            found.append(self.content(self.buffers[head])[:written])
            self.offer_room(head)
        self.kick(RX)
        return found


@pytest.fixture
def net(tmp_path):
    loop = asyncio.new_event_loop()
    made = Network("lan")
    made.warnings = []
    made.cards = {n: CardPort(n) for n in GUESTS}
    listeners = []
    for name, port in made.cards.items():
        made.join(port)

        def backend(name=name, port=port):
            return CardBackend(name, made, port, mac(name), made.warnings.append)

        listeners.append(Listener(tmp_path / name, backend, loop, made.warnings.append))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield made

    def end():
        for listener in listeners:
            listener.close()
        loop.stop()

    loop.call_soon_threadsafe(end)
    thread.join()
    loop.close()


@pytest.fixture
def guests(net, tmp_path):
    made = {n: Guest(str(tmp_path / n)) for n in GUESTS}
    yield made
    for guest in made.values():
        guest.close()


def frame(to, origin, size=100):
    return (to + origin + b"\x08\0").ljust(size, b"x")


def quiet(guest):
    guest.sync()
    return guest.back(RX) == []


def test_the_card_has_its_address(guests):
    assert guests["a"].config(0, 6) == mac("a")


def test_a_frame_goes_to_whom_it_is_for_once_that_is_known(guests):
    a, b, c = (guests[n] for n in GUESTS)
    hello = frame(b"\xff" * 6, mac("b"))
    b.transmit(hello)
    assert [g.receive()[0][IN_GUEST:] for g in (a, c)] == [hello, hello]
    text = frame(mac("b"), mac("a"), 1514)
    a.transmit(text)
    assert b.receive()[0][IN_GUEST:] == text
    assert quiet(c)
    assert quiet(a)


def test_a_segment_without_checksum_arrives_as_it_was_sent(guests):
    a, b = guests["a"], guests["b"]
    b.transmit(frame(b"\xff" * 6, mac("b")))
    a.receive()
    header = b"\x01\x01" + (54).to_bytes(2, "little") + (1448).to_bytes(2, "little") + b"\x22\0\x10\0" + b"\0\0"
    text = frame(mac("b"), mac("a"), 9000)
    a.transmit(text, header)
    parts = b.receive()
    assert parts[0][:10] == header[:10]
    count = int.from_bytes(parts[0][10:12], "little")
    assert count == 5
    assert parts[0][IN_GUEST:] + b"".join(parts[1:]) == text


def test_a_guest_without_buffers_loses_what_does_not_fit_and_harms_nobody(net, guests):
    a, b, c = (guests[n] for n in GUESTS)
    b.transmit(frame(b"\xff" * 6, mac("b")))
    c.receive()
    for _ in range(1500):
        a.transmit(frame(mac("b"), mac("a")))
    a.sync()
    assert net.cards["b"].lost == 0  # the ring of the card has room for them
    a.transmit(frame(b"\xff" * 6, mac("a")))
    assert c.receive()


def test_what_a_port_sends_and_gets_can_be_captured(net, guests, tmp_path):
    start_capture(net.cards["a"], tmp_path / "a.pcap")
    hello = frame(b"\xff" * 6, mac("a"), 60)
    guests["a"].transmit(hello)
    guests["b"].receive()
    data = (tmp_path / "a.pcap").read_bytes()
    assert data[:4] == b"\x4d\x3c\xb2\xa1"
    assert data[24 + 8 : 24 + 16] == (60).to_bytes(4, "little") * 2
    assert data[24 + 16 :] == hello


def test_a_guest_that_goes_is_forgotten_and_may_come_again(net, guests, tmp_path):
    a, b = guests["a"], guests["b"]
    b.transmit(frame(b"\xff" * 6, mac("b")))
    a.receive()
    b.close()
    a.transmit(frame(mac("b"), mac("a")))
    a.sync()
    guests["b"] = Guest(str(tmp_path / "b"))
    a.transmit(frame(mac("b"), mac("a")))
    assert guests["b"].receive()[0][IN_GUEST:] == frame(mac("b"), mac("a"))


def test_a_broken_ring_stops_the_card_and_says_so(net, guests):
    a = guests["a"]
    a.poke(a.desc(TX), (SIZE << 20).to_bytes(8, "little") + (60).to_bytes(4, "little") + bytes(4))
    a.offer_head(0, TX)
    a.kick(TX)
    a.sync()
    a.sync()
    assert net.warnings == ["a: its driver put into a ring of the network card what no driver may; it stops"]


def test_headers_have_the_length_that_records_have():
    assert HEADER == 10
