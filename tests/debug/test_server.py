"""The server for GDB's protocol, spoken to by hand."""

from __future__ import annotations

import contextlib
import random
import socket

import pytest

from softmetal.computers.riscv_virt.gdb import description
from softmetal.debug.gdb import GdbServer, Killed
from tests.machine.guests import COUNTER, START, machine


def framed(body):
    return b"$" + body + b"#%02x" % (sum(body) & 255)


class Client:
    """A debugger by hand, in the thread in which the machine runs."""

    def __init__(self, server):
        self.server = server
        self.socket = socket.create_connection(("127.0.0.1", server.port))
        self.socket.setblocking(False)
        server.advance(0)
        self.received = b""

    def send(self, data):
        self.socket.sendall(data)

    def answer(self, turns=50):
        """The next packet; None where none comes."""
        for _ in range(turns):
            with contextlib.suppress(BlockingIOError):
                self.received += self.socket.recv(1 << 17)
            start = self.received.find(b"$")
            end = self.received.find(b"#", start)
            if 0 <= start < end and len(self.received) >= end + 3:
                packet, self.received = self.received[start + 1 : end], self.received[end + 3 :]
                return packet
            self.server.advance(1000)
        return None

    def ask(self, body):
        self.send(framed(body))
        return self.answer()


def test_a_second_gdb_is_refused_and_the_first_goes_on(server):
    first = Client(server)
    assert first.ask(b"?")
    second = Client(server)
    assert second.answer() == b"E.another GDB is connected"
    second.socket.setblocking(True)
    second.socket.settimeout(10)
    assert second.socket.recv(100) == b""
    assert first.ask(b"qAttached") == b"1"


@pytest.fixture
def m(tmp_path):
    return machine(tmp_path, COUNTER, cpus=2)


@pytest.fixture
def server(m):
    with GdbServer(m) as made:
        yield made


@pytest.fixture
def client(server):
    made = Client(server)
    yield made
    made.socket.close()


def test_nothing_runs_before_a_debugger_has_come_and_said_so(m, server):
    for _ in range(3):
        server.advance(1000)
    assert m.position == 0
    client = Client(server)
    assert client.ask(b"?") == b"T05thread:1;"
    assert m.position == 0
    client.send(framed(b"vCont;c"))
    assert client.answer(5) is None
    assert m.position > 0
    client.socket.close()


def test_its_features_are_reported(client):
    reported = client.ask(b"qSupported:swbreak+;hwbreak+").split(b";")
    for feature in (b"qXfer:features:read+", b"swbreak+", b"hwbreak+", b"ReverseStep+", b"ReverseContinue+", b"QStartNoAckMode+"):
        assert feature in reported
    assert client.ask(b"vCont?") == b"vCont;c;C;s;S"
    assert client.ask(b"vMustReplyEmpty") == b""
    assert client.ask(b"qfThreadInfo") == b"m1,2"
    assert client.ask(b"qsThreadInfo") == b"l"


def test_the_description_comes_in_pieces(client):
    whole, size = "", 1000
    while True:
        piece = client.ask(b"qXfer:features:read:target.xml:%x,%x" % (len(whole), size)).decode()
        whole += piece[1:]
        if piece[0] == "l":
            break
    assert whole == description()


def test_a_packet_is_acknowledged_and_a_damaged_one_asked_for_again(client):
    client.send(b"$?#00")
    assert client.answer(3) is None
    assert client.received == b"-"
    client.send(framed(b"?"))
    assert client.answer() == b"T05thread:1;"
    client.send(b"-")  # the last one is sent again
    assert client.answer() == b"T05thread:1;"


def test_ctrl_c_stops_a_running_machine(m, client):
    client.send(framed(b"vCont;c"))
    assert client.answer(5) is None
    client.send(b"\x03")
    assert client.answer() == b"T02thread:1;"
    here = m.position
    client.server.advance(1000)
    assert m.position == here


def test_memory_is_read_and_written_with_escapes(m, client):
    assert client.ask(b"M80001000,4:01020304") == b"OK"
    assert client.ask(b"m80001000,4") == b"01020304"
    assert client.ask(b"X80001000,3:}\x03}\x04}]") == b"OK"
    assert m.memory[START + 0x1000 : START + 0x1004] == b"#$}\x04"
    assert client.ask(b"m10000000,4") == b"E0e"
    assert client.ask(b"m80fffffc,8") == m.memory[START + 0xFFFFFC : START + 0x1000000].hex().encode()  # as far as it goes
    assert client.ask(b"M80fffffc,8:0000000000000000") == b"E0e"


def test_registers_are_read_and_written_by_number(m, client):
    assert client.ask(b"P5=" + (1234).to_bytes(8, "little").hex().encode()) == b"OK"
    assert m.cpu.regs["t0"] == 1234
    assert client.ask(b"g")[5 * 16 : 6 * 16] == (1234).to_bytes(8, "little").hex().encode()
    assert client.ask(b"p0") == b"0" * 16
    assert client.ask(b"p20") == START.to_bytes(8, "little").hex().encode()
    assert client.ask(b"Hg2") == b"OK"
    assert client.ask(b"p%x" % (65 + 0xF14)) == (1).to_bytes(8, "little").hex().encode()  # mhartid
    assert client.ask(b"P%x=00" % (65 + 0xF14)) == b"E06"
    assert client.ask(b"P%x=3412000000000000" % (65 + 0x340)) == b"OK"  # mscratch
    assert (m.cpus[0].mscratch, m.cpus[1].mscratch) == (0, 0x1234)
    assert client.ask(b"p%x" % (65 + 0x7FF)) == b"E06"
    assert client.ask(b"p1042") == b"E06"


def test_to_look_at_registers_changes_nothing(m, client):
    before = m.hash()
    for hart in (b"1", b"2"):
        client.ask(b"Hg" + hart)
        for number in range(4162):
            if number < 70 or (number - 65) & 0xF00 in (0x100, 0x300, 0xB00, 0xC00, 0xF00) or number > 4159:
                client.server._answer(b"p%x" % number)
    assert m.hash() == before


def test_a_debugger_that_leaves_takes_its_hooks_along_and_another_may_come(m, server):
    first = Client(server)
    assert first.ask(b"Z0,80000000,4") == b"OK"
    assert first.ask(b"Z2,80001000,8") == b"OK"
    assert len(m.debug.hooks) == 2
    first.socket.close()
    server.advance(1000)
    assert m.debug.hooks == ()
    assert m.position == 0
    second = Client(server)
    assert second.ask(b"D") == b"OK"
    server.advance(1000)
    assert m.position > 0
    second.socket.close()


def test_kill_ends_the_machine(client):
    client.send(framed(b"k"))
    with pytest.raises(Killed):
        client.server.advance(1000)


@pytest.mark.parametrize("seed", range(4))
def test_no_packet_can_break_the_server(server, seed):
    chance = random.Random(seed)
    client = Client(server)
    letters = b"qQ?HTgGpPmMXZzcsCSvbDBRxyF!"
    pieces = [b"qRcmd,", b"vCont;", b"qXfer:features:read:", b"target.xml:", b"Z0,", b"80000000", b"ffffffffffffffff", b"-1"]
    pieces += [b",", b":", b";", b"=", b"1", b"0", b"4", b"s", b"c", b"}", b"*", b"\xff", b"\x00", b"67"]
    for _ in range(150):
        body = bytes([chance.choice(letters)]) * chance.randrange(2) + b"".join(chance.choices(pieces, k=chance.randrange(6)))
        try:
            client.send(framed(body))
            server.advance(50)
            server.advance(50)
            client.answer(1)
        except (BrokenPipeError, ConnectionResetError):
            client = Client(server)
        if server._link is None:  # GDB has detached
            client = Client(server)
    client.send(b"\x03")
    client.answer(3)
    while client.answer(2) is not None:
        pass
    assert client.ask(b"qC").startswith(b"QC")
