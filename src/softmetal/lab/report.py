"""What a lab did, for people and for other programs: a trace that Perfetto opens, the same as a picture, counters.

Sources: the Trace Event Format of Chromium (complete events, flow events); Prometheus' text exposition format.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

Recent = dict[str, list[list[Any]]]
"""Of each piece of hardware: guest, kind, bytes; the times of asking, beginning and end, in seconds."""
COLOURS = ("#4878a8", "#d07838", "#5a9a5a", "#b04848", "#8868b0", "#907050", "#c878a8", "#787878", "#a0a040", "#48a8b0")
BAR, GAP, LEFT, WIDTH = 14, 8, 120, 1000


def trace_events(recent: Recent) -> dict[str, Any]:
    """A trace: a process for each piece of hardware, a track in it for each machine; waits, uses, and hand-overs as arrows."""
    start = min((asked for events in recent.values() for *_, asked, _, _ in events), default=0.0)
    found: list[dict[str, Any]] = []
    flow = 0
    for process, (hardware, events) in enumerate(sorted(recent.items()), 1):
        guests = sorted({event[0] for event in events})
        found.append({"ph": "M", "name": "process_name", "pid": process, "args": {"name": hardware}})
        for thread, guest in enumerate(guests, 1):
            found.append({"ph": "M", "name": "thread_name", "pid": process, "tid": thread, "args": {"name": guest}})
        before: tuple[int, float] | None = None
        for guest, kind, size, asked, granted, ended in events:
            thread = guests.index(guest) + 1
            common = {"ph": "X", "pid": process, "tid": thread}
            if granted - asked > 1e-6:
                found.append({**common, "name": "wait", "ts": _us(asked - start), "dur": _us(granted - asked)})
            use = {"name": kind, "ts": _us(granted - start), "dur": _us(ended - granted), "args": {"bytes": size}}
            found.append({**common, **use})
            if before is not None and before[0] != thread and asked < before[1]:  # it waited for the one before
                flow += 1
                arrow = {"name": "hand-over", "cat": "lease", "id": flow, "pid": process}
                found.append({**arrow, "ph": "s", "tid": before[0], "ts": _us(before[1] - start)})
                found.append({**arrow, "ph": "f", "bp": "e", "tid": thread, "ts": _us(granted - start)})
            before = thread, ended
    return {"displayTimeUnit": "ms", "traceEvents": found}


def _us(seconds: float) -> float:
    return round(seconds * 1e6, 3)


def picture(recent: Recent) -> str:
    """The same as an SVG: a row for each machine at each piece of hardware; light: it waits, dark: it has it."""
    events = [event for each in recent.values() for event in each]
    if not events:
        text = '<text x="8" y="20">nothing happened yet</text>'
        return f'<svg xmlns="http://www.w3.org/2000/svg" width="400" height="30">{text}</svg>\n'
    start, end = min(e[3] for e in events), max(e[5] for e in events)
    scale = (WIDTH - LEFT - 10) / max(end - start, 1e-9)
    names = sorted({e[0] for e in events})
    lines, y = list[str](), 24
    for hardware, its in sorted(recent.items()):
        if not its:
            continue
        lines.append(f'<text x="4" y="{y + 11}" font-weight="bold">{escape(hardware)}</text>')
        y += BAR + GAP // 2
        for guest in sorted({e[0] for e in its}):
            colour = COLOURS[names.index(guest) % len(COLOURS)]
            lines.append(f'<text x="14" y="{y + 11}">{escape(guest)}</text>')
            for _, kind, size, asked, granted, ended in (e for e in its if e[0] == guest):
                lines.extend(_bars(kind, size, asked - start, granted - start, ended - start, y, scale, colour))
            y += BAR + GAP // 2
        y += GAP
    axis = f'<text x="{LEFT}" y="14">0</text><text x="{WIDTH - 70}" y="14">{end - start:.3f} s</text>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" font-family="sans-serif" font-size="12">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', axis, *lines, "</svg>"]) + "\n"


def _bars(kind: str, size: int, asked: float, granted: float, ended: float, y: int, scale: float, colour: str) -> Iterator[str]:
    title = f"<title>{escape(kind)}, {size} bytes; waited {1e3 * (granted - asked):.3f} ms</title>"
    for begin, end, opacity in ((asked, granted, 0.3), (granted, ended, 1.0)):
        width = (end - begin) * scale
        if width > 0.2 or opacity == 1.0:
            at = LEFT + begin * scale
            yield (
                f'<rect x="{at:.2f}" y="{y}" width="{max(width, 0.5):.2f}" height="{BAR}" fill="{colour}" opacity="{opacity}">'
                f"{title}</rect>"
            )


METRICS = {
    "accesses": ("softmetal_accesses_total", "Accesses of a machine to a piece of hardware."),
    "bytes": ("softmetal_bytes_total", "Bytes that they moved."),
    "used": ("softmetal_use_seconds_total", "Seconds for which a machine had the hardware."),
    "waited": ("softmetal_wait_seconds_total", "Seconds for which it waited."),
}
"""Fields of an account: the metric's name and what it means."""


def metrics(status: dict[str, Any], machines: list[dict[str, Any]]) -> str:
    """Counters in Prometheus' text format."""
    lines = ["# HELP softmetal_machine_up Does the machine run?", "# TYPE softmetal_machine_up gauge"]
    lines += [f'softmetal_machine_up{{machine="{_label(m["name"])}"}} {int(m["state"] == "running")}' for m in machines]
    for key, (name, text) in METRICS.items():
        lines += [f"# HELP {name} {text}", f"# TYPE {name} counter"]
        for hardware, its in status.items():
            for guest, account in its.get("accounts", {}).items():
                lines.append(f'{name}{{hardware="{_label(hardware)}",machine="{_label(guest)}"}} {account[key]}')
    lines += ["# HELP softmetal_frames_total Frames at a machine's network port.", "# TYPE softmetal_frames_total counter"]
    for hardware, its in status.items():
        for guest, port in its.get("ports", {}).items():
            for way, count in port.items():
                labels = f'network="{_label(hardware)}",machine="{_label(guest)}",way="{_label(way)}"'
                lines.append(f"softmetal_frames_total{{{labels}}} {count}")
    return "\n".join(lines) + "\n"


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
