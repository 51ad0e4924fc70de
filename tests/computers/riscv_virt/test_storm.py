"""A guest that gets no further because of an interrupt: a warning names it."""

from __future__ import annotations

import pytest

from softmetal.boards.riscv_virt import STORM
from tests.machine.guests import ENGINES, machine

HANDLED = """
        # a timer of machine mode
        la t0, handler
        csrw mtvec, t0
        li s0, 0x2004000
        sd zero, 0(s0)
        li t0, 0x80
        csrw mie, t0
        csrsi mstatus, 8
1:      {loop}
        j 1b
        .balign 4
handler: addi s1, s1, 1
        {handler}
        mret
"""
UART = """
        la t0, handler
        csrw mtvec, t0
        li s0, 0xc000000
        li t0, 1
        sw t0, 4(s0)
        li t1, 0xc002000
        li t0, 2
        sw t0, 0(t1)
        li s2, 0xc200000
        li t0, 0x800
        csrw mie, t0
        csrsi mstatus, 8
        {disk}
1:      j 1b
        .balign 4
handler: lw t0, 4(s2)
        sw t0, 4(s2)
        mret
"""
NEXT = "li t1, 0x200bff8\nld t1, 0(t1)\naddi t1, t1, {steps}\nsd t1, 0(s0)"


def later(m):
    """As if the storm had begun long ago."""
    m.run(insns=20_000)
    m.board.count += 2 * STORM
    m.board.turn_count += 2 * STORM
    m.board.storm_at[0] += 2 * STORM
    m.run(insns=20_000)
    return m.remarks


@pytest.mark.parametrize("engine", ENGINES)
def test_an_interrupt_that_is_never_acknowledged_is_named_once_with_the_hart_and_the_place(tmp_path, engine):
    m = machine(tmp_path, HANDLED.format(loop="nop", handler="nop"), engine=engine)
    remarks = later(m)
    assert remarks == [
        "hart 0 has taken the same interrupt again and again for 1000000000 instructions, and done nothing else:"
        f" machine timer interrupt; at pc {m.board.storm_pc[0]:#x}"
    ]


@pytest.mark.parametrize("loop", ["wfi", "nop"])
def test_a_guest_that_waits_or_works_between_timers_is_none_such(tmp_path, loop):
    m = machine(tmp_path, HANDLED.format(loop=loop, handler=NEXT.format(steps=100)))
    assert later(m) == []


def test_the_device_behind_an_external_interrupt_is_named(tmp_path):
    m = machine(tmp_path, UART.format(disk=""))
    m.run(insns=1000)
    m.board.plic.levels = m.board.levels = 1 << 1  # the console's slot, for ever
    m.board.console.irq = 1
    m.engine.call("ports_changed")
    assert "machine external interrupt, source 1 of the PLIC (virtio slot 0, console) is up; at pc" in later(m)[0]
