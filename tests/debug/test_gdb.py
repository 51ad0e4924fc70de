"""The real GDB on a machine: breakpoints, watchpoints, registers, harts as threads, and backwards."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from softmetal.computers.riscv_virt import Virt
from softmetal.debug.gdb import GdbServer, Killed
from softmetal.machine.machine import Machine
from softmetal.machine.stop import Stop

GDB, CC = shutil.which("gdb-multiarch"), shutil.which("riscv64-linux-gnu-gcc")
needs_gdb = pytest.mark.skipif(not (GDB and CC), reason="gdb-multiarch or riscv64-linux-gnu-gcc is not installed")
pytestmark = needs_gdb
ENGINES = ("golden", "native")
GUEST = Path(__file__).with_name("guest.s")
LOOP, STORE, WRITTEN, OTHER, TOTAL = "loop", "store", "written", "other", "total"


@pytest.fixture(scope="module")
def guest(tmp_path_factory):
    """The guest, linked for the start of memory, with debug information; and its symbols."""
    path = tmp_path_factory.mktemp("gdb") / "guest.elf"
    flags = ["-g", "-nostdlib", "-static", "-march=rv64gc", "-mabi=lp64d"]
    flags += [f"-Wl,{o}" for o in ("-Ttext=0x80000000", "--no-relax", "--build-id=none", "-N", "--no-warn-rwx-segments")]
    subprocess.run([CC, *flags, "-o", path, GUEST], check=True)
    return path


@pytest.fixture
def at(guest):
    """The address of a symbol."""
    from softmetal.machine.symbols import Symbols

    found = Symbols()
    found.load(str(guest))
    return found.address


def machine(guest, engine="native", cpus=1):
    return Machine(Virt(bios=str(guest), memory=16 << 20, cpus=cpus), engine=engine)


def session(m, guest, script):
    """What GDB prints for each line of a script, while a machine serves it; the last that the server gave back."""
    ended, stops = threading.Event(), []

    def serve():
        with contextlib.suppress(Killed):
            while not ended.is_set() and not stops:
                stop = server.advance(10_000)
                if stop is not None:
                    stops.append(stop)

    with GdbServer(m) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            lines = ["set pagination off", "set confirm off", "set width 0", f"target remote 127.0.0.1:{server.port}"]
            for line in script:
                lines += ["echo \\n@@\\n", line]
            command = [GDB, "-nx", "-batch", *(part for line in lines for part in ("-ex", line)), str(guest)]
            out = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, stdin=subprocess.DEVNULL
            )
        finally:
            ended.set()
            thread.join()
    parts = re.split(r"\n@@\n", out.stdout)[1:]
    assert len(parts) == len(script), out.stdout
    return [part.strip() for part in parts], stops


def numbers(parts):
    """The values that `p` printed."""
    return [int(found[1], 0) for part in parts if (found := re.match(r"\$\d+ = (?:\(.*?\) )?(-?\w+)", part))]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_breakpoint_stops_at_a_symbol_and_registers_are_seen(guest, at, engine):
    script = [
        "break store", "continue", "p $pc", "p $s0", "p/x $mstatus", "p/x $satp", "p $priv", "p/x $misa", "p $mhartid",
        "p/x $pmpaddr0", "backtrace", "x/2i $pc", "info line", "p $ft0 = 1.5", "p $ft0.double", "p/x $mscratch = 0x1234",
        "p/x $mscratch", "p $a0 = 7", "continue", "info registers csr", "detach",
    ]  # fmt: skip
    m = machine(guest, engine)
    parts, _ = session(m, guest, script)
    said = dict(zip(script, parts, strict=True))
    assert "Breakpoint 1, store ()" in said["continue"]
    assert numbers(parts)[:2] == [at(STORE), 1]
    values = numbers(parts)[2:]
    assert values[0] & 0xA00000000 == 0xA00000000  # 64 bits in user and supervisor mode
    assert values[1] == 8 << 60 | m.symbols.address(at("table")) >> 12
    assert values[2:5] == [1, 2 << 62 | 0x14112D | 2, 0] or values[2] == 1
    assert re.search(r"#1 .* in loop \(\)", said["backtrace"])
    assert re.search(r"=> 0x\w+ <store>:\s+add\s+sp,sp,-16", said["x/2i $pc"])
    assert "guest.s" in said["info line"]
    assert said["p $ft0.double"].endswith("= 1.5")
    assert said["p/x $mscratch"].endswith("= 0x1234")
    assert re.search(r"mcause\s+0x0", said["info registers csr"])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_watchpoint_shows_old_and_new_value_after_the_store(guest, at, engine):
    script = ["watch *(long*)&total", "continue", "p $pc", "continue", "continue", "p *(long*)&total", "detach"]
    parts, _ = session(machine(guest, engine), guest, script)
    found = [re.search(r"Old value = (\d+)\s+New value = (\d+)", part) for part in parts]
    assert [(int(f[1]), int(f[2])) for f in found if f] == [(0, 1), (1, 3), (3, 6)]
    assert numbers(parts) == [at(WRITTEN) + 4, 6]


def test_reads_and_all_accesses_can_be_watched(guest):
    script = ["rwatch *(long*)&total", "continue", "delete", "awatch *(long*)&total", "continue", "continue", "detach"]
    parts, _ = session(machine(guest), guest, script)
    assert "Hardware read watchpoint 1" in parts[1]
    assert "Hardware access (read/write) watchpoint 2" in parts[4]
    assert "New value = " in parts[4] + parts[5]


@pytest.mark.parametrize("engine", ENGINES)
def test_time_goes_back_by_an_instruction_and_comes_again_as_it_was(guest, at, engine):
    script = ["break written", "continue", "continue", "p $s0"]
    script += ["stepi", "p $pc", "p *(long*)&total", "reverse-stepi", "p $pc", "p *(long*)&total", "reverse-stepi", "p $pc"]
    script += ["stepi", "stepi", "p $pc", "p *(long*)&total", "detach"]
    parts, _ = session(machine(guest, engine), guest, script)
    w = at(WRITTEN)
    assert numbers(parts) == [2, w + 4, 3, w, 1, w - 2, w + 4, 3]


@pytest.mark.parametrize("engine", ENGINES)
def test_time_goes_back_to_the_breakpoint_that_was_hit_last_and_to_the_beginning(guest, at, engine):
    script = ["break store", "continue", "continue", "continue", "p $s0", "reverse-continue", "p $s0", "p $pc"]
    script += ["reverse-continue", "p $s0", "reverse-continue", "p $pc", "continue", "p $s0", "detach"]
    parts, _ = session(machine(guest, engine), guest, script)
    assert numbers(parts) == [3, 2, at(STORE), 1, 0x80000000, 1]
    assert "No more reverse-execution history" in parts[10]


@pytest.mark.parametrize("engine", ENGINES)
def test_time_goes_back_to_the_last_change_of_a_variable(guest, at, engine):
    script = ["tbreak loop if $s0 == 40", "continue", "p *(long*)&total", "watch *(long*)&total", "reverse-continue"]
    script += [
        "p $pc",
        "p $s0",
        "p *(long*)&total",
        "continue",
        "p $s0",
        "reverse-continue",
        "reverse-continue",
        "p $s0",
        "detach",
    ]
    parts, _ = session(machine(guest, engine), guest, script)
    assert numbers(parts) == [820, at(WRITTEN), 40, 780, 40, 39]
    assert re.search(r"Old value = 820\s+New value = 780", parts[4])
    assert re.search(r"Old value = 780\s+New value = 820", parts[8])


def test_a_search_in_a_long_past_finds_the_last_of_many_hits(guest, at):
    script = ["tbreak loop if $s0 == 3", "continue", "delete", "break *&other if $s1 == 50", "continue", "p $s1"]
    script += ["thread 1", "p $s0 > 1000", "delete", "break store", "reverse-continue", "p $pc", "detach"]
    m = machine(guest, cpus=2)
    m.keep_timeline(every=5000)
    parts, _ = session(m, guest, script)
    assert numbers(parts) == [50, 1, at(STORE)]


def test_harts_are_threads_and_each_is_stepped_by_itself(guest, at):
    script = ["info threads", "thread 2", "p $pc", "p $mhartid", "stepi", "p $pc", "thread 1", "p $mhartid", "break other"]
    script += ["continue", "p $mhartid", "stepi", "stepi", "p $s1", "reverse-stepi", "reverse-stepi", "p $s1", "p $pc", "detach"]
    parts, _ = session(machine(guest, cpus=2), guest, script)
    assert re.search(r"Thread 1 \(CPU 0: machine mode.*\n.*Thread 2 \(CPU 1: machine mode", parts[0])
    o = at(OTHER)
    assert numbers(parts) == [0x80000000, 1, 0x80000004, 0, 1, 1, 0, o]
    assert "Thread 2 hit Breakpoint" in parts[9]


def test_memory_and_symbols_are_changed_and_seen_through_the_page_table(guest, at):
    script = [
        "break store",
        "continue",
        "set var *(long*)&total = 1000",
        "p *(long*)&total",
        "delete",
        "break written",
        "continue",
    ]
    script += ["p $t1", "p *(long*)0x40000000", "p *(long*)0x10000000", "monitor vmem total 8", "monitor nonsense", "detach"]
    m = machine(guest)
    m.symbols.load(str(guest))
    parts, _ = session(m, guest, script)
    assert numbers(parts) == [1000, 1001]
    assert "Cannot access memory" in parts[8]
    assert "Cannot access memory" in parts[9]
    assert parts[10].startswith(f"{at(TOTAL):#012x}  e8 03 00")
    assert parts[11] == "nonsense: no such command; see help"


def test_the_guest_does_not_notice_the_debugger(guest):
    script = ["break store", "watch *(long*)&total", *["continue"] * 6, "stepi", "info registers", "x/4i $pc", "reverse-stepi"]
    script += ["reverse-continue", "delete", "tbreak loop if $s0 == 30", "continue", "detach"]
    m, alone = machine(guest), machine(guest)
    session(m, guest, [*script[:-1], "kill"])
    alone.run(insns=m.position)
    assert m.hash() == alone.hash()


def test_the_end_of_the_guest_can_be_taken_back(tmp_path, guest):
    script = [
        "break store",
        "continue",
        "delete",
        "p $pc = &off",
        "continue",
        "p $pc != &store",
        "reverse-stepi",
        "continue",
        "continue",
    ]
    parts, stops = session(machine(guest), guest, script)
    assert "SIGTERM" in parts[4]
    assert "SIGTERM" in parts[7]
    assert "exited normally" in parts[8]
    assert stops == [Stop.OFF]


def test_the_command_line_waits_for_gdb_and_prints_how_to_connect(guest, at):
    command = [
        sys.executable,
        "-m",
        "softmetal",
        "run",
        "--board",
        "riscv-virt",
        "--bios",
        str(guest),
        "--mem",
        "16M",
        "--gdb",
        "0",
    ]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        said = next(line for line in process.stderr if "waiting for GDB" in line)
        where = re.search(r"gdb-multiarch -ex '(target remote 127\.0\.0\.1:\d+)'", said)
        script = [where[1], "break store", "continue", "p $pc", "kill"]
        run = [GDB, "-nx", "-batch", *(part for line in script for part in ("-ex", line)), str(guest)]
        out = subprocess.run(run, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
        assert hex(at(STORE)) in out.stdout
        process.stderr.read()
        assert process.wait(timeout=60) == 0


def test_a_port_that_is_taken_is_reported_in_one_line(guest):
    with GdbServer(machine(guest)) as server:
        command = [sys.executable, "-m", "softmetal", "run", "--bios", str(guest), "--mem", "16M", "--gdb", str(server.port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert done.stderr.startswith(f"softmetal run: --gdb {server.port}: Address already in use")
    assert done.stderr.count("\n") == 1
