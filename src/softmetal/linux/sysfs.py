"""The guest's `/sys`, as far as libraries read it: the processors, memory nodes, network and block devices.

Source: Linux Documentation/ABI (testing/sysfs-devices-system-cpu, stable/sysfs-devices-node, testing/sysfs-class-net,
testing/sysfs-kernel-mm-transparent-hugepage). The machine: one processor, one memory node, the loop-back interface.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .nodes import Node
from .synthfs import Content, Directory, Link

if TYPE_CHECKING:
    from .process import Process


def fixed(value: str) -> Content:
    """A file with `value` and a new line."""
    data = value.encode() + b"\n"
    return Content(lambda: data)


def folder(**entries: Node | str) -> Directory:
    """A directory; texts become files. A double underscore stands for a hyphen."""
    return Directory({
        name.replace("__", "-").encode(): fixed(value) if isinstance(value, str) else value for name, value in entries.items()
    })  # fmt: skip


def link(text: str) -> Link:
    """A symbolic link."""
    return Link(lambda: text.encode())


def processors() -> Directory:
    """`/sys/devices/system/cpu`."""
    topology = folder(
        physical_package_id="0", core_id="0", die_id="-1", cluster_id="-1", thread_siblings="1", thread_siblings_list="0",
        core_siblings="1", core_siblings_list="0", core_cpus="1", core_cpus_list="0", package_cpus="1",
        package_cpus_list="0", die_cpus="1", die_cpus_list="0", cluster_cpus="1", cluster_cpus_list="0",
    )  # fmt: skip
    return folder(
        online="0", possible="0", present="0", offline="", isolated="", kernel_max="63", nohz_full="(null)",
        cpu0=folder(topology=topology, node0=link("../../node/node0"), hotplug=folder(state="0"), uevent="DRIVER=cpu"),
        smt=folder(active="0", control="notsupported"), vulnerabilities=folder(),
    )  # fmt: skip


def nodes(process: Process) -> Directory:
    """`/sys/devices/system/node`."""

    def memory() -> bytes:
        total = process.options.memory // 1024
        used = min(total, process.space.used // 1024)
        rows = (("MemTotal", total), ("MemFree", total - used), ("MemUsed", used))
        return "".join(f"Node 0 {name + ':':14}{value:9} kB\n" for name, value in rows).encode()

    node = folder(
        cpulist="0", cpumap="1", distance="10", meminfo=Content(memory), cpu0=link("../../cpu/cpu0"),
        numastat="numa_hit 0\nnuma_miss 0\nnuma_foreign 0\ninterleave_hit 0\nlocal_node 0\nother_node 0",
    )  # fmt: skip
    return folder(online="0", possible="0", has_cpu="0", has_memory="0", has_normal_memory="0", node0=node)


def loop_back() -> Directory:
    """`/sys/devices/virtual/net/lo`."""
    counters = ("rx_bytes", "rx_packets", "rx_errors", "rx_dropped", "tx_bytes", "tx_packets", "tx_errors", "tx_dropped")
    return folder(
        address="00:00:00:00:00:00", addr_len="6", broadcast="00:00:00:00:00:00", carrier="1", dev_id="0x0", flags="0x9",
        ifindex="1", iflink="1", mtu="65536", operstate="unknown", tx_queue_len="1000", type="772",
        statistics=Directory({name.encode(): fixed("0") for name in counters}), uevent="INTERFACE=lo\nIFINDEX=1",
        subsystem=link("../../../../class/net"),
    )  # fmt: skip


def build(process: Process) -> Directory:
    """The root of `/sys`."""
    huge = folder(enabled="always [madvise] never", defrag="always defer defer+madvise [madvise] never",
                  shmem_enabled="always within_size advise [never] deny force", hpage_pmd_size="2097152",
                  use_zero_page="1")  # fmt: skip
    processor = link("../../../devices/system/cpu/cpu0")
    return folder(
        block=folder(), bus=folder(pci=folder(devices=folder()), cpu=folder(devices=folder(cpu0=processor))),
        **{"class": folder(net=folder(lo=link("../../devices/virtual/net/lo")), block=folder(), tty=folder(), thermal=folder(),
                           power_supply=folder(), drm=folder(), dmi=folder(), hwmon=folder())},
        dev=folder(block=folder(), char=folder()),
        devices=folder(system=folder(cpu=processors(), node=nodes(process)), virtual=folder(net=folder(lo=loop_back()))),
        firmware=folder(), fs=folder(cgroup=folder()), hypervisor=folder(),
        kernel=folder(mm=folder(transparent_hugepage=huge, hugepages=folder()), debug=folder(), tracing=folder()),
        module=folder(), power=folder(state="", mem_sleep=""),
    )  # fmt: skip
