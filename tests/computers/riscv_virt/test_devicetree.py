"""The device tree: the blob, and the virt board's nodes as other tools read them."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from softmetal.computers.devicetree import flatten
from softmetal.computers.riscv_virt.tree import virt_tree

VIRTIO = [(0x1000_1000 + 0x1000 * n, n + 1) for n in range(8)]


def source_of(blob):
    """The blob in dtc's source form, as {path: {property: text}}."""
    if not shutil.which("dtc"):
        pytest.skip("dtc (package device-tree-compiler) is not installed")
    done = subprocess.run(["dtc", "-I", "dtb", "-O", "dts"], input=blob, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    nodes: dict[str, dict[str, str]] = {}
    path: list[str] = []
    for line in done.stdout.decode().splitlines():
        line = line.strip()
        if found := re.fullmatch(r"(\S+) \{", line):
            path.append(found[1])
            nodes["/".join(path)[1:] or "/"] = {}
        elif line == "};":
            path.pop()
        elif path and (found := re.fullmatch(r"([^\s=]+)(?: = (.*))?;", line)):
            nodes["/".join(path)[1:] or "/"][found[1]] = found[2]
    return nodes, done.stderr.decode()


def test_each_kind_of_property_is_what_the_compiler_reads():
    nodes, _ = source_of(
        flatten({"none": None, "cell": 7, "text": "a", "texts": ["a", "bc"], "cells": [1, 2], "n@0": {"raw": b"\1\2\3"}})
    )
    assert nodes["/"] == {"none": None, "cell": "<0x07>", "text": '"a"', "texts": '"a\\0bc"', "cells": "<0x01 0x02>"}
    assert nodes["/n@0"] == {"raw": "[01 02 03]"}


def test_the_same_parameters_give_the_same_bytes():
    assert virt_tree(harts=2, ram_bytes=1 << 28) == virt_tree(harts=2, ram_bytes=1 << 28)


def test_chosen_gives_the_kernel_its_arguments_its_initrd_and_a_seed():
    nodes, _ = source_of(
        virt_tree(harts=1, ram_bytes=1 << 28, bootargs="quiet", initrd=(0x8400_0000, 0x1_0000_0001), rng_seed=b"\1\2\3\4")
    )
    assert nodes["/chosen"] == {
        "stdout-path": '"/soc/serial@10000000"',
        "bootargs": '"quiet"',
        "linux,initrd-start": "<0x00 0x84000000>",
        "linux,initrd-end": "<0x01 0x01>",
        "rng-seed": "<0x1020304>",
    }


def test_harts_say_what_they_can_do_in_both_forms():
    nodes, _ = source_of(virt_tree(harts=3, ram_bytes=1 << 28, extensions=["i", "m", "zicsr", "sstc"], mmu="riscv,sv39"))
    cpu = nodes["/cpus/cpu@2"]
    assert (cpu["reg"], cpu["riscv,isa"], cpu["mmu-type"]) == ("<0x02>", '"rv64im_zicsr_sstc"', '"riscv,sv39"')
    assert (cpu["riscv,isa-base"], cpu["riscv,isa-extensions"]) == ('"rv64i"', '"i\\0m\\0zicsr\\0sstc"')
    assert "/cpus/cpu@3" not in nodes


def test_what_refers_to_a_node_names_its_phandle():
    nodes, _ = source_of(virt_tree(harts=11, ram_bytes=1 << 28))
    for hart in range(11):
        assert nodes[f"/cpus/cpu-map/cluster0/core{hart}"]["cpu"] == nodes[f"/cpus/cpu@{hart:x}"]["phandle"]
    controllers = [nodes[f"/cpus/cpu@{hart:x}/interrupt-controller"]["phandle"].strip("<>") for hart in range(11)]
    for name, causes in (("clint@2000000", ("0x03", "0x07")), ("plic@c000000", ("0x0b", "0x09"))):
        wanted = " ".join(f"{controller} {cause}" for controller in controllers for cause in causes)
        assert nodes[f"/soc/{name}"]["interrupts-extended"] == f"<{wanted}>"
    assert nodes["/poweroff"]["regmap"] == nodes["/reboot"]["regmap"] == nodes["/soc/test@100000"]["phandle"]
    phandles = [node["phandle"] for node in nodes.values() if "phandle" in node]
    assert len(set(phandles)) == len(phandles) == 24


def test_the_firmware_s_memory_is_kept_from_the_kernel():
    nodes, _ = source_of(virt_tree(harts=1, ram_bytes=1 << 28, reserved=[(0x8000_0000, 0x4_0000)]))
    assert nodes["/reserved-memory/reserved@80000000"] == {"reg": "<0x00 0x80000000 0x00 0x40000>", "no-map": None}


def test_the_compiler_has_nothing_to_complain_of():
    _, warnings = source_of(virt_tree(harts=2, ram_bytes=1 << 28, virtio=VIRTIO, reserved=[(0x8000_0000, 0x4_0000)]))
    # a hart's interrupt controller has no address cells on the well-known machine either
    assert [line for line in warnings.splitlines() if "Warning" in line and "interrupt_provider" not in line] == []


@pytest.mark.parametrize("harts", [1, 2, 8])
def test_nodes_are_those_of_qemu_s_virt_machine(tmp_path, harts):
    if not shutil.which("qemu-system-riscv64"):
        pytest.skip("qemu-system-riscv64 is not installed")
    dumped = tmp_path / "virt.dtb"
    machine = ["-M", f"virt,dumpdtb={dumped}", "-smp", str(harts), "-m", "256M", "-nographic"]
    subprocess.run(["qemu-system-riscv64", *machine], capture_output=True, check=True)
    theirs, _ = source_of(dumped.read_bytes())
    ours, _ = source_of(virt_tree(harts=harts, ram_bytes=1 << 28, virtio=VIRTIO))
    alike = ("compatible", "reg", "interrupts", "device_type", "#address-cells", "#size-cells", "#interrupt-cells")
    alike += (
        "ranges",
        "value",
        "offset",
        "timebase-frequency",
        "stdout-path",
        "status",
        "interrupt-controller",
        "clock-frequency",
    )
    absent = ("/pmu", "/fw-cfg", "/flash", "/platform-bus", "/soc/pci")
    for path, node in theirs.items():
        if not path.startswith(absent):
            assert {k: ours[path].get(k) for k in alike} == {k: node.get(k) for k in alike}, path
    assert set(ours) <= set(theirs)
