"""`softmetal run` for computers, as a demanding user calls it: what is printed, and the exit code."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys

import pytest

from tests.machine.guests import TIMERS, machine, program

FINISH = """
        li t0, 0x100000
        li t1, {}
        sw t1, 0(t0)
1:      j 1b
"""
OFF, FAIL, RESET = (FINISH.format(n) for n in ("0x5555", "0x33333", "0x7777"))
SPIN = "1: j 1b\n"
CHATTER = """
        li s2, 0x10000000
        li t0, 'x'
1:      sb t0, 0(s2)
        j 1b
"""
ECHO = """
        # what is typed comes back, plus one
        li s2, 0x10000000
        li t0, '>'
        sb t0, 0(s2)
loop:   lbu t0, 5(s2)
        andi t0, t0, 1
        beqz t0, loop
        lbu t1, 0(s2)
        addi t1, t1, 1
        sb t1, 0(s2)
        j loop
"""
UNMODELLED = """
        li t0, 0x10001048
        li t1, 1
        sb t1, 0(t0)
        li t0, 0x101040
        lw t1, 0(t0)
        lw t1, 0(t0)
"""
DISK = (
    """
        # negotiates with the disk in slot 0, then asks it to read sector 0; ends well if the status is 0
        li s0, 0x10001000
        sw zero, 0x70(s0)
        li t0, 3
        sw t0, 0x70(s0)
        li t0, 1
        sw t0, 0x24(s0)
        sw t0, 0x20(s0)
        li t0, 11
        sw t0, 0x70(s0)
        sw zero, 0x30(s0)
        li t0, 4
        sw t0, 0x38(s0)
        la t0, table
        sw t0, 0x80(s0)
        la t0, avail
        sw t0, 0x90(s0)
        la t0, used
        sw t0, 0xa0(s0)
        li t0, 1
        sw t0, 0x44(s0)
        li t0, 15
        sw t0, 0x70(s0)
        la s1, table            # header, data, status
        la t0, header
        sd t0, 0(s1)
        li t0, 16
        sw t0, 8(s1)
        li t0, 0x10001
        sw t0, 12(s1)
        la t0, data
        sd t0, 16(s1)
        li t0, 512
        sw t0, 24(s1)
        li t0, 0x20003
        sw t0, 28(s1)
        la t0, status
        sd t0, 32(s1)
        li t0, 1
        sw t0, 40(s1)
        li t0, 2
        sw t0, 44(s1)
        li s2, 0x10000000       # says that it is ready, and waits for a key
        li t0, '>'
        sb t0, 0(s2)
1:      lbu t0, 5(s2)
        andi t0, t0, 1
        beqz t0, 1b
        la t1, avail
        li t0, 1
        sh t0, 2(t1)
        sw zero, 0x50(s0)
        la t1, used
1:      lhu t0, 2(t1)
        beqz t0, 1b
        la t1, status
        lbu t0, 0(t1)
        addi t0, t0, '0'
        sb t0, 0(s2)
"""
    + OFF
    + """
        .balign 4096
table:  .zero 64
avail:  .zero 64
used:   .zero 64
header: .zero 16
status: .zero 16
data:   .zero 512
"""
)


def start(*arguments, **streams):
    environment = {key: value for key, value in os.environ.items() if key != "SOFTMETAL_DEBUG"}
    return subprocess.Popen([sys.executable, "-m", "softmetal", *map(str, arguments)], env=environment, **streams)


def softmetal(*arguments, typed=""):
    """Exit code, output, and the lines on stderr."""
    pipe = subprocess.PIPE
    with start(*arguments, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        out, reported = process.communicate(typed, timeout=300)
    lines = [
        line for line in reported.splitlines() if "compiling" not in line and "LLVM IR" not in line and "machine code" not in line
    ]
    return process.returncode, out, lines


def run(tmp_path, text, *arguments, typed=""):
    return softmetal("run", "--bios", program(tmp_path, text), "--mem", "16M", *arguments, typed=typed)


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A directory with all kinds of wrong files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dir").mkdir()
    (tmp_path / "empty").touch()
    (tmp_path / "junk").write_bytes(b"\xfe" * 5000)
    (tmp_path / "x86").write_bytes(bytes(0x202) + b"HdrS" + bytes(999))
    (tmp_path / "arm64").write_bytes(bytes(0x38) + b"ARMd" + bytes(999))
    (tmp_path / "gz").write_bytes(b"\x1f\x8b\x08\x00half")
    (tmp_path / "elf").write_bytes(b"\x7fELF\2\1\1" + bytes(20))
    for name in ("d1", "d2", "d3", "d4", "d5"):
        (tmp_path / name).write_bytes(bytes(4096))
    scripts = [("verb", "wait x"), ("quit", "quit 256"), ("regex", "expect ("), ("escape", r"send \x4")]
    for name, text in [*scripts, ("seconds", "expect[1.2.3] x")]:
        (tmp_path / f"{name}.script").write_text(text)
    program(tmp_path, OFF)


G = "--bios guest.bin --mem 16M "
REFUSED = {
    "--board riscv-virt": "nothing to run: give a kernel, or firmware",
    "--bios none": "nothing to run: without firmware there has to be a kernel",
    "--board pc --kernel x": "--board pc: there are mos6502-sbc, riscv-virt; ",
    "--kernel nothere": "kernel nothere: No such file or directory",
    "--kernel dir": "kernel dir: Is a directory",
    "--kernel empty": "kernel empty: the file is empty",
    "--kernel junk": "kernel junk: not a kernel: give a riscv64 Linux Image",
    "--kernel x86": "kernel x86: an x86 kernel; this board runs riscv64",
    "--kernel arm64": "kernel arm64: an AArch64 kernel; this board runs riscv64",
    "--kernel gz": "kernel gz: damaged: ",
    "--kernel elf": "kernel elf: damaged: ",
    "--kernel /bin/sh": "kernel /bin/sh: ",
    G + "--kernel guest.bin --initrd dir": "initrd dir: Is a directory",
    "--bios empty": "firmware empty: the file is empty",
    G + "--mem 1M": "memory of 1 MiB: this board takes 16 to 16384 MiB",
    G + "--mem 99G": "memory of 101376 MiB: this board takes 16 to 16384 MiB",
    G + "--mem 17000001": "memory of 17000001 bytes: give whole pages of 4096 bytes",
    G + "--mem ²M": "--mem ²M: give a size of at least 1M, such as 512M or 4G",
    G + "--cpus 0": "0 CPUs: this board takes 1 to 32",
    G + "--cpus 33": "33 CPUs: this board takes 1 to 32",
    G + "--timeout -1": "--timeout -1: give a number of seconds above 0",
    G + "--timeout nan": "--timeout nan: give a number of seconds above 0",
    G + "--engine fast": "engine fast: choose golden or native",
    G + "--append " + "x" * 2000: "command line of 2000 bytes: Linux takes at most 1023",
    G + "--disk nothere": "disk nothere: there is no such file",
    G + "--disk dir": "disk dir: this is a directory; give an image file, or use --share",
    G + "--disk empty": "disk empty: empty; give it a size first: truncate -s 2G FILE",
    G + "--disk d1,no": "disk d1: no option 'no'; choose ro, overlay or commit",
    G + "--disk d1 --disk d1": "disk d1: given twice; that needs ,ro or ,overlay at each",
    G + "--disk d1,ro --disk ./d1": "disk ./d1: given twice; that needs ,ro or ,overlay at each",
    G + "--disk d1 --disk d2 --disk d3 --disk d4 --disk d5": "this board takes up to 4 disks and 4 shares",
    G + "--share nowhere": "share nowhere: No such file or directory",
    G + "--share :": "share :: No such file or directory",
    G + "--share d1:a": "share d1: Not a directory",
    G + "--share dir:" + "t" * 33: "share dir:" + "t" * 33 + ": the tag " + "t" * 33 + " has more than 32 bytes",
    G + "--share dir:a --share dir:a": "share tag a: given twice; each share needs its own",
    G + "--script nothere": "script nothere: No such file or directory",
    G + "--script junk": "script junk: not a text",
    G + "--script verb.script": "verb.script:1: 'wait x': a line is `expect REGEX`, `send TEXT`, `type TEXT` or `quit CODE`",
    G + "--script quit.script": "quit.script:1: quit 256: an exit code is a number from 0 to 255",
    G + "--script regex.script": "regex.script:1: '(' is not a regular expression: ",
    G + "--script escape.script": "escape.script:1: ",
    G + "--script seconds.script": "seconds.script:1: ",
    G + "--screenshot no/x.png": "--screenshot no/x.png: there is no such directory",
    G + "--screenshot dir": "--screenshot dir: this is a directory",
    G + "--record no/x": "recording no/x: No such file or directory",
    G + "--record x --disk d1": "disk d1: its file is written directly, so a replay would find it changed; ",
    G + "--gdb 70000": "--gdb 70000: ",
    G + "prog": "prog: a computer runs its kernel, not a program; leave it out",
    "--resume nothere": "--resume nothere: No such file or directory",
    "--resume junk": "junk: this is no state file",
    "--resume junk --mem 1G": "--mem: the machine in junk has its own; leave it out",
}  # fmt: skip


@pytest.mark.parametrize("line", REFUSED)
def test_what_cannot_be_run_is_reported_in_one_line(places, line):
    code, out, reported = softmetal("run", *line.split())
    assert (code, out, len(reported)) == (2, "", 1)
    assert reported[0].startswith(f"softmetal run: {REFUSED[line]}")


@pytest.mark.parametrize("option", ["--net", "--root dir", "--dir dir:/x", "--env A=B", "--cwd /", "--trace", "--host-time"])
def test_options_of_programs_are_not_ignored_with_a_computer(places, option):
    reported = f"softmetal run: {option.split()[0]} is for programs; this runs a computer"
    assert softmetal("run", *G.split(), *option.split()) == (2, "", [reported])


@pytest.mark.parametrize("option", ["--disk d1", "--share dir:a", "--cpus 2", "--append x", "--gdb 0", "--strict", "--timeout 3"])
def test_options_of_computers_are_not_ignored_with_a_program(places, option):
    reported = f"softmetal run: {option.split()[0]} is for computers: give --board or --resume, too"
    assert softmetal("run", *option.split(), "prog") == (2, "", [reported])


def test_each_way_to_end_has_its_exit_code(tmp_path):
    assert run(tmp_path, OFF) == (0, "", [])
    assert run(tmp_path, FAIL) == (3, "", ["softmetal: the guest powered off with error 3"])
    assert run(tmp_path, RESET, "--no-reboot") == (0, "", [])
    stopped = "softmetal: stopped after 5000 instructions (--max-insns); the guest was still running"
    assert run(tmp_path, SPIN, "--max-insns", 5000) == (124, "", [stopped])
    timed_out = "softmetal: time-out after 0.1 s; the guest was still running"
    assert run(tmp_path, SPIN, "--timeout", 0.1) == (124, "", [timed_out])


def test_a_script_ends_a_run_with_the_code_that_it_says(tmp_path):
    script = tmp_path / "script"
    script.write_text("expect >\nquit 7\nexpect never\n")
    assert run(tmp_path, ECHO, "--script", script)[0] == 7
    script.write_text("expect >\nquit\n")
    assert run(tmp_path, ECHO, "--script", script)[0] == 0


def test_figures_are_of_this_run_alone_also_behind_a_resume(tmp_path):
    figures = r"softmetal: (\d+) instructions in .*; ([\d.]+) s of machine time"
    _, _, reported = run(tmp_path, SPIN, "--max-insns", 5_000_000, "--stats")
    assert re.match(figures, reported[-1]).groups() == ("5000000", "0.01")
    m = machine(tmp_path, SPIN)
    m.run(insns=3_000_000)
    m.save(str(tmp_path / "saved"))
    more = ["--max-insns", "2000000", "--stats", "--record", str(tmp_path / "r")]
    _, _, reported = softmetal("run", "--resume", str(tmp_path / "saved"), *more)
    assert re.match(figures, reported[-2]).groups() == ("2000000", "0.00")
    assert "2000000 instructions recorded" in reported[-1]


def test_a_guest_that_resets_for_ever_does_not_fill_the_screen(tmp_path):
    code, _, reported = run(tmp_path, RESET, "--timeout", 2)
    assert code == 124
    assert len(reported) <= 5


def test_a_guest_that_writes_for_ever_ends_with_the_time_out(tmp_path):
    code, out, _ = run(tmp_path, CHATTER, "--timeout", 0.2)
    assert code == 124
    assert set(out) == {"x"}


def test_what_is_not_modelled_is_named_with_its_device(tmp_path):
    reported = [
        "softmetal: the guest accessed what is not modelled, 3 times:",
        "softmetal:   write of 0x10001048 (virtio slot 0, console + 0x48)",
        "softmetal:   read of 0x101040 (rtc + 0x40, 2 times)",
    ]
    assert run(tmp_path, UNMODELLED + OFF) == (0, "", reported)
    assert run(tmp_path, UNMODELLED + OFF, "--strict") == (1, "", reported)


def test_a_port_that_is_taken_is_refused(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code, _, reported = run(tmp_path, SPIN, "--gdb", port)
    assert (code, reported) == (2, [f"softmetal run: --gdb {port}: Address already in use"])


@pytest.mark.parametrize("stream", [0, 1, 2])
def test_a_closed_standard_stream_is_as_good_as_dev_null(tmp_path, stream):
    process = start("run", "--bios", program(tmp_path, OFF), "--mem", "16M", preexec_fn=lambda: os.close(stream))
    assert process.wait(60) == 0


def test_who_reads_the_console_may_leave(tmp_path):
    process = start("run", "--bios", program(tmp_path, CHATTER), "--mem", "16M", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.read(1) == b"x"
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    assert process.wait(60) == 128 + signal.SIGPIPE
    process.stderr.close()


def test_output_that_cannot_be_written_is_reported(tmp_path):
    with open("/dev/full", "w") as full:
        process = start(
            "run", "--bios", program(tmp_path, CHATTER), "--mem", "16M", stdout=full, stderr=subprocess.PIPE, text=True
        )
        reported = process.communicate(timeout=60)[1].splitlines()
    assert process.returncode == 125
    assert reported[-1] == "softmetal: the guest's output cannot be written: No space left on device"


@pytest.mark.parametrize(("number", "reported"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "ended by SIGTERM")])
def test_signals_end_a_run_without_a_terminal(tmp_path, number, reported):
    pipe = subprocess.PIPE
    process = start("run", "--bios", program(tmp_path, ECHO), "--mem", "16M", stdin=pipe, stdout=pipe, stderr=pipe)
    assert process.stdout.read(1) == b">"
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert err.decode().splitlines()[-1] == f"softmetal: {reported}"


def test_a_disk_that_is_cut_short_is_an_error_of_the_guest_and_a_line_for_the_user(tmp_path):
    disk, pipe = tmp_path / "disk", subprocess.PIPE
    disk.write_bytes(bytes(4096))
    guest = program(tmp_path, DISK)
    process = start("run", "--bios", guest, "--mem", "16M", "--disk", disk, stdin=pipe, stdout=pipe, stderr=pipe)
    assert process.stdout.read(1) == b">"
    os.truncate(disk, 0)
    code, out, reported = softmetal("run", "--bios", guest, "--mem", "16M", "--disk", disk)
    out, err = process.communicate(b"k", timeout=60)
    assert (process.returncode, out) == (1, b"1")
    assert f"disk {disk}: the file was truncated while the machine ran" in err.decode()
    assert (code, reported) == (2, [f"softmetal run: disk {disk}: in use by another machine at this moment"])


class Typist:
    """A user at a terminal."""

    def __init__(self, *arguments):
        self.master, slave = pty.openpty()
        self.process = start(*arguments, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        os.close(slave)
        self.seen = b""

    def expect(self, text):
        while text not in self.seen:
            assert select.select([self.master], [], [], 60)[0], self.seen
            self.seen += os.read(self.master, 4096)
        self.seen = self.seen.partition(text)[2]

    def type(self, text):
        os.write(self.master, text)

    def end(self):
        code = self.process.wait(60)
        os.close(self.master)
        return code


def test_in_a_terminal_ctrl_a_commands_and_ctrl_c_goes_to_the_guest(tmp_path, monkeypatch):
    guest = program(tmp_path, ECHO)
    monkeypatch.chdir(tmp_path)
    user = Typist("run", "--bios", guest, "--mem", "16M")
    user.expect(b">")
    user.type(b"a")
    user.expect(b"b")
    user.type(b"\x03")
    user.expect(b"\x04")  # Ctrl-C came back, plus one
    user.type(b"\x01a")
    user.expect(b"\x02")
    user.type(b"\x01h")
    user.expect(b"Ctrl-A x: quit")
    user.type(b"\x01c")
    user.expect(b"(softmetal) ")
    user.type(b"mem zzz\nmem 99999999999999999999999999\nload\nhash\ncont\n")
    user.expect(b"back in the guest")
    user.type(b"\x01s")
    user.expect(b"go on from it with: softmetal run --resume softmetal-1.state")
    user.type(b"\x01x")
    assert user.end() == 0
    assert softmetal("run", "--resume", "softmetal-1.state", "--max-insns", 1000)[0] == 124


def test_a_time_out_comes_at_a_prompt_too(tmp_path):
    user = Typist("run", "--bios", program(tmp_path, "1: wfi\nj 1b\n"), "--mem", "16M", "--timeout", "0.2", "--seed", "1")
    user.expect(b"time-out after 0.2 s")
    assert user.end() == 124


def test_under_a_script_ctrl_c_at_the_terminal_ends_the_run(tmp_path):
    script = tmp_path / "script"
    script.write_text("expect never\n")
    user = Typist("run", "--bios", program(tmp_path, TIMERS), "--mem", "16M", "--script", script)
    user.expect(b"A")
    user.process.send_signal(signal.SIGINT)
    user.expect(b"interrupted")
    assert user.end() == 130
