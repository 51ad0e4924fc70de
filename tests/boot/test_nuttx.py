"""NuttX, unmodified, and its own tests: what SOFTMETAL_NUTTX names, the folder of a build, or a folder with some of them.

A build is a folder with `nuttx` and its `.config`, made as NuttX documents it for its board "rv-virt", for 64 bits: nsh64 and
smp64 (without CONFIG_ARCH_CHIP_QEMU_RV_ISA_V) run in machine mode without firmware, flats64 in supervisor mode behind ours.

Source: apache/nuttx; Documentation/platforms/risc-v/qemu-rv/boards/rv-virt/index.rst there.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from softmetal.computers.riscv_virt import Virt
from softmetal.machine.machine import Machine
from softmetal.machine.stop import Stop
from tests.boot.lines import follow

GIVEN = Path(os.environ.get("SOFTMETAL_NUTTX") or "/nonexistent")
BUILDS = [path.parent for pattern in ("nuttx", "*/nuttx") for path in sorted(GIVEN.glob(pattern)) if path.is_file()]


@pytest.fixture(params=BUILDS or [None], ids=lambda folder: folder.name if folder else "none")
def build(request):
    if request.param is None:
        pytest.skip("SOFTMETAL_NUTTX names no folder with a built `nuttx`, or with folders of such")
    return request.param


def boot(build):
    config = (build / ".config").read_text()
    cpus = re.search(r"^CONFIG_SMP_NCPUS=(\d+)", config, re.MULTILINE)
    bios = "" if "CONFIG_ARCH_USE_S_MODE=y" in config else "none"
    m = Machine(Virt(kernel=str(build / "nuttx"), bios=bios, memory=256 << 20, cpus=int(cpus[1]) if cpus else 1))
    m.expect("nsh> ", seconds=20)
    return m


def test_nuttx_boots_to_its_shell_and_knows_its_tasks(build):
    m = boot(build)
    m.send("uname -a\n")
    assert "rv-virt" in m.expect("risc-v rv-virt", seconds=5)
    m.send("ps\n")
    tasks = m.expect("nsh_main", seconds=5)
    assert "Idle_Task" in tasks or all(f"CPU{i} IDLE" in tasks for i in range(len(m.cpus)))
    m.expect("nsh> ", seconds=5)
    if "CONFIG_BOARDCTL_POWEROFF=y" in (build / ".config").read_text():
        m.send("poweroff\n")
        assert m.run(seconds=10) is Stop.OFF
    assert not m.unmodelled
    assert not m.remarks


@pytest.mark.skipif("SOFTMETAL_SLOW" not in os.environ, reason="may take many minutes: set SOFTMETAL_SLOW")
@pytest.mark.timeout(3600)
def test_nuttx_passes_its_own_tests(build, capsys):
    """nsh64 takes half a minute. smp64 takes as long with CONFIG_TEST_LOOP_SCALE=1; with its own 100 it takes many minutes, in
    which eight harts count under one lock."""
    m = boot(build)
    m.send("ostest\n")
    text = follow(m, capsys, "ostest_main: Exiting with status", silence=60)
    assert "user_main: Exiting" in text
    assert text.rstrip().endswith("status 0")
    assert not m.unmodelled
    assert not m.remarks
