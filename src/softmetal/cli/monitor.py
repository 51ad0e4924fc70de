"""The monitor: a prompt at which a stopped machine can be inspected."""

from __future__ import annotations

from softmetal.machine.errors import MachineError
from softmetal.machine.machine import Machine
from softmetal.machine.monitor import execute

OURS = """
cont, c         back to the guest
quit, q         end"""


def monitor(machine: Machine) -> bool:
    """Read and do commands until the user goes back to the guest. True: end the machine."""
    print("\nmonitor: the machine is stopped; help lists the commands")
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
            print(execute(machine, command, rest) + (OURS if command == "help" else ""))
        except (ValueError, IndexError, OverflowError, OSError, MachineError) as error:
            print(f"{command}: {error}")
