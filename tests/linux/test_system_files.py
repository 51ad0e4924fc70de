"""What programs read in /proc and /sys. Source: man 5 proc and its pages, Linux Documentation/ABI."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SHOW = r"""
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) {
    static char text[1 << 20];
    for (int i = 1; i < argc; i++) {
        int fd = open(argv[i], O_RDONLY), n = fd < 0 ? -1 : read(fd, text, sizeof text - 1), more;
        while (n > 0 && (more = read(fd, text + n, sizeof text - 1 - n)) > 0) n += more;
        if (n < 0) { printf("%s: %s\n", argv[i], strerror(errno)); continue; }
        text[n] = 0;
        printf("%s", text);
    }
}
"""


@pytest.fixture(scope="session")
def show(build: Callable[..., Path]) -> Path:
    """A program that prints the files that it is given."""
    return build("print_files.c", "-static", text=SHOW)


CPU = "/sys/devices/system/cpu"
TEXTS = {
    f"{CPU}/online": "0\n", f"{CPU}/possible": "0\n", f"{CPU}/present": "0\n", f"{CPU}/cpu0/topology/core_id": "0\n",
    f"{CPU}/cpu0/node0/cpulist": "0\n", "/sys/class/net/lo/mtu": "65536\n", "/sys/devices/system/node/online": "0\n",
    "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size": "2097152\n", "/proc/sys/net/core/somaxconn": "4096\n",
    "/proc/sys/kernel/shmmni": "4096\n", "/proc/self/oom_score_adj": "0\n", "/proc/self/cgroup": "0::/\n",
    "/proc/self/task/1000/comm": "print_files\n", "/proc/thread-self/comm": "print_files\n", "/proc/sys/vm/swappiness": "60\n",
}  # fmt: skip


def test_files_that_always_say_the_same(show: Path, run: Callable[..., Any]) -> None:
    found = run(show, *TEXTS)
    assert (found.stdout, found.stderr) == ("".join(TEXTS.values()), "")


def test_status_limits_and_smaps_have_the_lines_that_programs_look_for(show: Path, run: Callable[..., Any]) -> None:
    lines = run(show, "/proc/self/status", "/proc/self/limits", "/proc/self/smaps_rollup", "/proc/vmstat").stdout
    for name in ("VmPeak:", "VmRSS:", "VmLck:", "SigCgt:", "CapEff:", "Threads:\t1", "Rss: ", "Pss: ", "nr_free_pages "):
        assert f"\n{name}" in lines
    assert "Max stack size            8388608              unlimited            bytes     \n" in lines
    assert "Max open files            1024                 4096                 files     \n" in lines


def test_smaps_shows_the_areas_of_maps(show: Path, run: Callable[..., Any]) -> None:
    maps, _, smaps = run(show, "/proc/self/maps", "/proc/self/none", "/proc/self/smaps").stdout.partition("/proc/self/none")
    areas = [line for line in smaps.splitlines() if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line)]
    assert areas == maps.splitlines()
    assert smaps.count("VmFlags: ") == len(areas)


MEMORY = r"""
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
int main(void) {
    char *page = mmap(0, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), text[10] = "";
    munmap(page + 4096, 4096);
    int mem = open("/proc/self/mem", O_RDWR), map = open("/proc/self/pagemap", O_RDONLY);
    printf("%zd ", pwrite(mem, "patched", 7, (uintptr_t)page + 10));
    printf("%s %zd %s ", page + 10, pread(mem, text, 7, (uintptr_t)page + 10), text);
    printf("%zd %zd ", pread(mem, text, 7, 8), pread(mem, text, 10, (uintptr_t)page + 4090));
    uint64_t word[2];
    printf("%zd ", pread(map, word, 16, (uintptr_t)page / 4096 * 8));
    printf("%d %d\n", (int)(word[0] >> 63), (int)(word[1] >> 63));
    int comm = open("/proc/self/comm", O_RDWR), adjust = open("/proc/self/oom_score_adj", O_RDWR);
    printf("%zd ", write(comm, "another\n", 8));
    printf("%zd ", write(adjust, "500", 3));
    printf("%zd\n", write(adjust, "5000", 4));
    char shown[100] = "";
    int n = pread(comm, shown, 50, 0);
    n += pread(adjust, shown + n, 50, 0);
    printf("%s", shown);
}
"""


def test_a_process_reads_and_patches_itself(build: Callable[..., Path], run: Callable[..., Any]) -> None:
    found = run(build("self.c", "-static", text=MEMORY)).stdout
    assert found == "7 patched 7 patched -1 6 16 1 0\n8 3 -1\nanother\n500\n"
