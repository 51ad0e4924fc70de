"""The monitor: a prompt at which a stopped machine can be looked at."""

from __future__ import annotations

from softmetal.isa.riscv.hart import ABI
from softmetal.machine.machine import Machine

MODES = {0: "user", 1: "supervisor", 3: "machine"}
HELP = """\
regs            registers of the hart whose turn it is
mem ADDR [N]    N bytes of memory at a physical address
step [N]        run N instructions
hash            digest of the whole machine
save FILE       the machine's state, to go on from later
reset           power off and on
cont, c         back to the guest
quit, q         end"""


def monitor(machine: Machine) -> bool:
    """Read and do commands until the user goes back to the guest. True: end the machine."""
    print("\nmonitor; the machine stands still. help lists the commands")
    while True:
        try:
            words = input("(softmetal) ").split()
        except (EOFError, KeyboardInterrupt):
            print()
            return False
        if not words:
            continue
        command, *rest = words
        if command in ("quit", "q"):
            return True
        if command in ("cont", "c"):
            return False
        try:
            print(_do(machine, command, rest))
        except (ValueError, IndexError, OSError) as error:
            print(f"{command}: {error}")


def _do(machine: Machine, command: str, rest: list[str]) -> str:
    def number(index: int, default: int | None = None) -> int:
        if index < len(rest):
            return int(rest[index], 0)
        if default is None:
            raise ValueError("a number is missing; see help")
        return default

    match command:
        case "help":
            return HELP
        case "regs":
            return registers(machine)
        case "mem":
            return dump(machine, number(0), number(1, 64))
        case "step":
            return f"{machine.step(number(0, 1)).value}\n{registers(machine)}"
        case "hash":
            return machine.hash()
        case "save":
            machine.save(rest[0])
            return f"saved in {rest[0]}"
        case "reset":
            machine.reset()
            return "reset"
    raise ValueError("no such command; see help")


def registers(machine: Machine) -> str:
    """Registers of the active hart, as text."""
    hart = machine.board
    where = f"position {machine.position}  {machine.seconds:.6f} s"
    lines = [f"hart {hart.hartid}  {MODES[hart.mode]} mode  pc {hart.pc:#018x}  {where}"]
    for row in range(0, 32, 4):
        lines.append("  ".join(f"{ABI[i]:>4} {hart.x[i]:016x}" for i in range(row, row + 4)))
    return "\n".join(lines)


def dump(machine: Machine, address: int, count: int) -> str:
    """Bytes of memory, 16 a line."""
    data = machine.memory[address : address + count]
    return "\n".join(f"{address + i:#012x}  {data[i : i + 16].hex(' ')}" for i in range(0, len(data), 16))
