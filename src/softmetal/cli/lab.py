"""Labs: `softmetal up`, `ps`, `console`, `exec`, `logs`, `top`, `trace`, ... Each looks for lab.toml in this folder."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from softmetal.cli.command import argument, option

if TYPE_CHECKING:
    from softmetal.lab.lab import Lab

FILE = option("FILE", "The lab's file.", "-f", "--file")
JSON = option(None, "Print JSON.", "--json")
MACHINE = argument("NAME", "A machine.")
DEFAULT = "lab.toml"
REFUSED = 1
LEFT = "\x1d"  # Ctrl-]
EVERY = 0.5
"""Seconds between two pictures of `top`."""


@contextlib.contextmanager
def _lab(command: str, file: str) -> Iterator[Lab]:
    """The lab of a file, for a `with`; what is refused is a line and exit code 1."""
    from softmetal.lab.errors import LabError
    from softmetal.lab.lab import Lab

    lab = None
    try:
        lab = Lab(file)
        yield lab
    except LabError as error:
        print(f"softmetal {command}: {error}", file=sys.stderr)
        raise SystemExit(REFUSED) from None
    finally:
        if lab is not None:
            lab.close()


def _say(command: str, text: str) -> None:
    print(f"softmetal {command}: {text}", file=sys.stderr, flush=True)


def up(
    file: Annotated[str, FILE] = DEFAULT,
    detach: Annotated[bool, option(None, "Start it and come back.", "-d", "--detach")] = False,
) -> None:
    """Start the machines of a lab on the hardware that they share."""
    with _lab("up", file) as lab:
        lab.up(tied=not detach)
        for row in lab.call("ps"):
            _say("up", f"{row['name']}: {row['engine']}, {row['arch']}, {row['memory'] >> 20} MiB")
        if detach:
            return
        _say("up", "Ctrl-C ends the lab")
        shown = 0
        try:
            while lab.running:
                warnings = lab.call("take_warnings")
                for text in warnings[shown:]:
                    _say("up", text)
                shown = len(warnings)
                time.sleep(EVERY)
        except KeyboardInterrupt:
            _say("up", "ending the lab")
            lab.down()


def down(file: Annotated[str, FILE] = DEFAULT) -> None:
    """End a lab: all its machines, and the host layer."""
    with _lab("down", file) as lab:
        lab.down()


def ps(file: Annotated[str, FILE] = DEFAULT, as_json: Annotated[bool, JSON] = False) -> None:
    """List a lab's machines."""
    with _lab("ps", file) as lab:
        rows = lab.call("ps")
        if as_json:
            print(json.dumps(rows))
            return
        lines = [("NAME", "ENGINE", "ARCH", "STATE", "FOR", "PID", "USES")]
        for row in rows:
            state = row["state"] if row["code"] is None else f"{row['state']} ({row['code']})"
            age = _seconds(time.time() - row["since"])
            lines.append((row["name"], row["engine"], row["arch"], state, age, str(row["pid"] or ""), " ".join(row["uses"])))
        _table(lines)


def _table(lines: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _seconds(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def console(name: Annotated[str, MACHINE], file: Annotated[str, FILE] = DEFAULT) -> None:
    """A machine's console in this terminal. Ctrl-] leaves it; the machine goes on."""
    from softmetal.cli.terminal import open_standard_streams

    open_standard_streams()
    with _lab("console", file) as lab:
        machine = lab[name]
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(lab.folder / f"{machine.name}.con"))
        before = lab.call("output", name=name)["text"]
        sys.stdout.write(before[before.rfind("\n") + 1 :])
        sys.stdout.flush()
        typing = sys.stdin.isatty()
        if typing:
            _say("console", "Ctrl-] leaves the console")
        with _raw(typing), sock:
            _talk(sock, typing)


@contextlib.contextmanager
def _raw(terminal: bool) -> Iterator[None]:
    """The terminal passes on every key."""
    import termios
    import tty

    if not terminal:
        yield
        return
    before = termios.tcgetattr(0)
    tty.setraw(0, termios.TCSADRAIN)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def _talk(sock: socket.socket, typing: bool) -> None:
    sources: list[Any] = [sock, 0]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if sock in ready:
            data = sock.recv(1 << 16)
            if not data:
                return
            os.write(1, data)
        if 0 in ready:
            data = os.read(0, 4096)
            if typing and LEFT.encode() in data:
                return
            if not data:
                if typing:
                    return
                sources.remove(0)  # what is shown goes on until the machine ends
                continue
            sock.sendall(data)


def execute(
    name: Annotated[str, MACHINE],
    words: Annotated[list[str], argument("COMMAND", "A command of its shell.")],
    file: Annotated[str, FILE] = DEFAULT,
    timeout: Annotated[float, option("S", "Seconds that it may take.")] = 300,
) -> None:
    """Carry out a command in a machine whose console shows a shell; its output and exit code."""
    with _lab("exec", file) as lab:
        code, text = lab[name].execute(" ".join(words), timeout)
        sys.stdout.write(text)
    raise SystemExit(code)


def logs(
    name: Annotated[str, MACHINE], file: Annotated[str, FILE] = DEFAULT,
    follow: Annotated[bool, option(None, "Go on until the machine ends.", "--follow")] = False,
) -> None:  # fmt: skip
    """What a machine's console has shown."""
    with _lab("logs", file) as lab:
        at = 0
        while True:
            got = lab.call("output", name=name, start=at, wait=1.0 if follow else 0)
            sys.stdout.write(got["text"].replace("\r\n", "\n"))
            sys.stdout.flush()
            at = got["end"]
            if not follow or (got["state"] == "ended" and not got["text"]):
                return


def top(
    file: Annotated[str, FILE] = DEFAULT, as_json: Annotated[bool, JSON] = False,
    once: Annotated[bool, option(None, "Print it once.", "--once")] = False,
    prometheus: Annotated[bool, option(None, "Print counters in Prometheus' text format.", "--prometheus")] = False,
) -> None:  # fmt: skip
    """Who holds which hardware, who waits, and what each machine has moved."""
    with _lab("top", file) as lab:
        if as_json:
            print(json.dumps(lab.call("status")))
            return
        if prometheus:
            from softmetal.lab.report import metrics

            print(metrics(lab.call("status"), lab.call("ps")), end="")
            return
        from rich.live import Live

        if once or not sys.stdout.isatty():
            from rich.console import Console

            Console().print(_picture(lab.call("status")))
            return
        with contextlib.suppress(KeyboardInterrupt), Live(_picture(lab.call("status")), screen=True) as live:
            while lab.running:
                time.sleep(EVERY)
                live.update(_picture(lab.call("status")))


def _picture(status: dict[str, Any]) -> Any:
    from rich.table import Table

    heads = ("hardware", "machine", "now", "accesses", "moved", "used", "waited", "longest wait")
    table = Table(*heads, box=None, padding=(0, 2, 0, 0))
    for hardware, its in status.items():
        if its["kind"] == "network":
            for guest, port in its["ports"].items():
                lost = f", {port['lost']} lost" if port["lost"] else ""
                table.add_row(hardware, guest, "", f"{port['sent']} sent", f"{port['received']} received{lost}", "", "", "")
            continue
        guests = {*its["accounts"], *its.get("queue", []), *its.get("waiting", {}), its.get("holder", "")} - {""}
        for guest in sorted(guests) or [""]:
            account = its["accounts"].get(guest, dict.fromkeys(("accesses", "bytes", "used", "waited", "longest"), 0))
            queue = its.get("queue", [])
            now = "holds" if its.get("holder") == guest and guest else ""
            if guest in queue:
                now = f"waits, {queue.index(guest) + 1}."
            elif its.get("waiting", {}).get(guest):
                now = f"{its['waiting'][guest]} wait"
            table.add_row(
                hardware, guest, now, str(account["accesses"]), _bytes(account["bytes"]), f"{account['used']:.3f} s",
                f"{account['waited']:.3f} s", f"{1e3 * account['longest']:.1f} ms",
            )  # fmt: skip
    return table


def _bytes(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError


def trace(
    output: Annotated[str, option("FILE", "Where to: .json opens in Perfetto, .svg in a browser.", "-o", "--output")],
    file: Annotated[str, FILE] = DEFAULT,
) -> None:
    """Who held what, when, and who waited: as a trace or a picture."""
    from softmetal.lab.report import picture, trace_events

    with _lab("trace", file) as lab:
        recent = lab.call("recent")
        text = picture(recent) if output.endswith(".svg") else json.dumps(trace_events(recent))
        try:
            Path(output).write_text(text)
        except OSError as error:
            _say("trace", f"{output}: {error.strerror}")
            raise SystemExit(REFUSED) from None


def explain(file: Annotated[str, FILE] = DEFAULT, as_json: Annotated[bool, JSON] = False) -> None:
    """What runs each machine of a lab, why, and by which command."""
    import shlex

    with _lab("explain", file) as lab:
        if lab.running:
            rows = lab.call("explain")
        else:
            from softmetal.lab.plan import read

            rows = [{"name": m.name, "why": [m.why], "command": []} for m in read(lab.file).machines.values()]
        if as_json:
            print(json.dumps(rows))
            return
        for row in rows:
            print(f"{row['name']}: {'; '.join(row['why'])}")
            if row["command"]:
                print(f"    {shlex.join(row['command'])}")


def _on(verb: str, name: str, file: str) -> None:
    with _lab(verb, file) as lab:
        lab.call(verb, name=name)


def stop(name: Annotated[str, MACHINE], file: Annotated[str, FILE] = DEFAULT) -> None:
    """Ask a machine to power off; after ten seconds it is killed."""
    _on("stop", name, file)


def kill(name: Annotated[str, MACHINE], file: Annotated[str, FILE] = DEFAULT) -> None:
    """End a machine at once."""
    _on("kill", name, file)


def restart(name: Annotated[str, MACHINE], file: Annotated[str, FILE] = DEFAULT) -> None:
    """Power a machine off and on."""
    _on("restart", name, file)


def pause(name: Annotated[str, MACHINE], file: Annotated[str, FILE] = DEFAULT) -> None:
    """Let a machine sleep."""
    _on("pause", name, file)


def resume(name: Annotated[str, MACHINE], file: Annotated[str, FILE] = DEFAULT) -> None:
    """Let a machine that was paused go on."""
    _on("resume", name, file)


def release(
    hardware: Annotated[str, argument("HARDWARE", "A piece of exclusive hardware.")], file: Annotated[str, FILE] = DEFAULT
) -> None:
    """Take exclusive hardware away from the machine that holds it."""
    with _lab("release", file) as lab:
        if not lab.call("release", hardware=hardware):
            _say("release", f"nobody holds {hardware}")


def leave(
    hardware: Annotated[str, argument("HARDWARE", "A piece of exclusive hardware.")], name: Annotated[str, MACHINE],
    file: Annotated[str, FILE] = DEFAULT,
) -> None:  # fmt: skip
    """Take a machine out of the queue for exclusive hardware."""
    with _lab("leave", file) as lab:
        if not lab.call("leave", hardware=hardware, name=name):
            _say("leave", f"{name} does not wait for {hardware}")
            raise SystemExit(REFUSED)
