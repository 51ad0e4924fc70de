"""xv6-riscv, unmodified, and its own tests: built with the cross compiler from what SOFTMETAL_XV6 names, or what git fetches.

Source: mit-pdos/xv6-riscv; it is made for the machine whose name our board has, without firmware.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from softmetal.computers.riscv_virt import Virt
from softmetal.host.disks import open_disk
from softmetal.machine.machine import Machine
from tests.boot.lines import follow

SOURCES = "https://github.com/mit-pdos/xv6-riscv"
CROSS = "riscv64-linux-gnu-"


@cache
def built(folder: str) -> str:
    """Where kernel and file system are, or why they are not."""
    given, work = os.environ.get("SOFTMETAL_XV6"), Path(folder) / "xv6"
    if not shutil.which(f"{CROSS}gcc") or not shutil.which("make"):
        return f"needs {CROSS}gcc and make"
    if given:
        shutil.copytree(given, work, symlinks=True)
    else:
        command = ["git", "clone", "--quiet", "--depth", "1", SOURCES, str(work)]
        try:
            fetched = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
            why = (fetched.stderr.strip().splitlines() or ["git failed"])[-1] if fetched.returncode else ""
        except (OSError, subprocess.TimeoutExpired) as error:
            why = str(error)
        if why:
            return f"no sources of xv6: {why}; SOFTMETAL_XV6 may name a folder with them"
    made = subprocess.run(
        ["make", f"TOOLPREFIX={CROSS}", "kernel/kernel", "fs.img"], cwd=work, capture_output=True, text=True, check=False
    )
    return f"xv6 is not built: {made.stderr.strip().splitlines()[-1:]}" if made.returncode else ""


@pytest.fixture(scope="module")
def xv6(tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    why = built(str(folder))
    if why:
        pytest.skip(why)
    return folder / "xv6"


def boot(xv6, cpus):
    disk = open_disk(f"{xv6}/fs.img,overlay")
    m = Machine(Virt(kernel=f"{xv6}/kernel/kernel", bios="none", memory=128 << 20, cpus=cpus, disks=(disk,)))
    m.expect("init: starting sh\n\\$ ", seconds=60)
    return m


def close(m):
    assert not m.unmodelled
    assert not m.remarks
    for disk in m.computer.disks:
        disk.close()


@pytest.mark.parametrize("cpus", [1, 3])
def test_xv6_boots_to_its_shell_and_reads_its_disk(xv6, cpus):
    m = boot(xv6, cpus)
    m.send("cat README | wc\n")
    assert m.expect(r"\d+ \d+ \d+ *\n\$ ", seconds=60)
    m.send("mkdir d\n")
    m.expect(r"\$ ")
    m.send("echo hello > d/f\ncat d/f\n")
    m.expect("hello\n", seconds=60)
    assert m.symbols.address("usertrap") > 0x8000_0000
    close(m)


@pytest.mark.skipif("SOFTMETAL_SLOW" not in os.environ, reason="takes many minutes: set SOFTMETAL_SLOW")
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("cpus", [1, 3])
def test_xv6_passes_its_own_tests(xv6, cpus, capsys):
    """Two to four minutes with one hart, about six with three. Run so with the versions of August 2022 and of October 2025."""
    m = boot(xv6, cpus)
    m.send("usertests -q\n")
    follow(m, capsys, "ALL TESTS PASSED", silence=300)
    close(m)
