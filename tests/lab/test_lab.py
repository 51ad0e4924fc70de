"""Labs of our own machines: what people ask of them, what is shared, and that nothing is left behind whatever ends them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from softmetal.lab import LabError
from softmetal.lab.lab import Lab

pytestmark = pytest.mark.timeout(240)

TWO = """
[hardware.store]
path = "store.img"
size = "64M"
[machines.m]
kernel = "{riscv}/Image"
initrd = "{riscv}/initrd"
append = "console=ttyS0 quiet"
memory = "128M"
copies = 2
uses = ["store:16M", "net:lan"]
"""


@pytest.fixture
def file(tmp_path, riscv):
    path = tmp_path / "lab.toml"
    path.write_text(TWO.format(riscv=riscv))
    return path


def alive(pid):
    """Does a process run? One that has ended and was not waited for does not."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(condition, seconds=20):
    """Until something is so; processes end when they end."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        os.sched_yield()


def boot(lab):
    for name in lab:
        lab[name].expect("built-in shell")


def command(*words, file):
    words = [words[0], "-f", str(file), *words[1:]]
    return subprocess.run([sys.executable, "-m", "softmetal", *words], capture_output=True, text=True, check=False)


def test_two_machines_share_a_disk_and_a_network_and_obey(file):
    with Lab(file) as lab:
        boot(lab)
        assert [row["state"] for row in lab.call("ps")] == ["running"] * 2
        for number, name in enumerate(lab, 1):
            address = f"ip link set eth0 up; ip addr add 10.0.0.{number}/24 dev eth0"
            assert lab[name].execute(f"{address}; cat /sys/block/vda/size") == (0, f"{16 << 11}\n")
        assert lab["m1"].execute("ping -c 1 10.0.0.2")[0] == 0
        for name in lab:
            assert lab[name].execute(f"echo {name} > /tmp/x; dd if=/tmp/x of=/dev/vda conv=fsync,sync 2>/dev/null")[0] == 0
        image = (file.parent / "store.img").read_bytes()
        assert (image[:3], image[16 << 20 :][:3]) == (b"m1\n", b"m2\n")
        assert lab["m2"].execute("false")[0] == 1
        accounts = lab.call("status")["store"]["accounts"]
        assert accounts["m1"]["bytes"] > 0
        assert accounts["m2"]["accesses"] > 0

        _survives_its_host_layer(lab)

        lab["m1"].pause()
        assert lab["m1"].state == "paused"
        with pytest.raises(LabError, match="machine m1 did not show 'never'"):
            lab["m1"].expect("never", 0.1)
        lab["m1"].resume()
        assert lab["m1"].execute("echo on")[1] == "on\n"

        lab["m2"].kill()
        assert lab["m2"].state == "ended"
        with pytest.raises(LabError, match="machine m2 does not run: it is ended"):
            lab["m2"].send("x")
        assert lab["m1"].execute("echo still")[1] == "still\n"
        lab["m2"].restart()
        lab["m2"].expect("built-in shell")
        lab["m2"].stop()
        assert lab["m2"].state == "ended"
        with pytest.raises(LabError, match="there is no machine 'm3'; there are m1, m2"):
            lab["m3"]
    assert not lab.running


def test_the_commands_do_what_they_say(file, tmp_path):
    assert command("ps", file=file).stderr == f"softmetal ps: the lab of {file} does not run: softmetal up starts it\n"
    assert command("up", "-d", file=file).returncode == 0
    try:
        lab = Lab(file)
        assert command("exec", "m2", "uname -m", file=file).stdout == "riscv64\n"  # it waits until there is a shell
        lab["m1"].expect("built-in shell")
        assert command("up", "-d", file=file).stderr == "softmetal up: this lab is running already\n"
        assert [line.split()[:4] for line in command("ps", file=file).stdout.splitlines()[1:]] == [
            ["m1", "softmetal", "riscv64", "running"], ["m2", "softmetal", "riscv64", "running"]
        ]  # fmt: skip
        done = command("exec", "m1", "echo", "hello;", "exit_code() { return 3; }; exit_code", file=file)
        assert (done.stdout, done.returncode) == ("hello\n", 3)
        assert "built-in shell" in command("logs", "m1", file=file).stdout
        assert "store" in command("top", "--once", file=file).stdout
        assert 'softmetal_machine_up{machine="m1"} 1' in command("top", "--prometheus", file=file).stdout
        for name in ("t.json", "t.svg"):
            assert command("trace", "-o", str(tmp_path / name), file=file).returncode == 0
            assert (tmp_path / name).stat().st_size > 100
        assert "a riscv64 computer of our own" in command("explain", file=file).stdout
        assert command("kill", "m9", file=file).stderr == "softmetal kill: there is no machine 'm9'; there are m1, m2\n"
        assert "there is no exclusive hardware 'store'" in command("release", "store", file=file).stderr
        lab.close()
    finally:
        assert command("down", file=file).returncode == 0
    assert command("down", file=file).returncode == 1


def test_nothing_is_left_when_the_supervisor_is_killed(file, runtime):
    lab = Lab(file)
    lab.up()
    pids = [row["pid"] for row in lab.call("ps")]
    lab.close()
    os.kill(lab._child.pid, signal.SIGKILL)
    lab._child.wait()
    until(lambda: not any(map(alive, pids)))
    until(lambda: not any((runtime / "softmetal").iterdir()))


def test_nothing_is_left_when_whoever_started_it_is_killed(file, runtime):
    text = f"from softmetal.lab.lab import Lab\nwith Lab({str(file)!r}) as lab:\n    print('up', flush=True)\n    input()"
    with subprocess.Popen([sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"up\n"
        process.kill()
    until(lambda: not any((runtime / "softmetal").iterdir()))


def _survives_its_host_layer(lab):
    """A host layer that is killed while a machine writes comes back; no write fails, and the network works."""
    machine = lab["m1"]
    machine.send("i=0; while [ $i -lt 60 ]; do echo $i; dd if=/dev/zero of=/dev/vda bs=64k seek=$i count=1 conv=fsync 2>&1")
    machine.send(" | grep -q error && echo BAD; i=$((i+1)); done; echo DO''NE\n")
    machine.expect("\n3\r")
    [layer] = [p for p in os.listdir("/proc") if p.isdigit() and _is_layer(p, lab.folder)]
    os.kill(int(layer), signal.SIGKILL)
    assert "BAD" not in machine.expect("DONE", 100)
    assert any("the host layer ended (killed by SIGKILL) and is started again" in w for w in lab.call("take_warnings"))
    assert machine.execute("ping -c 3 10.0.0.2")[0] == 0


def _is_layer(pid, folder):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return b"softmetal.host.layer" in words and os.fsencode(folder) in words


def test_a_lab_that_cannot_start_says_why_and_leaves_nothing(tmp_path, riscv):
    path = tmp_path / "lab.toml"
    path.write_text(TWO.format(riscv=riscv).replace('path = "store.img"\nsize = "64M"', f'path = "{tmp_path}/none.img"'))
    with pytest.raises(LabError, match=r"^disk .*none\.img: there is no such file$"):
        Lab(path).up()
    path.write_text(TWO.format(riscv="/nowhere"))
    with Lab(path) as lab:
        until(lambda: lab["m1"].state == "ended")
        until(lambda: any("/nowhere/Image" in w for w in lab.call("take_warnings")))
