"""What a lab did, for other programs: a trace, a picture of it, counters."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softmetal.lab.report import METRICS, metrics, picture, trace_events

SVG = "{http://www.w3.org/2000/svg}"
RECENT = {
    "store": [["web", "write", 4096, 10.0, 10.0, 10.5], ["db", "read", 512, 10.25, 10.5, 10.75]],
    "scale": [["db", "lease", 7, 9.5, 9.5, 11.0], ["web", "lease", 3, 10.0, 11.0, 12.0], ["web", "lease", 4, 12.0, 12.0, 12.5]],
}


def of(events, **wanted):
    return [event for event in events if all(event.get(key) == value for key, value in wanted.items())]


def test_hardware_is_a_process_of_the_trace_and_each_of_its_machines_a_thread():
    events = trace_events(RECENT)["traceEvents"]
    assert {e["pid"]: e["args"]["name"] for e in of(events, name="process_name")} == {1: "scale", 2: "store"}
    threads = {(e["pid"], e["tid"]): e["args"]["name"] for e in of(events, name="thread_name")}
    assert threads == {(1, 1): "db", (1, 2): "web", (2, 1): "db", (2, 2): "web"}


def test_waits_and_uses_have_their_times_in_microseconds_from_the_first_one_asking():
    events = trace_events(RECENT)["traceEvents"]
    store = [(e["tid"], e["name"], e["ts"], e["dur"], e.get("args")) for e in of(events, ph="X", pid=2)]
    assert store == [
        (2, "write", 500_000, 500_000, {"bytes": 4096}),
        (1, "wait", 750_000, 250_000, None),
        (1, "read", 1_000_000, 250_000, {"bytes": 512}),
    ]
    assert [(e["name"], e["ts"], e["dur"]) for e in of(events, ph="X", pid=1, tid=2)] == [
        ("wait", 500_000, 1_000_000), ("lease", 1_500_000, 1_000_000), ("lease", 2_500_000, 500_000)
    ]  # fmt: skip
    assert of(events, ph="X", pid=1, tid=1)[0]["ts"] == 0


def test_an_arrow_leads_from_who_had_it_to_who_waited_for_it():
    events = trace_events(RECENT)["traceEvents"]
    starts, ends = of(events, ph="s"), of(events, ph="f")
    assert [(e["pid"], e["tid"], e["ts"]) for e in starts] == [(1, 1, 1_500_000), (2, 2, 1_000_000)]
    assert [(e["pid"], e["tid"], e["ts"]) for e in ends] == [(1, 2, 1_500_000), (2, 1, 1_000_000)]
    assert [e["id"] for e in starts] == [e["id"] for e in ends] == [1, 2]
    assert {(e["name"], e["cat"]) for e in starts + ends} == {("hand-over", "lease")}
    assert {e["bp"] for e in ends} == {"e"}


def test_no_arrow_leads_to_who_came_later_or_had_it_itself():
    alone = {"scale": [["a", "lease", 1, 0.0, 0.0, 1.0], ["b", "lease", 1, 1.0, 1.0, 2.0], ["b", "lease", 1, 1.5, 2.0, 3.0]]}
    events = trace_events(alone)["traceEvents"]
    assert of(events, ph="s") == of(events, ph="f") == []


def test_a_trace_of_nothing_is_a_trace():
    assert trace_events({}) == {"displayTimeUnit": "ms", "traceEvents": []}
    assert [e["ph"] for e in trace_events({"store": []})["traceEvents"]] == ["M"]


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=5)
TIMES = st.lists(st.floats(0, 1e6), min_size=3, max_size=3).map(sorted)
EVENTS = st.builds(lambda guest, kind, size, times: [guest, kind, size, *times], NAMES, NAMES, st.integers(0, 1 << 40), TIMES)
ANY = st.dictionaries(NAMES, st.lists(EVENTS, max_size=6), max_size=3)


@given(ANY)
def test_any_trace_is_json_with_times_that_are_not_below_zero(recent):
    found = json.loads(json.dumps(trace_events(recent), allow_nan=False))["traceEvents"]
    assert all(e["ts"] >= 0 and e.get("dur", 0) >= 0 for e in found if e["ph"] != "M")
    assert len([e for e in found if e["ph"] == "X" and "args" in e]) == sum(map(len, recent.values()))
    assert {e["id"] for e in found if e["ph"] == "s"} == {e["id"] for e in found if e["ph"] == "f"}


def bars(text):
    """All bars of a picture: place, row, width, opacity and title."""
    found = [r for r in ElementTree.fromstring(text).iter(f"{SVG}rect") if r.get("height") != "100%"]
    return [(*(float(r.get(k, "")) for k in ("x", "y", "width", "opacity")), r.findtext(f"{SVG}title")) for r in found]


def test_a_picture_has_a_dark_bar_for_each_access_and_a_light_one_for_each_wait():
    found = bars(picture(RECENT))
    assert sorted(title for *_, opacity, title in found if opacity == 1.0) == [
        "lease, 3 bytes; waited 1000.000 ms", "lease, 4 bytes; waited 0.000 ms", "lease, 7 bytes; waited 0.000 ms",
        "read, 512 bytes; waited 250.000 ms", "write, 4096 bytes; waited 0.000 ms",
    ]  # fmt: skip
    assert sorted(title for *_, opacity, title in found if opacity == 0.3) == [
        "lease, 3 bytes; waited 1000.000 ms", "read, 512 bytes; waited 250.000 ms"
    ]  # fmt: skip
    assert len({y for _, y, *_ in found}) == 4  # a row for each machine at each piece of hardware


def test_bars_of_a_picture_are_as_long_as_their_times():
    wait, use = sorted(bar for bar in bars(picture(RECENT)) if "3 bytes" in bar[4])
    assert wait[3] == 0.3
    assert wait[2] == pytest.approx(use[2])  # it waited for a second and had it for a second
    assert wait[0] + wait[2] == pytest.approx(use[0], abs=0.02)
    assert use[2] == pytest.approx((1000 - 120 - 10) / 3, abs=0.02)  # one of three seconds
    assert "3.000 s" in picture(RECENT)


def test_a_picture_of_nothing_says_so():
    for nothing in ({}, {"store": []}):
        assert ElementTree.fromstring(picture(nothing)).findtext(f"{SVG}text") == "nothing happened yet"


def test_names_in_a_picture_are_text_whatever_they_hold():
    text = picture({"<a&b>": [["<x>", "<script>", 1, 0.0, 0.0, 1.0]]})
    shown = [t.text for t in ElementTree.fromstring(text).iter(f"{SVG}text")]
    assert "<a&b>" in shown
    assert "<x>" in shown
    assert bars(text)[0][4] == "<script>, 1 bytes; waited 0.000 ms"


@given(ANY)
def test_any_picture_is_xml_with_a_bar_for_each_access_inside_of_it(recent):
    found = bars(picture(recent))
    assert len([1 for *_, opacity, _ in found if opacity == 1.0]) == sum(map(len, recent.values()))
    assert all(120 <= x and x + width <= 1000 and width > 0 for x, _, width, _, _ in found)


LABELS = r'\{((?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)+)\}'
SAMPLE = re.compile(rf"([a-z_]+){LABELS} (\d+(?:\.\d+)?(?:e[+-]?\d+)?)")
ACCOUNT = {"accesses": 3, "bytes": 4096, "used": 0.25, "waited": 1e-07, "longest": 1e-07}
STATUS = {
    "store": {"kind": "disk", "accounts": {"web": ACCOUNT, "db": {**ACCOUNT, "accesses": 1}}},
    "lan": {"kind": "network", "ports": {"web": {"sent": 5, "received": 6, "lost": 0}}},
}


def samples(text):
    """The samples of a text in Prometheus' format: (name, labels) and value. Each has HELP and TYPE in front."""
    assert text.endswith("\n")
    known, found, now = {}, {}, ""
    for line in text.splitlines():
        head = re.fullmatch(r"# (HELP|TYPE) ([a-z_]+) (.+)", line)
        if head:
            assert head[1] not in known.get(head[2], {})
            known.setdefault(head[2], {})[head[1]] = head[3]
            now = head[2]
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample, line
        assert sample[1] == now  # all of one metric are together
        assert known[now]["TYPE"] == ("counter" if now.endswith("_total") else "gauge")
        labels = re.findall(r'([a-z]+)="((?:[^"\\]|\\.)*)"', sample[2])
        plain = {k: re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), v) for k, v in labels}
        key = (now, tuple(sorted(plain.items())))
        assert key not in found
        found[key] = float(sample[3])
    assert all(set(each) == {"HELP", "TYPE"} for each in known.values())
    return found


def test_counters_are_prometheus_text():
    found = samples(metrics(STATUS, [{"name": "web", "state": "running"}, {"name": "db", "state": "ended"}]))
    assert found["softmetal_machine_up", (("machine", "web"),)] == 1
    assert found["softmetal_machine_up", (("machine", "db"),)] == 0
    web = (("hardware", "store"), ("machine", "web"))
    assert {key: found[name, web] for key, (name, _) in METRICS.items()} == {k: ACCOUNT[k] for k in METRICS}
    assert found["softmetal_accesses_total", (("hardware", "store"), ("machine", "db"))] == 1
    frames = {labels: value for (name, labels), value in found.items() if name == "softmetal_frames_total"}
    ways = {"sent": 5, "received": 6, "lost": 0}
    assert frames == {(("machine", "web"), ("network", "lan"), ("way", way)): n for way, n in ways.items()}
    assert len(found) == 2 + 4 * 2 + 3


def test_counters_of_nothing_are_prometheus_text():
    assert samples(metrics({}, [])) == {}


@given(st.text(max_size=8), st.text(max_size=8))
def test_labels_are_escaped_whatever_they_hold(hardware, machine):
    text = metrics({hardware: {"accounts": {machine: ACCOUNT}}}, [{"name": machine, "state": "running"}])
    assert len(text.split("\n")) == 2 * 6 + 5 + 1
    assert f'machine="{_escaped(machine)}"' in text
    assert f'hardware="{_escaped(hardware)}"' in text


def _escaped(text):
    return "".join({"\\": r"\\", '"': r"\"", "\n": r"\n"}.get(c, c) for c in text)
