"""The monitor's commands, which inspect a machine that is stopped: at a prompt, or from a debugger."""

from __future__ import annotations

from typing import Any

from softmetal.machine import virtual

HELP = """\
regs            registers of the CPU whose turn it is
mem ADDR [N]    N bytes of memory at a physical address
vmem ADDR [N]   N bytes at a virtual address or symbol
symbols FILE    names from an ELF file or a System.map
step [N]        run N instructions
hash            digest of the whole machine
save FILE       save the machine's state, for --resume
commit [N]      write what disk N's overlay holds into its image
reset           power off and on"""


def execute(machine: Any, command: str, rest: list[str]) -> str:
    """Carry out a command; its output. Raises ValueError, IndexError, OSError."""

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
            return dump(number(0), machine.memory[number(0) : number(0) + number(1, 64)])
        case "vmem":
            start = machine.symbols.address(rest[0])
            data = virtual.read(machine, machine.cpu.number, start, number(1, 64))
            return dump(start, data) or f"{start:#x} is not mapped"
        case "symbols":
            return f"{machine.symbols.load(rest[0])} symbols"
        case "step":
            return f"{machine.step(number(0, 1)).value}\n{registers(machine)}"
        case "hash":
            return str(machine.hash())
        case "save":
            machine.save(rest[0])
            return f"saved in {rest[0]}"
        case "commit":
            return f"{machine.commit(number(0, 0))} bytes written into the image"
        case "reset":
            machine.reset()
            return "reset"
    raise ValueError("no such command; see help")


def registers(machine: Any) -> str:
    """Registers of the CPU whose turn it is, as text."""
    cpu = machine.cpu
    mode = f"  {cpu.privilege} mode" if cpu.privilege else ""
    return f"CPU {cpu.number}{mode}  position {machine.position}  {machine.seconds:.6f} s\n{cpu.summary()}"


def dump(address: int, data: bytes) -> str:
    """Bytes of memory, 16 a line."""
    return "\n".join(f"{address + i:#012x}  {data[i : i + 16].hex(' ')}" for i in range(0, len(data), 16))
