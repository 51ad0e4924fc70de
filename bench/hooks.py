"""What hooks cost: a boot of Debian's kernel without any, and with hooks that never match, in one run.

    python bench/hooks.py [--kernel FILE] [--insns N]

The hook's address is where the guest is most often seen; its condition is checked there, in compiled code, and never holds.
The watch is on bytes that are never accessed: while anything is watched, every access takes the slow way.
Printed are millions of instructions a second, the best of three, and how many times slower than without.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable

from guests import debian_kernel

from softmetal.computers.riscv_virt import Virt
from softmetal.machine.machine import Machine

RUNS = 3
CALLS = 100_000


def boot(kernel: str) -> Machine:
    """A machine about to boot the kernel."""
    return Machine(Virt(kernel=kernel, append="console=ttyS0 panic=-1", memory=256 << 20))


def busiest(kernel: str, insns: int) -> tuple[int, int]:
    """The address at which the guest is seen most often, and how many instructions there are."""
    machine, seen = boot(kernel), Counter[int]()
    while machine.position < insns:
        before = machine.position
        machine.run(insns=min(insns // 4000, insns - before))
        seen[machine.cpu.regs["pc"]] += 1
        if machine.position == before:
            break
    return seen.most_common(1)[0][0], machine.position


def speed(kernel: str, insns: int, hook: Callable[[Machine], object]) -> float:
    """Millions of instructions a second."""
    machine = boot(kernel)
    hook(machine)
    began = time.perf_counter()
    machine.run(insns=insns)
    return machine.position / (time.perf_counter() - began) / 1e6


def calls(kernel: str, hot: int) -> float:
    """Calls a second of a function that a hook at that address calls."""
    machine = boot(kernel)
    hook = machine.debug.on_address(hot, call=lambda event: None)
    while not hook.count:
        machine.run(insns=1_000_000)
    first, began = hook.count, time.perf_counter()
    while hook.count - first < CALLS:
        machine.run(insns=100_000)
    return (hook.count - first) / (time.perf_counter() - began)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", help="default: Debian's")
    parser.add_argument("--insns", type=int, default=800_000_000)
    options = parser.parse_args()
    options.kernel = options.kernel or str(debian_kernel() / "Image")
    hot, insns = busiest(options.kernel, options.insns)
    never = "zero == 1"
    counting = boot(options.kernel)
    counted = counting.debug.on_address(hot, stop=False)
    counting.run(insns=insns)
    print(f"the guest comes {counted.count} times to {hot:#x} in {insns} instructions")
    hooks: dict[str, Callable[[Machine], object]] = {
        "none": lambda m: None,
        "a break at a cold address": lambda m: m.debug.on_address(0xFFFF_FFFF_FFFF_F000),
        f"a condition at {hot:#x}": lambda m: m.debug.on_address(hot, when=never),
        f"counted at {hot:#x}": lambda m: m.debug.on_address(hot, stop=False),
        "a trap that never comes": lambda m: m.debug.on_trap(exceptions=[4]),
        "a register that is never written": lambda m: m.debug.on_register("tdata3"),
        "a watch of a few bytes": lambda m: m.debug.on_access(0x8, 8, "rw"),
    }
    best = dict.fromkeys(hooks, 0.0)
    for _ in range(RUNS):
        for name, hook in hooks.items():
            best[name] = max(best[name], speed(options.kernel, insns, hook))
    for name, found in best.items():
        print(f"{name:40} {found:7.0f} million/s  {best['none'] / found:5.2f}")
    print(f"a function called at {hot:#x}: {max(calls(options.kernel, hot) for _ in range(RUNS)):.0f} times a second")


if __name__ == "__main__":
    main()
