"""Real software boots on the virt board: Debian's kernel, OpenSBI, U-Boot, unmodified, as a user would run them."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from softmetal.computers.riscv_virt import Virt
from softmetal.machine.machine import Machine
from softmetal.machine.stop import Stop

OPENSBI = "/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin"
U_BOOT = "/usr/lib/u-boot/qemu-riscv64_smode/u-boot.bin"
U_BOOT_MACHINE = "/usr/lib/u-boot/qemu-riscv64/u-boot.bin"
PROMPT = "~ # "


def packaged(path: str, package: str) -> str:
    """A file of a Debian package, or a skip."""
    if not os.path.exists(path):
        pytest.skip(f"{path} is not there: install {package}")
    return path


def softmetal(*arguments: str, script: str = "", tmp_path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command; with a script for the console."""
    command = [sys.executable, "-m", "softmetal", "run", "--board", "riscv-virt", *arguments]
    if script:
        assert tmp_path is not None
        path = tmp_path / "script"
        path.write_text(script)
        command += ["--script", str(path)]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False)


@pytest.mark.parametrize("cpus", [1, 2, 12])
def test_debian_s_kernel_boots_to_a_shell_on_any_number_of_harts(kernel, cpus):
    m = Machine(Virt(kernel=kernel.image, initrd=kernel.initrd, append="console=ttyS0 quiet", cpus=cpus, memory=256 << 20))
    m.expect(PROMPT)
    m.send("uname -m; nproc; echo $((6 * 7))\n")
    assert re.search(rf"riscv64\s+{cpus}\s+42\s", m.expect(PROMPT))
    m.send("poweroff -f\n")
    assert m.run(seconds=10) is Stop.OFF
    assert not m.unmodelled


def test_the_command_ends_with_0_when_the_guest_powers_off(kernel):
    done = softmetal("--kernel", kernel.image, "--initrd", kernel.initrd, "--append", "console=ttyS0 rdinit=/off", "--strict")
    assert done.returncode == 0, done.stderr
    assert "Linux version " in done.stdout
    assert "reboot: Power down" in done.stdout


def test_a_panic_is_reported_in_one_line_and_by_the_exit_code(kernel):
    done = softmetal("--kernel", kernel.image, "--append", "console=ttyS0 quiet")
    assert done.returncode == 1
    assert "softmetal: the guest panicked: VFS: Unable to mount root fs" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_gzipped_kernel_boots_too(kernel, tmp_path):
    path = tmp_path / "Image.gz"
    path.write_bytes(gzip.compress(Path(kernel.image).read_bytes(), 1))
    done = softmetal("--kernel", str(path), "--initrd", kernel.initrd, "--append", "console=ttyS0 quiet rdinit=/off")
    assert done.returncode == 0, done.stderr


def test_opensbi_starts_the_kernel(kernel):
    opensbi = packaged(OPENSBI, "opensbi")
    append = "console=ttyS0 rdinit=/off"
    done = softmetal("--bios", opensbi, "--kernel", kernel.image, "--initrd", kernel.initrd, "--append", append, "--cpus", "2")
    assert done.returncode == 0, done.stderr
    assert "OpenSBI v" in done.stdout
    assert "reboot: Power down" in done.stdout


@pytest.mark.parametrize("with_opensbi", [True, False])
def test_u_boot_comes_to_its_prompt(tmp_path, with_opensbi):
    if with_opensbi:
        firmware = ["--bios", packaged(OPENSBI, "opensbi"), "--kernel", packaged(U_BOOT, "u-boot-qemu")]
    else:
        firmware = ["--bios", packaged(U_BOOT_MACHINE, "u-boot-qemu")]
    script = "expect Hit any key\ntype x\nexpect =>\nsend version\nexpect U-Boot 20\nexpect =>\nsend poweroff\n"
    done = softmetal(*firmware, script=script, tmp_path=tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout


def test_a_debian_tree_on_a_disk_runs_python_and_keeps_what_is_written(kernel, root, tmp_path):
    if shutil.which("mke2fs") is None:
        pytest.skip("mke2fs is not there: install e2fsprogs")
    from softmetal.host.disks import open_disk

    disk = tmp_path / "root.img"
    with disk.open("wb") as file:
        file.truncate(1500 << 20)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", str(root), str(disk)], check=True)
    append = "console=ttyS0 quiet root=/dev/vda rw init=/bin/bash"
    for number in (1, 2):
        backend = open_disk(str(disk))
        try:
            m = Machine(Virt(kernel=kernel.image, initrd=kernel.initrd, append=append, disks=(backend,)))
            m.expect(r":/# ")
            m.send("python3 -c 'print(6*7)' | tee -a /kept; sync; wc -l </kept; echo done\n")
            assert re.search(rf"42\s+{number}\s+done\s", m.expect(r"\ndone\s+.*# ")), m.console.text[-500:]
        finally:
            backend.close()


def test_a_shared_directory_is_mounted_and_read_only(kernel, tmp_path):
    (tmp_path / "hello").write_text("from the host\n")
    script = (
        f"expect {PROMPT}\nsend load 9pnet_virtio 9p; mount -t 9p -o trans=virtio,version=9p2000.L here /mnt\n"
        f"expect {PROMPT}\nsend cat /mnt/hello; touch /mnt/new || echo refused\nexpect from the host\nexpect refused\n"
        f"expect {PROMPT}\nsend poweroff -f\n"
    )
    share = tmp_path / "share"
    share.mkdir()
    shutil.move(tmp_path / "hello", share / "hello")
    done = softmetal(
        "--kernel", kernel.image, "--initrd", kernel.initrd, "--append", "console=ttyS0 quiet", "--share", f"{share}:here",
        script=script, tmp_path=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout[-1000:]
    assert not (share / "new").exists()


def test_a_screen_shows_the_kernel_s_console(kernel, tmp_path):
    picture = tmp_path / "screen.png"
    script = f"expect {PROMPT}\nsend load virtio_gpu; sleep 1; echo $((40 + 2))\nexpect 42\n"
    done = softmetal(
        "--kernel", kernel.image, "--initrd", kernel.initrd, "--append", "console=tty0 console=ttyS0",
        "--screenshot", str(picture), script=script, tmp_path=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(picture.read_bytes()) > 5000, "an empty screen packs into less"
