"""What a program can find out about the CPU's extensions, and that it can use them: riscv_hwprobe, AT_HWCAP, /proc/cpuinfo.

Source of the results: Linux, Documentation/arch/riscv/hwprobe.rst.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from softmetal.isa.riscv.extensions import PROGRAMS, isa_string
from softmetal.linux.calls.hwprobe import KEYS

HEAD = """
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>
struct pair { long key; unsigned long value; };
static long probe(struct pair *p, long n, long size, void *cpus, long flags)
{ long r = syscall(258, p, n, size, cpus, flags); return r ? -errno : 0; }
"""


def test_values_of_all_keys(build: Callable[..., Path], run: Callable[..., Any]) -> None:
    text = HEAD + """
int main() {
    struct pair p[19];
    for (int i = 0; i < 19; i++) p[i] = (struct pair){ i < 17 ? i : i == 17 ? -5 : 4, 77 };
    printf("%ld\\n", probe(p, 19, 0, 0, 0));
    for (int i = 0; i < 19; i++) printf("%ld %lx\\n", p[i].key, p[i].value);
    printf("%lx\\n", getauxval(AT_HWCAP));
}"""  # fmt: skip
    lines = run(build("probe.c", "-static", text=text)).stdout.splitlines()
    want = [f"{k} {v:x}" for k, v in sorted(KEYS.items())] + ["-1 0", "-1 0", f"4 {KEYS[4]:x}"]
    assert lines == ["0", *want, "112d"]


def test_sets_of_cpus_and_wrong_arguments(build: Callable[..., Path], run: Callable[..., Any]) -> None:
    text = HEAD + """
static void which(long key, unsigned long value, unsigned long set, long size) {
    struct pair p = { key, value };
    unsigned char cpus[16];
    memset(cpus, 0, 16); memcpy(cpus, &set, 8);
    long r = probe(&p, 1, size, cpus, 1);
    printf("%ld: %ld %lx", r, p.key, p.value);
    for (int i = 0; i < 9; i++) printf(" %x", cpus[i]);
    puts("");
}
int main() {
    struct pair p = { 3, 9 };
    unsigned long set = 1, none = 0, others = 6;
    printf("%ld %ld\\n", probe(&p, 1, 8, &set, 0), p.value);
    printf("%ld %ld\\n", probe(&p, 1, 8, &none, 0), probe(&p, 1, 8, &others, 0));
    printf("%ld %ld %ld\\n", probe(&p, 1, 0, 0, 2), probe(&p, 1, 0, 0, 3), probe(&p, 1, 0, 0, 1));
    printf("%ld %ld %ld\\n", probe((void *)8, 1, 0, 0, 0), probe(&p, 1, 8, (void *)8, 0), probe((void *)8, 0, 0, 0, 0));
    which(4, 1, 1, 8);                  // F and D
    which(4, 4, 1, 8);                  // V
    which(4, 0, 0, 8);                  // an empty set stands for all
    which(4, 0, 6, 8);                  // CPUs that there are not
    which(6, 64, 1, 8); which(6, 32, 1, 8);
    which(99, 0, 1, 8);
    which(3, 1, 0x0101010101010101, 16);
    which(3, 1, 0x0301, 1);
}"""  # fmt: skip
    lines = run(build("which.c", "-static", text=text)).stdout.splitlines()
    assert lines == [
        "0 1",
        "-22 -22",
        "-22 -22 -22",
        "-14 -14 0",
        "0: 4 1 1 0 0 0 0 0 0 0 0",
        "0: 4 4 0 0 0 0 0 0 0 0 0",
        "0: 4 0 1 0 0 0 0 0 0 0 0",
        "0: 4 0 0 0 0 0 0 0 0 0 0",
        "0: 6 40 1 0 0 0 0 0 0 0 0",
        "0: 6 20 0 0 0 0 0 0 0 0 0",
        "0: -1 0 0 0 0 0 0 0 0 0 0",
        "0: 3 1 1 0 0 0 0 0 0 0 0",
        "0: 3 1 1 3 0 0 0 0 0 0 0",
    ]


def test_cpuinfo_names_the_extensions(build: Callable[..., Path], run: Callable[..., Any]) -> None:
    text = '#include <stdio.h>\nint main(){char b[999];FILE*f=fopen("/proc/cpuinfo","r");while(fgets(b,999,f))fputs(b,stdout);}'
    assert f"isa\t\t: {isa_string(PROGRAMS)}\n" in run(build("cpuinfo.c", "-static", text=text)).stdout
