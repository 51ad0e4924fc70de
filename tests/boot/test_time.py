"""Recording, replaying and going back, with Debian's own kernel."""

from __future__ import annotations

import hashlib
import random
import re

import pytest

from softmetal.computers.riscv_virt import Virt
from softmetal.machine.link import connect
from softmetal.machine.machine import Identity, Machine
from softmetal.machine.replay import Recording, replay
from softmetal.machine.stop import Stop
from tests.boot.kernels import debian

MIB = 1 << 20
POINTS = 200


def computer(append: str = "console=ttyS0", **parts) -> Machine:
    kernel, initrd = debian()
    return Machine(Virt(kernel=kernel, initrd=initrd, append=append, **{"memory": 256 * MIB, **parts}))


@pytest.mark.parametrize("cpus", [1, 2])
def test_snapshots_at_random_points_of_a_boot_go_on_with_the_same_hashes(cpus):
    off = "console=ttyS0 rdinit=/off"
    m = computer(off, cpus=cpus)
    assert m.run() is Stop.OFF
    end, last = m.position, m.hash()
    dice = random.Random(cpus)
    points = sorted(dice.sample(range(end), POINTS))
    m = computer(off, cpus=cpus)
    kept = []
    for at in points:
        m.run(insns=at - m.position)
        kept.append((m.snapshot(), m.hash()))
    m.run()
    assert (m.position, m.hash()) == (end, last)
    for i in dice.sample(range(POINTS), POINTS):
        snap, digest = kept[i]
        m.restore(snap)
        assert m.hash() == digest, points[i]
        if i + 1 < POINTS:
            m.run(insns=points[i + 1] - m.position)
        else:
            m.run()
        assert m.hash() == (kept[i + 1][1] if i + 1 < POINTS else last), points[i]


def test_a_hundred_million_instructions_have_the_same_hashes_however_they_are_cut():
    whole, cut = computer(cpus=2), computer(cpus=2)
    clock = 0
    for _ in range(100):
        whole.run(insns=1_000_000)
        while cut.position < whole.position:
            clock += 12_345
            cut.advance(min(77_777, whole.position - cut.position), max(clock, cut.clock))
        assert whole.hash() == cut.hash()


def test_a_recorded_session_is_replayed(tmp_path):
    m = computer(network=True)
    r = m.record(str(tmp_path / "log"))
    m.expect("# ")
    m.send("cat /proc/sys/kernel/random/uuid\n")
    m.expect(r"-[0-9a-f]{12}\r\n")
    m.run(seconds=1)
    r.close()
    recording = Recording(str(tmp_path / "log"))
    twin = recording.machine()
    assert replay(recording, twin) is Stop.END
    assert twin.console.output == m.console.output
    assert twin.hash() == m.hash()


def test_clones_with_identities_draw_other_random_numbers_and_one_s_future_is_its_own():
    m = computer(network=True)
    m.expect("# ")
    clones = [m.fork(Identity(name)) for name in ("a", "b", "a")] + [m.fork(), m.fork()]
    drawn = []
    for clone in clones:
        clone.send("cat /proc/sys/kernel/random/uuid\n")
        drawn.append(re.findall(r"[0-9a-f-]{36}", clone.expect(r"-[0-9a-f]{12}\r\n"))[-1])
    assert drawn[0] == drawn[2]
    assert drawn[3] == drawn[4]
    assert len({*drawn}) == 3


def test_back_in_a_shell_by_one_instruction_and_to_the_kernel_s_last_write():
    m = computer()
    m.keep_timeline()
    m.expect("# ")
    here, digest = m.position, m.hash()
    m.rewind()
    assert m.position == here - 1
    m.goto(here // 2)
    m.goto(here)
    assert m.hash() == digest
    sp = m.cpu.regs["sp"]
    found = m.last_write(sp, 8)
    assert m.hash() == digest
    if found is not None:
        m.goto(found)
        m.step()
    m.goto(here)
    assert m.hash() == digest


def test_linked_machines_reach_each_other_in_the_same_way_each_time():
    def session():
        machines = []
        for i in (1, 2):
            m = computer(network=True, mac=bytes([0x52, 0x54, 0, 0, 0, i]))
            m.expect("# ")
            m.send(f"ip addr add 10.0.0.{i}/24 dev eth0; ip link set eth0 up; echo D\\ONE\n")
            m.expect("DONE\r\n")
            machines.append(m)
        link = connect(*machines)
        machines[0].send("ping -c 3 -i 0.2 10.0.0.2\n")
        stop = link.run(seconds=5, until=lambda: machines[0].console.match(r"3 packets received, 0% packet loss"))
        assert stop is Stop.UNTIL, machines[0].console.text[-300:]
        machines[1].send("nc -l -p 5001 | md5sum\n")
        link.run(seconds=0.2)
        machines[0].send("head -c 500000 /dev/zero | nc 10.0.0.2 5001\n")
        stop = link.run(seconds=5, until=lambda: machines[1].console.match(hashlib.md5(bytes(500000)).hexdigest()))
        assert stop is Stop.UNTIL, machines[1].console.text[-300:]
        return [m.hash() for m in machines]

    assert session() == session()
