"""`softmetal replay` and `softmetal diff`: a recorded run, run again; where two runs diverge."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Annotated, Any

from softmetal.cli import progress
from softmetal.cli.command import argument, option, refuse

ENGINE = option("golden|native", "What runs the instructions.")
DIFFERENT = 1


def replay(
    file: Annotated[str, argument("FILE", "A recording, by softmetal run --record.")],
    until: Annotated[int | None, option("POSITION", "Stop at this position, and print the hash there.", least=0)] = None,
    engine: Annotated[str, ENGINE] = "native",
    quiet: Annotated[bool, option(None, "Do not show what the guest writes.", "--quiet")] = False,
) -> None:
    """Run a recorded run again, and compare it at each checkpoint. Exit code 0: the same; 1: different."""
    from softmetal.machine import replay as replaying
    from softmetal.machine.errors import Diverged
    from softmetal.machine.stop import Stop

    began = time.perf_counter()
    with _refusing("replay"):
        recording = replaying.Recording(file)
        with _disks(recording) as disks:
            machine = recording.machine(disks, engine=engine, progress=progress.compiling())
            if not quiet:
                machine.console.on_output = _show
            agreed: list[Any] = []
            try:
                stop = replaying.replay(recording, machine, until, agreed.append)
            except Diverged as error:
                print(f"softmetal replay: {error}", file=sys.stderr)
                raise SystemExit(DIFFERENT) from None
    seconds = time.perf_counter() - began
    here = f"; the hash at position {until} is {machine.hash()}" if until is not None and stop is Stop.INSNS else ""
    cut = "" if recording.whole or stop is not Stop.END else "; the recording is truncated there"
    print(
        f"softmetal replay: the same at {len(agreed)} of {len(recording.checkpoints)} checkpoints,"
        f" up to position {machine.position}, in {seconds:.1f} s{here}{cut}",
        file=sys.stderr,
    )


def diff(
    one: Annotated[str, argument("A", "A recording or a saved state.")],
    other: Annotated[str, argument("B", "Another.")],
    engine: Annotated[str, ENGINE] = "native",
    lines: Annotated[int, option("N", "Show at most N differences.", least=0)] = 40,
) -> None:
    """Find the first instruction at which two runs diverge, and show what differs. Exit code 0: nothing; 1: something."""
    from softmetal.machine import divergence

    with _refusing("diff"), contextlib.ExitStack() as stack:
        how = engine, progress.compiling()
        runs = [divergence.open_run(path, lambda r: stack.enter_context(_disks(r)), *how) for path in (one, other)]
        found = divergence.find(*runs)
    for line in found.text(lines):
        print(line)
    raise SystemExit(DIFFERENT if found.differs else 0)


def _show(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


@contextlib.contextmanager
def _disks(recording: Any) -> Iterator[list[Any]]:
    """The disks of a recording, opened."""
    from softmetal.host.disks import open_disk

    recording.check()
    with contextlib.ExitStack() as stack:
        opened = []
        for spec in recording.disks:
            disk = open_disk(spec)
            stack.callback(disk.close)
            opened.append(disk)
        yield opened


@contextlib.contextmanager
def _refusing(command: str) -> Iterator[None]:
    """Errors of the user's end the command, in one line."""
    from softmetal.host.errors import HostError
    from softmetal.lang.state import StateError
    from softmetal.machine.errors import LoadError, MachineError

    try:
        yield
    except (MachineError, StateError, LoadError, HostError) as error:
        raise refuse(command, str(error)) from None
    except OSError as error:
        raise refuse(command, f"{error.filename}: {error.strerror}") from None
