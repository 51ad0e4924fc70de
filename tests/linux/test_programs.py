"""Programs behave as on Linux: compared with qemu's user mode, or with the host's own kernel."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize("flags", [("-static",), ()], ids=["static", "dynamic"])
@pytest.mark.parametrize("source", ["numbers.c", "signals.c", "threads.c", "modern.cpp"])
def test_a_program_prints_and_exits_as_under_qemu(
    source: str, flags: tuple[str, ...], build: Callable[..., Path], run: Callable[..., Any], qemu: Callable[..., Any]
) -> None:
    program = build(source, *flags)
    root = cross_root() if not flags else None
    expected = qemu(*(["-L", root] if root else []), program, "argument")
    found = run(*(["--root", f"{root}:ro"] if root else []), program, "argument")
    assert found.stdout == expected.stdout
    code = 128 - expected.returncode if expected.returncode < 0 else expected.returncode
    assert found.returncode == code
    if code < 128:
        assert found.stderr == expected.stderr


def cross_root() -> Path:
    """The cross compiler's own libraries."""
    root = Path("/usr/riscv64-linux-gnu")
    if not root.is_dir():
        pytest.skip("the cross compiler's libraries are not where Debian puts them")
    return root


PROGRAMS = (
    "processes.c", "memory.c", "mapping.c", "limits.c", "polling.c", "edges.c", "interrupts.c",
    "sockets.c", "pieces.c", "timers.c", "files.c", "places.c", "terminals.c",
    "shared_futex.c", "beside.c",
)  # fmt: skip


@pytest.mark.parametrize("source", PROGRAMS)
def test_a_program_prints_and_exits_as_on_the_hosts_own_kernel(
    source: str, build: Callable[..., Path], run: Callable[..., Any], tmp_path: Path
) -> None:
    folders = [tmp_path / "native", tmp_path / "guest"]
    for folder in folders:
        folder.mkdir()
    native = subprocess.run(
        [build(source, "-static", prefix=""), folders[0]], capture_output=True, text=True, timeout=60, check=False
    )
    found = run("--dir", f"{folders[1]}:/mnt/work", build(source, "-static"), "/mnt/work")
    assert found.stderr == ""
    assert found.stdout == native.stdout
    assert found.returncode == native.returncode


def test_a_run_is_the_same_every_time_threads_included(build: Callable[..., Path], run: Callable[..., Any]) -> None:
    program = build("threads.c", "-static")
    runs = [run("--stats", program) for _ in range(2)]
    assert runs[0].stdout == runs[1].stdout
    counts = [r.stderr.split(" instructions")[0] for r in runs]
    assert counts[0] == counts[1]
    assert counts[0].startswith("softmetal run: ")


SEEDED = """
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <sys/random.h>
int main(void) {
    unsigned long r;
    struct timespec t;
    getrandom(&r, 8, 0);
    clock_gettime(CLOCK_REALTIME, &t);
    printf("%lx %p %p %ld\\n", r, (void *)&r, malloc(10), (long)t.tv_sec);
}
"""


def test_the_seed_decides_random_bytes_and_addresses(build: Callable[..., Path], run: Callable[..., Any]) -> None:
    program = build("seeded.c", "-static", text=SEEDED)
    first, again, other = (run("--seed", s, program).stdout.split() for s in ("1", "1", "2"))
    assert first == again
    assert all(a != b for a, b in zip(first[:3], other[:3], strict=True))
    assert first[3] == other[3] == "1735689600"


def test_host_time_gives_the_hosts_clock(build: Callable[..., Path], run: Callable[..., Any]) -> None:
    import time

    seconds = int(run("--host-time", build("seeded.c", "-static", text=SEEDED)).stdout.split()[3])
    assert abs(seconds - time.time()) < 60


def test_the_golden_engine_runs_the_same_program_to_the_same_instruction(
    build: Callable[..., Path], run: Callable[..., Any]
) -> None:
    program = build("hello.c", "-static", text='#include <stdio.h>\nint main(){printf("%g\\n", 2.5);return 4;}')
    native, golden = (run("--stats", "--engine", engine, program) for engine in ("native", "golden"))
    assert native.stdout == golden.stdout == "2.5\n"
    assert native.returncode == golden.returncode == 4
    assert native.stderr.split(" in ")[0] == golden.stderr.split(" in ")[0]


def test_standard_input_reaches_the_program(build: Callable[..., Path], run: Callable[..., Any]) -> None:
    text = '#include <stdio.h>\nint main(){int a,b;scanf("%d %d",&a,&b);printf("%d\\n",a*b);}'
    assert run(build("product.c", "-static", text=text), stdin="6 7\n").stdout == "42\n"


def test_a_write_into_a_closed_pipe_ends_the_program_with_sigpipe(build: Callable[..., Path], command: list[str]) -> None:
    program = build("yes.c", "-static", text='#include <stdio.h>\nint main(){for(;;)puts("y");}')
    with subprocess.Popen([*command, str(program)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
        assert p.stdout is not None
        assert p.stdout.read(2) == b"y\n"
        p.stdout.close()
        assert p.wait(60) == 128 + 13


def test_max_insns_stops_the_program_with_code_124(build: Callable[..., Path], run: Callable[..., Any]) -> None:
    found = run("--max-insns", "1000000", build("wild.c", "-static"), "loop")
    assert found.returncode == 124
    assert "stopped at pc 0x" in found.stderr
    assert "after 1000000 instructions (--max-insns)" in found.stderr


def test_trace_writes_one_line_an_instruction(build: Callable[..., Path], run: Callable[..., Any], tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    found = run("--max-insns", "50", "--trace-to", trace, build("wild.c", "-static"))
    assert found.returncode == 124
    lines = trace.read_text().splitlines()
    assert len(lines) == 50
    assert all(line.startswith("0x") for line in lines)


def test_the_memory_limit_refuses_what_goes_over_it(build: Callable[..., Path], run: Callable[..., Any]) -> None:
    text = '#include <stdlib.h>\n#include <stdio.h>\nint main(){printf("%d %d\\n", !!malloc(20<<20), !!malloc(900<<20));}'
    assert run("--mem", "100M", build("limit.c", "-static", text=text)).stdout == "1 0\n"


def test_the_environment_is_small_and_env_adds_to_it(
    build: Callable[..., Path], run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "#include <stdio.h>\nextern char **environ;int main(){for(char**e=environ;*e;e++)puts(*e);}"
    monkeypatch.setenv("OURS", "host's")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    lines = run("--env", "A=b c", "--env", "OURS", build("env.c", "-static", text=text)).stdout.splitlines()
    assert sorted(line.partition("=")[0] for line in lines) == ["A", "HOME", "LANG", "OURS", "PATH", "TERM"]
    assert {"A=b c", "OURS=host's", "LANG=C.UTF-8"} < set(lines)


def test_calls_with_garbage_arguments_never_hurt(build: Callable[..., Path], run: Callable[..., Any]) -> None:
    found = run(build("garbage.c", "-static"))
    assert found.stdout == "alive\n"
    assert found.returncode == 0
    assert "internal error" not in found.stderr


def test_a_signal_from_outside_ends_the_program_in_silence(build: Callable[..., Path], command: list[str]) -> None:
    import signal

    text = '#include <stdio.h>\nint main(){puts("up");fflush(stdout);for(;;);}'
    program = build("spin.c", "-static", text=text)
    for number in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen([*command, str(program)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
            assert p.stdout is not None
            assert p.stdout.readline() == b"up\n"
            p.send_signal(number)
            _, errors = p.communicate(timeout=60)
        assert (p.returncode, errors) == (128 + number, b"")


def test_sleeping_moves_the_guests_clock_and_not_the_users(build: Callable[..., Path], run: Callable[..., Any]) -> None:
    import time

    text = (
        "#include <stdio.h>\n#include <time.h>\n#include <unistd.h>\n#include <sys/wait.h>\n"
        "int main(){time_t t=time(0);if(!fork()){sleep(3000);_exit(0);}wait(0);sleep(1000);"
        'printf("%ld\\n",(long)(time(0)-t));}'
    )
    program = build("sleep.c", "-static", text=text)
    began = time.monotonic()
    assert run(program).stdout == "4000\n"
    assert time.monotonic() - began < 60


def test_a_standard_stream_that_is_closed_is_closed_for_the_guest(build: Callable[..., Path], command: list[str]) -> None:
    text = '#include <unistd.h>\nint main(){return (write(1,"x",1)==1)*2+(read(0,(char[1]){0},1)==0);}'
    program = build("closed.c", "-static", text=text)
    shell = ["sh", "-c", 'exec "$@" <&- >&-', "sh", *command, str(program)]
    done = subprocess.run(shell, stderr=subprocess.PIPE, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
