"""Debian's own riscv64 programs, from a tree that `tools/guest_root.py` builds, do their work."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Guest = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def guest(root: Path) -> Guest:
    """A function that runs a program of the guest root and answers what came of it."""
    from softmetal.linux.adapter import BoardCpu

    BoardCpu("native")
    code = "from softmetal.cli.main import main; main()"
    environment = {key: value for key, value in os.environ.items() if key != "SOFTMETAL_DEBUG"}

    def run(*arguments: Any, stdin: str = "", options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, "run", "--root", f"{root}:ro", *options, *map(str, arguments)],
            input=stdin, capture_output=True, text=True, timeout=300, env=environment, check=False,
        )  # fmt: skip

    return run


def test_python_prints_the_right_digest(guest: Guest) -> None:
    script = "import json,hashlib; print(hashlib.sha256(json.dumps(list(range(100000))).encode()).hexdigest())"
    done = guest("/usr/bin/python3", "-c", script)
    assert done.stdout.strip() == hashlib.sha256(json.dumps(list(range(100000))).encode()).hexdigest()
    assert (done.returncode, done.stderr) == (0, "")


PYTHON = """
import asyncio, concurrent.futures, json, multiprocessing, os, queue, signal, socket, subprocess, sys, tempfile
import threading, time
def square(x): return x * x
results = queue.Queue()
threads = [threading.Thread(target=lambda i=i: (time.sleep(0.01 * i), results.put(i))) for i in range(5)]
for t in threads: t.start()
for t in threads: t.join()
print([results.get() for _ in threads])
print(subprocess.run(["echo", "sub"], capture_output=True, text=True).stdout.strip())
print(subprocess.run("exit 3", shell=True).returncode, subprocess.check_output(["tr", "a-z", "A-Z"], input=b"piped"))
try: subprocess.run(["/no/such"])
except FileNotFoundError as error: print("not found", error.errno)
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "x")
    open(path, "w").write("hi" * 1000)
    print(os.path.getsize(path), os.listdir(folder))
with concurrent.futures.ThreadPoolExecutor(4) as pool: print(sum(pool.map(square, range(100))))
a, b = socket.socketpair(); a.send(b"ping"); print(b.recv(10))
start = time.monotonic(); time.sleep(2); print(round(time.monotonic() - start))
pid = os.fork()
if pid == 0: os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
signal.signal(signal.SIGALRM, lambda *a: print("alarm")); signal.setitimer(signal.ITIMER_REAL, 0.1); signal.pause()
with multiprocessing.get_context("fork").Pool(2) as pool: print(pool.map(square, range(10)))
async def main():
    p = await asyncio.create_subprocess_exec("echo", "async", stdout=asyncio.subprocess.PIPE)
    print((await p.communicate())[0], await asyncio.gather(*[asyncio.sleep(0.1, i) for i in range(3)]))
asyncio.run(main())
print(os.getpid(), os.uname().machine, sys.platform)
try: raise ValueError("x")
except ValueError as error: print(repr(error))
"""
PYTHON_SAYS = """[0, 1, 2, 3, 4]
sub
3 b'PIPED'
not found 2
2000 ['x']
328350
b'ping'
2
7
alarm
[0, 1, 4, 9, 16, 25, 36, 49, 64, 81]
b'async\\n' [0, 1, 2]
1000 riscv64 linux
ValueError('x')
"""


def test_python_runs_threads_processes_signals_and_asyncio(guest: Guest) -> None:
    done = guest("python3", "-c", PYTHON)
    assert done.stdout == PYTHON_SAYS
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (["busybox", "sh", "-c", "seq 1 100 | grep 7 | sort -rn | head -n 3 | tr '\\n' ' '; expr 6 \\* 7"],
         "97 87 79 42\n"),
        (["busybox", "sh", "-c", "for i in a b c; do (echo $i; exit 1) || echo no $i; done | md5sum"],
         hashlib.md5(b"a\nno a\nb\nno b\nc\nno c\n").hexdigest() + "  -\n"),
        (["bash", "-c", "declare -A m=([x]=1 [y]=2); for k in x y; do echo $k=${m[$k]}; done; cat <(echo sub) - <<< here"],
         "x=1\ny=2\nsub\nhere\n"),
        (["bash", "-c", "(sleep 1; echo b) & (sleep 0.5; echo a) & wait; echo c; trap 'echo bye' EXIT"], "a\nb\nc\nbye\n"),
        (["bash", "-c", "set -o pipefail; false | true; echo $?; kill -TERM $$ ; sleep 5"], "1\n"),
        (["sqlite3", ":memory:", "create table t(a,b); insert into t select value, value*value from generate_series(1,100);"
          "select sum(a), sum(b), avg(b) from t;"], "5050|338350|3383.5\n"),
        (["lua", "-e", "print(('x'):rep(3), 1/3, 7//2, string.format('%5.2f', math.pi), #table.pack(1,2,3))"],
         "xxx\t0.33333333333333\t3\t 3.14\t3\n"),
        (["perl", "-e", 'my %h = map { $_ => $_ ** 2 } 1..5;'
          'print join(",", map { "$_=$h{$_}" } sort keys %h), "\\n"; print `echo sub`'],
         "1=1,2=4,3=9,4=16,5=25\nsub\n"),
        (["sh", "-c", "cd /usr && find . -maxdepth 1 -type d | sort | head -n 2 && echo a b | awk '{print $2, $1}' | sed s/b/B/"],
         ".\n./bin\nB a\n"),
        (["sh", "-c", "cd /tmp && mkdir d && echo text > d/f && tar czf t.tgz d && rm -r d && "
          "tar xzf t.tgz && cat d/f && sha1sum d/f"],
         "text\n" + hashlib.sha1(b"text\n").hexdigest() + "  d/f\n"),
        (["factor", "1000000007", "600851475143"], "1000000007: 1000000007\n600851475143: 71 839 1471 6857\n"),
        (["date", "-u", "-d", "@86400", "+%F"], "1970-01-02\n"),
        (["bc", "-q"], "1.41421356237309504880\n"),
    ],
)  # fmt: skip
def test_a_debian_program_prints_what_it_should(arguments: list[str], output: str, guest: Guest) -> None:
    done = guest(*arguments, stdin="scale=20; sqrt(2)\n" if arguments[0] == "bc" else "")
    assert done.stdout == output


def test_sqlite_keeps_a_database_in_a_file_with_a_write_ahead_log(guest: Guest, tmp_path: Path) -> None:
    mount = ("--dir", f"{tmp_path}:/data")
    sql = "pragma journal_mode=wal; create table t(a); insert into t values(1),(2),(3);"
    assert guest("sqlite3", "/data/db", sql, options=mount).stdout == "wal\n"
    assert guest("sqlite3", "/data/db", "select sum(a) from t; pragma integrity_check;", options=mount).stdout == "6\nok\n"


def test_a_shell_script_that_the_user_gives_runs_with_its_interpreter_from_the_root(guest: Guest, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/bash\necho $0 has $# arguments: $@\nexit 3\n")
    script.chmod(0o755)
    done = guest(script, "x", "y z")
    assert done.stdout == f"{script} has 2 arguments: x y z\n"
    assert done.returncode == 3
