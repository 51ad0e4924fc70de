"""Three engines in one lab: computers of our own, QEMU and user-mode Linux with one disk, one network and one instrument."""

from __future__ import annotations

import os
import signal

import pytest

from softmetal.lab.lab import Lab
from tests.host.instrument import Instrument

from .test_lab import _is_layer

pytestmark = pytest.mark.timeout(300)

THREE = """
[hardware.store]
path = "store.img"
size = "96M"
[hardware.scale]
kind = "serial"
path = "{scale}"
policy = "exclusive"
frame = {{ ends = "\\r\\n" }}
max_hold = 1
quiet = 0.02
[machines.risc]
kernel = "{riscv}/Image"
initrd = "{riscv}/initrd"
append = "console=ttyS0 quiet"
copies = 2
uses = ["store:16M", "net:lan", "scale"]
[machines.pc]
engine = "qemu"
kernel = "{others}/vmlinuz"
initrd = "{others}/initrd"
append = "console=ttyS0 quiet panic=-1"
copies = 2
uses = ["store:16M", "net:lan", "scale"]
[machines.um]
engine = "uml"
initrd = "{others}/initrd.uml"
append = "quiet panic=-1"
memory = "128M"
copies = 2
uses = ["store:16M", "net:lan", "scale"]
"""
PORT = {"risc": "/dev/hvc0", "pc": "/dev/ttyS1", "um": "/dev/hvc0"}
TRANSACTIONS = int(os.environ.get("SOFTMETAL_TRANSACTIONS", "40"))
"""Of each guest with the instrument."""
TALK = (
    "exec 3<>{port}; stty raw -echo <&3; i=0; bad=0; while [ $i -lt {count} ]; do printf '{name}:%d\\r\\n' $i >&3; "
    'read -r line <&3; case "$line" in {name}:$i=*) ;; *) bad=$((bad+1));; esac; i=$((i+1)); done; echo DO\'\'NE $bad\n'
)


@pytest.fixture
def instrument():
    made = Instrument(silent=("mute",))
    yield made
    made.close()


@pytest.fixture
def lab(tmp_path, riscv, others, instrument, monkeypatch):
    monkeypatch.setenv("SOFTMETAL_UML", f"{others}/linux")
    path = tmp_path / "lab.toml"
    path.write_text(THREE.format(riscv=riscv, others=others, scale=instrument.path))
    with Lab(path) as made:
        for name in made:
            made[name].expect("built-in (shell|commands)[^#]*#")
        yield made


def kind(name):
    return name.rstrip("12")


def three_engines_share(lab, instrument):
    names = list(lab)
    for number, name in enumerate(names, 1):
        lab[name].execute(f"ip link set eth0 up; ip addr add 10.0.0.{number}/24 dev eth0")
    for name in names:
        for number in range(1, 7, 2):
            if names[number - 1] != name:
                assert lab[name].execute(f"ping -c 1 -w 10 10.0.0.{number}")[0] == 0, (name, number)
    for name in names:
        code, text = lab[name].execute(
            "dd if=/dev/urandom of=/tmp/x bs=64k count=16; dd if=/tmp/x of=/dev/vda bs=64k conv=fsync;"
            " echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vda of=/tmp/y bs=64k count=16; cmp /tmp/x /tmp/y"
        )  # fmt: skip
        assert code == 0, (name, text)

    # one that holds too long, one that leaves the queue, one that dies in the middle of a transaction
    lab["risc2"].send(f"exec 3<>{PORT['risc']}; stty raw -echo <&3; printf 'mute:1\\r\\n' >&3\n")
    instrument.wait(1)
    lab["um2"].send(f"exec 3<>{PORT['um']}; stty raw -echo <&3; printf 'um2:1\\r\\n' >&3\n")
    while "um2" not in lab.call("status")["scale"]["queue"]:
        pass
    assert lab.call("leave", hardware="scale", name="um2")
    lab["pc2"].send(f"exec 3<>{PORT['pc']}; stty raw -echo <&3; printf 'mute:2\\r\\n' >&3\n")
    for name in ("risc1", "pc1", "um1"):
        lab[name].send(TALK.format(port=PORT[kind(name)], name=name, count=TRANSACTIONS))
    instrument.wait(2)
    lab["pc2"].kill()
    for name in ("risc1", "pc1", "um1"):
        assert lab[name].expect(r"DONE \d+").endswith("DONE 0"), name
    assert instrument.garbled == []
    for name in ("risc1", "pc1", "um1"):
        assert [i for n, i in instrument.log if n == name] == list(range(TRANSACTIONS))
    assert ("um2", 1) not in instrument.log
    accounts = lab.call("status")["scale"]["accounts"]
    assert accounts["um1"]["accesses"] == TRANSACTIONS
    assert lab.call("ps")[3]["state"] == "ended"


def a_host_layer_that_is_killed_loses_no_flushed_write(lab):
    machine = lab["pc1"]
    machine.send(
        "i=0; while [ $i -lt 40 ]; do dd if=/dev/zero bs=4k count=1 2>/dev/null | tr '\\0' \"\\\\$(printf %03o $((i+1)))\" |"
        " dd of=/dev/vda bs=4k seek=$i conv=fsync 2>&1 | grep -i error; echo wrote $i; i=$((i+1)); done; echo DO''NE\n"
    )
    machine.expect("wrote 5\r")
    for _ in range(2):
        [layer] = [p for p in os.listdir("/proc") if p.isdigit() and _is_layer(p, lab.folder)]
        os.kill(int(layer), signal.SIGKILL)
        machine.expect(r"wrote \d+\r")
        machine.expect(r"wrote \d+\r")
    assert "error" not in machine.expect("DONE", 120)
    [use] = [u for u in lab.call("ps") if u["name"] == "pc1"]
    assert use["state"] == "running"
    image = (lab.file.parent / "store.img").read_bytes()
    start = 2 * (16 << 20)  # behind the parts of the two before it
    for i in range(40):
        assert image[start + 4096 * i : start + 4096 * (i + 1)] == bytes([i + 1]) * 4096, i


def test_three_engines_share_a_disk_a_network_and_an_instrument_and_survive_their_host_layer(lab, instrument):
    three_engines_share(lab, instrument)
    a_host_layer_that_is_killed_loses_no_flushed_write(lab)
