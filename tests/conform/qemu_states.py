"""An oracle for RISC-V: qemu-riscv64 puts a state into a process, runs some instructions, and prints the state after them.

The program that does this in the guest is a signal handler. It takes the interrupted state's registers out of its
signal frame, writes them to stdout, reads the next state and code from stdin, puts them into the frame and returns. So any
instruction can be asked for, whatever registers it uses and however it ends: the code is followed by breakpoints.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from typing import NamedTuple

CC, QEMU = "riscv64-linux-gnu-gcc", "qemu-riscv64"
CPU = "rv64,zba=true,zbb=true,zbc=true,zbkb=true,zbkx=true,zbs=true,v=false,h=false,Zfh=true,Zfhmin=true,svinval=false"
ABSENT = ("Zfa", "Zicond", "Zicbom", "Zicboz", "Zawrs", "Zimop", "Zcmop", "Zcb")
"""Groups of instructions that QEMU 7.2 does not know. (It lets programs use `sfence.w.inval`, which is for supervisors only.)"""
CODE, DATA = 0x40000000, 0x50000000
LENGTH = 32
"""Bytes of code that a state brings; SLACK more of breakpoints lie on both sides."""
SLACK = 4096
BYTES = 256
"""Bytes of data that a state brings; the rest of their page is 0."""
RECORD = struct.Struct(f"<Q31Q32QQ{LENGTH}s{BYTES}s")


class State(NamedTuple):
    """What is given: where to begin, registers 1 to 31, floating-point registers, fcsr, code, data."""

    pc: int
    x: tuple[int, ...]
    f: tuple[int, ...]
    fcsr: int
    code: bytes
    data: bytes

    def packed(self):
        return RECORD.pack(self.pc, *self.x, *self.f, self.fcsr, self.code, self.data)

    @staticmethod
    def unpacked(data):
        words = RECORD.unpack(data)
        return State(words[0], words[1:32], words[32:64], words[64], *words[65:])


SIGILL, SIGTRAP, SIGBUS, SIGSEGV = 4, 5, 7, 11

PROGRAM = """
#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

struct state { uint64_t pc, x[31], f[32], fcsr; uint8_t code[LENGTH], data[BYTES]; };

static long call(long n, long a, long b, long c, long d, long e, long f) {
    register long a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c;
    register long a3 __asm__("a3") = d, a4 __asm__("a4") = e, a5 __asm__("a5") = f, a7 __asm__("a7") = n;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7) : "memory");
    return a0;
}

static void all(long n, long fd, char *at, long left) {
    while (left > 0) {
        long done = call(n, fd, (long)at, left, 0, 0, 0);
        if (done <= 0) call(93, n == 64, 0, 0, 0, 0, 0);
        at += done, left -= done;
    }
}

static void copy(volatile uint8_t *to, const volatile uint8_t *from, long n) { while (n--) *to++ = *from++; }

static int begun;

static void handler(int signal, siginfo_t *info, void *context) {
    mcontext_t *m = &((ucontext_t *)context)->uc_mcontext;
    struct state s;
    (void)info;
    if (begun) {
        s.pc = m->__gregs[0];
        for (int i = 0; i < 31; i++) s.x[i] = m->__gregs[i + 1];
        for (int i = 0; i < 32; i++) s.f[i] = m->__fpregs.__d.__f[i];
        s.fcsr = m->__fpregs.__d.__fcsr | (uint64_t)signal << 32;
        copy(s.code, (uint8_t *)CODE, LENGTH);
        copy(s.data, (uint8_t *)DATA, BYTES);
        all(64, 1, (char *)&s, sizeof s);
    }
    begun = 1;
    all(63, 0, (char *)&s, sizeof s);
    copy((uint8_t *)CODE, s.code, LENGTH);
    copy((uint8_t *)DATA, s.data, BYTES);
    for (long i = BYTES; i < SLACK; i += 8) *(volatile uint64_t *)(DATA + i) = 0;
    __asm__ volatile("fence.i" ::: "memory");
    m->__gregs[0] = s.pc;
    for (int i = 0; i < 31; i++) m->__gregs[i + 1] = s.x[i];
    for (int i = 0; i < 32; i++) m->__fpregs.__d.__f[i] = s.f[i];
    m->__fpregs.__d.__fcsr = s.fcsr;
}

static char stack[1 << 16];

void _start(void) {
    uint64_t code = call(222, CODE - SLACK, 3 * SLACK, 7, 0x32, -1, 0);
    uint64_t data = call(222, DATA, 4096, 3, 0x32, -1, 0);
    struct { void *at; int flags; uint64_t size; } other = { stack, 0, sizeof stack };
    struct { void *handler; uint64_t flags, mask; } action = { handler, 4 | 0x08000000 | 0x40000000, 0 };
    if (code != CODE - SLACK || data != DATA) call(93, 3, 0, 0, 0, 0, 0);
    for (long i = 0; i < 3 * SLACK; i += 2) *(volatile uint16_t *)(CODE - SLACK + i) = 0x9002;
    call(132, (long)&other, 0, 0, 0, 0, 0);
    int signals[] = { 4, 5, 7, 11 };
    for (int i = 0; i < 4; i++) call(134, signals[i], (long)&action, 0, 8, 0, 0);
    __asm__ volatile("ebreak");
}
"""


class Oracle:
    """Raises FileNotFoundError where a tool is missing."""

    def __init__(self, folder):
        for tool in (CC, QEMU):
            if not shutil.which(tool):
                raise FileNotFoundError(f"{tool} is not installed")
        source, self.program = folder / "states.c", folder / "states"
        source.write_text(PROGRAM)
        numbers = {"CODE": f"{CODE:#x}UL", "DATA": f"{DATA:#x}UL", "LENGTH": LENGTH, "BYTES": BYTES, "SLACK": SLACK}
        flags = ["-O1", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-fno-tree-loop-distribute-patterns"]
        defined = [f"-D{n}={v}" for n, v in numbers.items()]
        command = [CC, *flags, *defined, "-march=rv64gc", "-Wl,--no-relax", str(source), "-o", str(self.program)]
        subprocess.run(command, check=True, capture_output=True)

    def answer(self, states):
        """(state after, signal that ended it) for each."""
        asked = b"".join(s.packed() for s in states)
        done = subprocess.run([QEMU, "-cpu", CPU, str(self.program)], input=asked, capture_output=True, timeout=300)
        found = [State.unpacked(done.stdout[at : at + RECORD.size]) for at in range(0, len(done.stdout), RECORD.size)]
        assert len(found) == len(states), (done.returncode, len(found), done.stderr)
        return [(s._replace(fcsr=s.fcsr & 0xFF), s.fcsr >> 32) for s in found]
