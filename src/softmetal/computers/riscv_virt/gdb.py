"""A hart's registers as GDB numbers and describes them.

Source: GDB manual, appendix "Target Descriptions", "RISC-V Features"; the numbers are those of GDB's RISC-V target: 0 to 31
and the pc, 33 to 64 for floating point, control and status registers from 65 on by their addresses, then the mode.
"""

from __future__ import annotations

from typing import Any

from softmetal.isa.riscv.hart import ABI, FLOAT_ABI
from softmetal.isa.riscv.privileged.state import Csr

PC, FIRST_FLOAT, FIRST_CSR = 32, 33, 65
PRIV = FIRST_CSR + 4096
FLAGS = {"fflags": Csr.FFLAGS, "frm": Csr.FRM, "fcsr": Csr.FCSR}
SPANS = ("PMPADDR0", "PMPADDR15", "PMPADDR16", "PMPADDR63", "PMPCFG15", "TSELECT", "TDATA1", "TDATA2", "TDATA3")
"""Members of `Csr` that mark the ends of what is listed by itself, or always 0."""
CSRS = {c.name.lower(): int(c) for c in Csr if c.name not in SPANS and c.name.lower() not in FLAGS} | {
    f"pmpaddr{i}": Csr.PMPADDR0 + i for i in range(16)
}


def description() -> str:
    """The target description: an XML text that names the registers."""

    def row(name: str, number: int, bits: int = 64, kind: str = "int", group: str = "") -> str:
        return f'<reg name="{name}" bitsize="{bits}" regnum="{number}" type="{kind}"' + (f' group="{group}"/>' if group else "/>")

    cpu = [row(name, i, kind="data_ptr" if name in ("sp", "gp", "tp") else "int") for i, name in enumerate(ABI)]
    cpu.append(row("pc", PC, kind="code_ptr"))
    either = '<union id="either"><field name="float" type="ieee_single"/><field name="double" type="ieee_double"/></union>'
    fpu = [either, *(row(name, FIRST_FLOAT + i, kind="either") for i, name in enumerate(FLOAT_ABI))]
    fpu += [row(name, FIRST_CSR + csr, 32, group="float") for name, csr in FLAGS.items()]
    csrs = [row(name, FIRST_CSR + csr, group="csr") for name, csr in sorted(CSRS.items(), key=lambda item: item[1])]
    parts = (("cpu", cpu), ("fpu", fpu), ("csr", csrs), ("virtual", [row("priv", PRIV)]))
    features = "\n".join(
        f'<feature name="org.gnu.gdb.riscv.{name}">\n' + "\n".join(rows) + "\n</feature>" for name, rows in parts
    )
    head = '<?xml version="1.0"?>\n<!DOCTYPE target SYSTEM "gdb-target.dtd">\n'
    return f"{head}<target>\n<architecture>riscv:rv64</architecture>\n{features}\n</target>\n"


def general(machine: Any, cpu: int) -> bytes:
    """What a `g` packet holds: the integer registers and the pc."""
    return b"".join(int(v).to_bytes(8, "little") for v in machine.cpus[cpu].regs.values())


def value(machine: Any, cpu: int, number: int) -> bytes | None:
    """The bytes of a register, None where there is none of that number."""
    state = machine.cpus[cpu].state
    if number < PC:
        found = state.x[number]
    elif number == PC:
        found = state.pc
    elif number < FIRST_CSR:
        found = state.f[number - FIRST_FLOAT]
    elif number == PRIV:
        found = state.mode
    elif number < PRIV:
        csr = number - FIRST_CSR
        found = machine.cpus[cpu].csr(csr)
        if found is not None and csr in FLAGS.values():
            return int(found).to_bytes(4, "little")
    else:
        return None
    return None if found is None else int(found).to_bytes(8, "little")


def change(machine: Any, cpu: int, number: int, data: bytes) -> bool:
    """Write a register. Can it be written?"""
    view, new = machine.cpus[cpu], int.from_bytes(data, "little")
    if number == 0:
        return True  # it stays 0
    if number < PC:
        view.set(ABI[number], new)
    elif number == PC:
        view.set("pc", new)
    elif number < FIRST_CSR:
        view.set(FLOAT_ABI[number - FIRST_FLOAT], new)
    elif number < PRIV:
        if value(machine, cpu, number) is None or number - FIRST_CSR >> 10 == 3:
            return False
        view.set_csr(number - FIRST_CSR, new)
    else:
        return False
    return True
