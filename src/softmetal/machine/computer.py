"""What a board has to offer to be a machine.

There are two halves. The **board**, in hardware Python, is run by an engine: BOARD_FIELDS and BOARD_ENTRIES are what it has to
have, and `check` lists what is missing. The **computer**, in Python, describes that board to the host: how it is built from a
user's files, which ports, memories and registers it has, and how its devices are served. A `Machine` depends only on this module.

A computer is an immutable description: a frozen dataclass, whose fields made by `option` are the options of
`softmetal run --board NAME`. All that changes in a run is in the board's state and in the machine.
"""

from __future__ import annotations

import functools
import importlib
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from softmetal.chips.unmodelled import UnmodelledAccesses
from softmetal.isa.debug import Debug
from softmetal.isa.decoding import ByFrame, Itself, decoding_of
from softmetal.isa.table import Isa
from softmetal.lang.chip import Chip, layout_of
from softmetal.lang.types import u1
from softmetal.machine.errors import LoadError, MachineError
from softmetal.machine.stop import Stop

if TYPE_CHECKING:
    from softmetal.machine.machine import Machine
    from softmetal.machine.saving import Identity
    from softmetal.machine.views import Cpu

BOARD_FIELDS: Mapping[str, Any] = {"needs_host": u1, "debug": Debug, "unmodelled": UnmodelledAccesses}
"""`needs_host`: a device needs the host, and nothing runs before the device is served; `ports_changed` clears it."""
BOARD_ENTRIES = ("ports_changed", "wait_until", "memory_changed", "hooks_changed")
"""`ports_changed()`: check all ports, after the host has filled or drained them. `wait_until(clock)`: time passes in which
nothing runs.
`memory_changed(address, length)`: the host has written to memory. `hooks_changed()`: `debug` holds other hooks."""
SHELF = "softmetal.computers"
"""The package with a folder for each built-in computer, named as the computer, with `_` for `-`."""


class Kind(Enum):
    """How a port takes what comes from outside."""

    STREAM = "bytes: as many enter as there is room for, the others wait"
    PACKET = "bytes that enter together, or wait until there is room for all"
    EVENT = "it takes effect at once: a plug, a button, a change by the user"


@dataclass(frozen=True)
class Port:
    """A way into a machine. `put(machine, data)` lets something in; `room(board, count)` gives how many of `count` bytes of a
    stream may enter now; of a packet all or 0."""

    kind: Kind
    put: Callable[[Any, bytes], None]
    room: Callable[[Any, int], int] = lambda board, count: count


def feeding(feed: Callable[[Any, bytes], Any]) -> Callable[[Any, bytes], None]:
    """A port's `put`: give the data to a device of the board, which then looks at its ports."""

    def put(machine: Any, data: bytes) -> None:
        feed(machine.board, data)
        machine.engine.call("ports_changed")

    return put


def ring(kind: Kind, of: Callable[[Any], Any]) -> Port:
    """The port behind which a device's ring (`chips.device.Port`) lies: `of(board)`."""
    return Port(kind, feeding(lambda board, data: of(board).feed(data)), lambda board, count: int(of(board).room()))


@dataclass(frozen=True)
class Region:
    """A span of physical addresses of memory: `memory` names the board's field, `offset` is where the span begins
    in it."""

    address: int
    size: int
    memory: str
    offset: int = 0


@dataclass(frozen=True)
class Network:
    """A network card: its address, and how many bytes of a record (as the port `net` takes it) lie before the frame."""

    mac: bytes
    header: int


@dataclass(frozen=True)
class Option:
    """An option of `softmetal run --board`; a bool is a flag. `parse` makes the value (default: the field's type)."""

    metavar: str | None
    help: str
    name: str = ""
    """Default: the field's."""
    parse: Callable[[str], Any] | None = None
    backend: str = ""
    """"disk" or "share": the option may be repeated, and the host opens what it names."""
    shown: str = ""
    """The default, for the help, where it is not the field's."""


def option(default: Any, metavar: str | None, help: str, **how: Any) -> Any:
    """A field of a computer that is an option of the command line, too."""
    return field(default=default, metadata={"option": Option(metavar, help, **how)})


class GdbTarget(Protocol):
    """How GDB sees a kind of CPU (a module, for instance). Registers have GDB's numbers, values the target's order of bytes."""

    PC: int
    """The number of the program counter: the last of the general registers."""

    def description(self) -> str:
        """The target description: an XML text that names the registers."""

    def general(self, machine: Any, cpu: int) -> bytes:
        """What a `g` packet holds: all general registers."""

    def value(self, machine: Any, cpu: int, number: int) -> bytes | None:
        """The bytes of a register, None where there is none of that number."""

    def change(self, machine: Any, cpu: int, number: int, data: bytes) -> bool:
        """Write a register. Can it be written?"""


@dataclass(frozen=True, kw_only=True)
class Computer(ABC):
    """A kind of computer, and what one of its kind is made of."""

    name: ClassVar[str]
    isa: ClassVar[Isa]
    """The table of its CPUs."""
    board: ClassVar[type[Chip]]
    hz: ClassVar[int]
    """Ticks of its clock in a second of machine time. A CPU does at most one instruction a tick."""
    ports: ClassVar[Mapping[str, Port]] = {}
    consoles: ClassVar[tuple[str, ...]] = ()
    """The ports that are consoles, the main one first: streams, whose output `serve` puts into `machine.consoles`."""
    devices: ClassVar[Mapping[str, tuple[int, int]]] = {}
    """Physical address and span of each device that has a name."""
    sound: ClassVar[tuple[int, int] | None] = None
    """Samples a second and channels of what it plays, which `serve` puts into `machine.sound`; None where it has no sound."""
    condition_registers: ClassVar[Sequence[str]] = ()
    """Registers that a hook's condition may name, by the number that the board's `hook_register` takes."""
    special_registers: ClassVar[Mapping[str, int]] = {}
    """Registers whose writes a hook may wait for."""
    watch_stops_before: ClassVar[bool] = True
    """A watched load or store stops the machine before its instruction, which is then restarted; False: after it."""
    needs: ClassVar[tuple[str, ...]] = ()
    """Options of which at least one has to be given: without it there is nothing to run."""

    seed: int = option(0, "N", "The seed of all random values; same seed, same run.")
    disks: Sequence[Any] = ()
    shares: Sequence[Any] = ()

    # -- building

    @abstractmethod
    def build(self) -> Any:
        """The board at power-on, by `new_board`, with everything in memory. Raises LoadError."""

    @property
    def cpu_count(self) -> int:
        """How many CPUs take instructions."""
        return 1

    def files(self) -> dict[str, str]:
        """The user's files that it is made of, by the fields that name them. (Disks are not among them.)"""
        return {}

    def symbols(self) -> str:
        """A file in which to look for symbols, "" for none."""
        return ""

    def parts(self) -> dict[str, Any]:
        """What it is made of, as JSON can hold it; disks and shares are left out."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("disks", "shares")}
        return {name: value.hex() if isinstance(value, bytes) else value for name, value in values.items()}

    @classmethod
    def of_parts(cls, parts: Mapping[str, Any], **more: Any) -> Computer:
        """The reverse of `parts`. Raises MachineError for parts of another version's."""
        kinds = {f.name: f.type for f in fields(cls)}
        if not parts.keys() <= kinds.keys():
            raise MachineError(f"{cls.name}: no part {', '.join(parts.keys() - kinds.keys())}: made by another version")
        values: dict[str, Any] = {n: bytes.fromhex(v) if kinds[n] in ("bytes", bytes) else v for n, v in parts.items()}
        return cls(**values, **more)

    # -- time and devices

    @abstractmethod
    def clock(self, board: Any) -> int:
        """The board's own clock, in ticks since power-on."""

    @abstractmethod
    def idle(self, board: Any) -> bool:
        """Called when the engine returned early, but not for a device or a hook: do all CPUs wait?"""

    def owes(self, board: Any) -> bool:
        """Is a device's call of the host deferred until the clock has advanced?"""
        return False

    def ended(self, board: Any) -> Stop | None:
        """Has the guest ended, or asked for a reset? OFF, FAILED or RESET, or None."""
        return None

    def exit_code(self, board: Any) -> int:
        """The guest's exit code, after FAILED."""
        return 1

    def why_idle(self, board: Any) -> str:
        """Why the machine is idle for ever, as a line for the user: all CPUs wait, and no timer is set."""
        return "the guest waits for ever: all its CPUs are idle, no timer is set, the input has ended"

    def failure(self, output: bytes | bytearray, whole: bool) -> str:
        """A failure that the console's output shows although the guest has not ended (a panic), as a line for the user;
        "" if none. `whole`: the guest has stopped, no more output will come."""
        return ""

    @abstractmethod
    def serve(self, machine: Machine) -> bool:
        """Serve devices that need the host: take out what was written to consoles, read disks. Was there a call?"""

    # -- inspecting

    @abstractmethod
    def regions(self) -> Sequence[Region]:
        """Its memory, by physical address; the first one is `machine.ram`."""

    @abstractmethod
    def cpu(self, machine: Machine, number: int) -> Cpu:
        """A CPU, to inspect and to change."""

    def active(self, board: Any) -> int:
        """The CPU whose turn it is."""
        return 0

    def translate(self, machine: Machine, cpu: int, address: int) -> int | None:
        """The physical address of a CPU's virtual one, by the page tables; None if it is not in memory."""
        return address if any(r.address <= address < r.address + r.size for r in machine.regions) else None

    def device_at(self, board: Any, address: int) -> str:
        """The device at a physical address, and the offset in it: `uart + 0x5`."""
        for name, (start, span) in self.devices.items():
            if start <= address < start + span:
                return f"{name} + {address - start:#x}"
        return "no device"

    def picture(self, board: Any) -> tuple[int, int, bytes] | None:
        """The screen: width, height, and four bytes a pixel (red, green, blue, alpha); None where there is no screen."""
        return None

    def network_card(self, board: Any) -> Network | None:
        """Its network card."""
        return None

    def keyboard(self, machine: Machine) -> Any:
        """The object that presses its keys, None if it has no keyboard."""
        return None

    def pointer(self, machine: Machine) -> Any:
        """The object that moves its mouse or tablet, None if it has none."""
        return None

    def identify(self, machine: Machine, identity: Identity) -> None:
        """Notify the guest of a fork that it is a copy."""
        machine.remark(f"{self.name}: this computer cannot notify its guest that it is a copy")

    def gdb_target(self) -> GdbTarget | None:
        """How GDB sees its CPUs, None if GDB does not support them."""
        return None


@functools.cache
def check(kind: type[Computer]) -> None:
    """Check that a computer's board has what a machine needs. Raises MachineError, one line."""
    board = kind.board
    known = layout_of(board).fields
    wrong = [n for n, kind in BOARD_FIELDS.items() if n not in known or known[n].type is not kind]
    missing = [f"the field {n}: {getattr(BOARD_FIELDS[n], '__name__', BOARD_FIELDS[n])}" for n in wrong]
    entries = getattr(board, "ENTRIES", ())
    missing += [f"the entry {name}()" for name in BOARD_ENTRIES if name not in entries]
    if not isinstance(decoding_of(board), ByFrame | Itself):
        missing.append("decoding = ByFrame(...) or Itself()")
    missing += [f"the port {name} of a console" for name in kind.consoles if name not in kind.ports]
    if missing:
        raise MachineError(f"{board.__name__} is not a machine's board: it lacks {', '.join(missing)}")


def named(name: str) -> type[Computer]:
    """The computer of a name: a built-in one, or MODULE:CLASS for a user's. Raises LoadError."""
    module, colon, wanted = name.partition(":")
    if not colon and name not in names():
        raise LoadError(f"board {name}: there are {', '.join(names())}; MODULE:CLASS names one of your own")
    try:
        found = importlib.import_module(module if colon else f"{SHELF}.{name.replace('-', '_')}")
        made = getattr(found, wanted if colon else "COMPUTER")
    except Exception as error:  # a user's module may do anything
        if not colon:
            raise
        raise LoadError(f"board {name}: {type(error).__name__}: {error}".splitlines()[0]) from None
    if not (isinstance(made, type) and issubclass(made, Computer)):
        raise LoadError(f"board {name}: {wanted} is not a softmetal.machine.computer.Computer")
    return made


def key(kind: type[Computer]) -> str:
    """A computer's name in a file, by which `of_key` finds it again."""
    ours = kind.__module__.startswith(SHELF + ".")
    return kind.name if ours else f"{kind.__module__}:{kind.__qualname__}"


def of_key(text: str) -> type[Computer]:
    """The computer that a file names. Raises LoadError, also for a user's computer whose module is not imported: a file must
    not cause an import."""
    module, colon, _ = text.partition(":")
    if colon and module not in sys.modules:
        raise LoadError(f"board {text}: import its module first (on the command line: --board {text})")
    return named(text)


def names() -> list[str]:
    """The names of the built-in computers."""
    import pkgutil

    path = importlib.import_module(SHELF).__path__
    return sorted(m.name.replace("_", "-") for m in pkgutil.iter_modules(path) if m.ispkg)
