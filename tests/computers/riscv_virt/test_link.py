"""Machines on one network: cables, and a switch that learns."""

from __future__ import annotations

import pytest

from softmetal.machine.errors import MachineError
from softmetal.machine.link import connect, switch
from softmetal.machine.stop import Stop
from softmetal.machine.waiting import MOST_POSTED
from tests.machine.guests import machine

SPIN = "1: addi s0, s0, 1\n j 1b"
BROADCAST = b"\xff" * 6


def mac(i):
    return bytes([0x52, 0x54, 0, 0, 0, i])


def frame(to, source, text=b""):
    """A record: the header of the card, then the frame."""
    return bytes(10) + (mac(to) if isinstance(to, int) else to) + mac(source) + b"\x08\x00" + text


@pytest.fixture
def three(tmp_path):
    return [machine(tmp_path, SPIN, network=True, mac=mac(i)) for i in range(3)]


def waiting(m):
    """What waits to be taken by a machine's card, and leaves it."""
    found = dict(m.waiting.posted()).get("net", ())
    m.waiting.clear()
    return [bytes(data) for data in found]


def test_a_switch_floods_what_it_does_not_know_and_sends_what_it_knows_to_one_port(three):
    net = switch(*three)
    three[0].sent.append(frame(1, 0))
    assert net.carry() == 1
    assert [waiting(m) for m in three] == [[], [frame(1, 0)], [frame(1, 0)]]
    three[1].sent.append(frame(0, 1, b"answer"))
    net.carry()
    assert [waiting(m) for m in three] == [[frame(0, 1, b"answer")], [], []]
    three[0].sent.append(frame(1, 0, b"again"))
    net.carry()
    assert [waiting(m) for m in three] == [[], [frame(1, 0, b"again")], []]
    three[2].sent.append(frame(BROADCAST, 2))
    net.carry()
    assert [waiting(m) for m in three] == [[frame(BROADCAST, 2)], [frame(BROADCAST, 2)], []]
    assert net.frames == [2, 1, 1]


def test_an_address_that_moves_is_learned_anew_and_what_is_for_its_own_port_goes_nowhere(three):
    net = switch(*three)
    three[0].sent += [frame(BROADCAST, 5), frame(5, 0)]
    net.carry()
    assert [len(waiting(m)) for m in three] == [0, 1, 1]
    three[2].sent.append(frame(BROADCAST, 5))
    three[0].sent.append(frame(5, 0))  # sent before, by the order of ports
    net.carry()
    assert [len(waiting(m)) for m in three] == [1, 1, 0]
    three[0].sent.append(frame(5, 0))
    net.carry()
    assert [len(waiting(m)) for m in three] == [0, 0, 1]


def test_what_a_guest_makes_a_network_keep_is_bounded(three):
    net = switch(*three)
    three[0].sent += [bytes(10) + mac(1) + i.to_bytes(6, "little") + bytes(2) for i in range(0, 20000, 2)]
    net.carry()
    assert len(net._learned) <= 4096
    assert [len(waiting(m)) for m in three] == [0, MOST_POSTED, MOST_POSTED]
    assert net.lost == [0, 10000 - MOST_POSTED, 10000 - MOST_POSTED]


def test_input_for_a_guest_that_does_not_read_is_bounded_and_its_loss_is_reported(tmp_path):
    m = machine(tmp_path, SPIN, display=True)
    for _ in range(MOST_POSTED + 5):
        m.keyboard.key(30, True)
    assert len(dict(m.waiting.posted())["keyboard"]) == MOST_POSTED
    assert m.remarks == ["keyboard: the guest does not read its events; the last ones are lost"]


def test_all_machines_of_a_switch_go_on_together_and_the_one_that_ends_is_named(tmp_path):
    off = "li t0, 0x100000\nli t1, 0x5555\nli t2, 100\n1: addi t2, t2, -1\nbnez t2, 1b\nsw t1, 0(t0)\n2: j 2b"
    texts = [SPIN, SPIN, off]
    machines = []
    for i, text in enumerate(texts):
        (tmp_path / str(i)).mkdir()
        machines.append(machine(tmp_path / str(i), text, network=True, mac=mac(i)))
    net = switch(*machines)
    assert net.run(seconds=0.001) is Stop.OFF
    assert net.ended is machines[2]
    net.close()
    net = switch(*machines[:2])
    assert net.run(seconds=0.001) is Stop.TIME
    assert min(m.clock for m in machines[:2]) >= 1_000_000
    assert net.ended is None


def test_what_cannot_be_put_together_is_refused_in_one_line(three, tmp_path):
    a, b, c = three
    with pytest.raises(MachineError, match="cannot be linked with itself"):
        connect(a, a)
    cable = connect(a, b)
    with pytest.raises(MachineError, match="has a cable already: close"):
        connect(a, c)
    with pytest.raises(MachineError, match="has a cable already: close"):
        switch(c, b)
    assert c.cable is None
    cable.close()
    connect(a, c).close()
    with pytest.raises(MachineError, match="1 machines on a network: give at least two"):
        switch(a)
    with pytest.raises(MachineError, match="two machines have the address 52:54:00:00:00:00: give each its own"):
        switch(a, b, a.fork())
    with pytest.raises(MachineError, match="make it with network=True"):
        connect(a, machine(tmp_path, SPIN))
