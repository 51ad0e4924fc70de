#!/usr/bin/env python3
"""Run whole programs of Debian's riscv64 packages under `softmetal run`, and print a Markdown table of what runs.

    tools/programs.py               build the file tree (or take the one in the cache), run everything, print the table
    tools/programs.py --root DIR    take this tree; it says so where a program's package is not in it
    tools/programs.py NAME...       only these
    tools/programs.py --jobs 2      two programs at a time

Each program does a small piece of its real work in the guest's shell, and what it prints last has to be right. The table says
which suite of Debian the tree came from and what each program says its version is. docs/running.md holds the last one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

SUITE = "forky"
"""The suite of Debian whose packages are run."""

LIMIT = 900
"""Seconds for one program."""


class Program(NamedTuple):
    """What is run: the packages, a command that prints the version, one that does some work, and the end of its output."""

    packages: str
    version: str
    work: str
    expected: str
    net: bool = False
    note: str = ""
    """What the table says beside that it runs."""


JAVA = """mkdir -p /tmp/j && cd /tmp/j && cat > P.java <<E
public class P {
    public static void main(String[] a) {
        long s = 0;
        for (int i = 0; i < 20000000; i++) s += i ^ (i >> 3);
        System.out.println(java.util.stream.IntStream.range(0, 100).sum() + " " + s);
    }
}
E
java P.java"""
JVM = "PATH=$(echo /usr/lib/jvm/java-*/bin | cut -d' ' -f1):$PATH; "
GIT = """cd /tmp && export HOME=/tmp && git init -q r && cd r && git config user.name a && git config user.email a@b
for i in $(seq 60); do echo $i > f$((i % 7)); git add . ; git commit -qm "change $i"; done
git gc -q && git clone -q /tmp/r /tmp/s && cd /tmp/s && git fsck 2>&1 | grep -v ^notice; git log --oneline | wc -l"""
POSTGRES = """export PATH=$(echo /usr/lib/postgresql/*/bin):$PATH TZ=UTC; chown -R 65534 /tmp; cd /tmp
cat > /tmp/sql <<E
create table t(a int primary key, b text);
insert into t select g, md5(g::text) from generate_series(1, 200) g;
select count(*), max(b) from t;
E
cat > /tmp/go <<E
initdb -D /tmp/db -A trust --no-sync -L $(echo /usr/share/postgresql/*/) > /tmp/log 2>&1 || { tail -3 /tmp/log; exit; }
postgres --single -D /tmp/db postgres < /tmp/sql 2> /tmp/log2 | grep -o 'max = "[^"]*'
E
python3 -c 'import os; os.setgid(65534); os.setuid(65534); os.execvp("bash", ["bash", "/tmp/go"])'"""
NGINX = """mkdir -p /tmp/n && cd /tmp/n && echo served > index.html && cat > conf <<E
daemon off; master_process off; pid /tmp/n/pid; error_log stderr; events { worker_connections 64; }
http { access_log off; client_body_temp_path /tmp/n; proxy_temp_path /tmp/n; fastcgi_temp_path /tmp/n;
    uwsgi_temp_path /tmp/n; scgi_temp_path /tmp/n; server { listen 127.0.0.1:18080; root /tmp/n; } }
E
nginx -c /tmp/n/conf & python3 -c '
import time, urllib.request
for _ in range(200):
    try:
        print(urllib.request.urlopen("http://127.0.0.1:18080/", timeout=20).read().decode().strip())
        break
    except OSError:
        time.sleep(0.1)
'; kill $(cat /tmp/n/pid)"""
REDIS = """cd /tmp; redis-server --port 0 --unixsocket /tmp/redis.sock --save "" --daemonize no > /tmp/log 2>&1 & P=$!
for i in $(seq 100); do
    redis-cli -s /tmp/redis.sock ping > /tmp/pong 2>&1 && grep -q PONG /tmp/pong && break
    sleep 0.1
done
redis-cli -s /tmp/redis.sock set k 41 && redis-cli -s /tmp/redis.sock incr k; kill $P"""
GO = """mkdir -p /tmp/g && cd /tmp/g && export HOME=/tmp GOCACHE=/tmp/gc GOTOOLCHAIN=local && cat > m.go <<E
package main

func main() {
	c := make(chan int)
	for i := 0; i < 100; i++ {
		go func() { c <- i }()
	}
	s := 0
	for range 100 {
		s += <-c
	}
	println(s)
}
E
go run m.go 2>&1"""
NODE = """cat > /tmp/n.js <<E
setTimeout(async () => {
  const files = require("fs/promises");
  await files.writeFile("/tmp/x", "y");
  console.log((await files.readFile("/tmp/x")).length + [1, 2, 3].map(x => x * x).join());
}, 5);
E
node /tmp/n.js"""
OCAML = """echo 'let rec f n = if n < 2 then n else f (n - 1) + f (n - 2);; print_int (f 20);;' > /tmp/f.ml
ocaml /tmp/f.ml"""
SQL = "with recursive n(x) as (select 1 union all select x + 1 from n where x < 1000) select sum(x) from n"
PYTHON = "import ssl, sqlite3, asyncio, hashlib; print(hashlib.md5(b'x').hexdigest())"
FFMPEG = """cd /tmp && ffmpeg -v error -f lavfi -i testsrc=d=0.2:s=64x48 -c:v mpeg4 t.avi
ffmpeg -v error -i t.avi -f null - && echo coded"""
BLAS = "export LD_LIBRARY_PATH=/usr/lib/riscv64-linux-gnu/blas:/usr/lib/riscv64-linux-gnu/lapack; "
R = BLAS + "Rscript -e 'cat(round(solve(matrix(c(2, 1, 1, 3), 2)), 1), sep = \",\")'"
MAGICK = "M=$(ls /usr/bin/magick* | head -1); cd /tmp; "
DRAW = MAGICK + "$M -size 64x64 gradient:red-blue -resize 32x32 x.png && $M x.png -format '%w %h' info:"
PHP = "P=$(ls /usr/bin/php* | head -1); "
JSON = PHP + "$P -r 'echo json_encode([\"a\" => array_sum(range(1, 100))]);'"
STRESSORS = """
access affinity aio alarm atomic bad-altstack branch brk bsearch chdir chmod chown clone close context copy-file cpu daemon
dentry dir dirdeep dirmany dup env epoll eventfd fallocate fault fcntl fifo file-ioctl filename flock fork fp fstat full
futex get getdent getrandom hdd heapsort hrtimers hsearch icache inotify io iomix itimer kill link list locka lockf lockofd
longjmp lsearch madvise malloc matrix membarrier memcpy memfd memrate mergesort min-nanosleep mincore misaligned mknod mlock
mmap mmapfixed mmapfork mmapmany mprotect mq mremap msg msync munmap mutex nanosleep nice null open personality pidfd pipe
pipeherd poll prctl prefetch procfs pthread pty qsort radixsort randlist readahead regs rename resources revio ring-pipe
rlimit rmap schedpolicy seal seek sem sem-sysv sendfile session set shm shm-sysv sigabrt sigbus sigchld sigfd sigfpe sighup
sigill signal signest sigpending sigpipe sigq sigrt sigsegv sigstop sigsuspend sigtrap sigurg sigvtalrm sigxcpu sigxfsz
skiplist sleep sock sockabuse sockfd sockmany sockpair splice stack stackmmap str stream switch symlink tee timerfd touch
tree tsearch udp umask unlink urandom utime vdso vecmath vfork vforkmany vm vm-splice wait wcs xattr yield zero zlib zombie
""".split()  # noqa: SIM905
"""Those of stress-ng that need no privileges and no hardware of their own."""
TOGETHER = """
cpu vm fork pipe poll epoll eventfd timerfd signal mutex futex mremap dentry fcntl flock zombie
""".split()  # noqa: SIM905
STRESS_LIMIT = 60
"""Seconds for one stressor."""


def stress(names: list[str], operations: int) -> str:
    """A command that runs stressors, and prints `passed` if none has failed or was skipped."""
    each = " ".join(f"--{name} 1 --{name}-ops {operations}" for name in names)
    return (
        f"cd /tmp; stress-ng {each} --vm-bytes 4m --mmap-bytes 4m --verify --timeout 10m > log 2>&1\n"
        f"if [ $? = 0 ] && grep -q 'skipped: 0$' log && grep -q 'passed: {len(names)}:' log; then echo passed; else\n"
        "grep -m1 -E 'fail:|error:|skipping|warn:' log || tail -1 log; fi"
    )


CMAKE = """mkdir -p /tmp/b && cd /tmp/b && export HOME=/tmp && cat > CMakeLists.txt <<E
cmake_minimum_required(VERSION 3.20)
project(p C)
add_library(l STATIC l.c)
add_executable(p p.c)
target_link_libraries(p l)
E
echo 'int f(void) {return 42;}' > l.c; echo 'int f(void); int main(void) {return f();}' > p.c
cmake -G Ninja -B out . > log 2>&1 && ninja -C out > log 2>&1 || { tail -3 log; exit; }
touch l.c && ninja -C out | tail -1 && out/p; echo $?"""
CLANG = """cd /tmp && echo 'template<class T> T f(T x) {return x * 2;} int main() {return f(21);}' > c.cpp
clang++ -O2 c.cpp -o c && ./c; echo $?"""
RUST = """cd /tmp && cat > m.rs <<E
use std::{collections::HashMap, sync::mpsc, thread};
fn main() {
    let (send, receive) = mpsc::channel();
    for i in 0..4 { let s = send.clone(); thread::spawn(move || s.send((i, i * i)).unwrap()); }
    drop(send);
    let found: HashMap<i32, i32> = receive.iter().collect();
    println!("{}", found.values().sum::<i32>());
}
E
rustc -C linker=gcc m.rs && ./m"""
GHC = """cd /tmp && export HOME=/tmp && echo 'main = print (sum (takeWhile (< 1000) (map (^ 2) [1 ..])) :: Integer)' > M.hs
ghc-pkg recache --global && ghc -v0 M.hs && ./M"""
TMUX = """export HOME=/tmp TERM=screen; T="tmux -L t -f /dev/null"
$T new-session -d -x 60 -y 10 bash --norc && $T send-keys 'echo $((6 * 7)); tty | tr 0-9 N; tmux -L t wait-for -S end' Enter
$T wait-for end; $T capture-pane -p | grep -x -e 42 -e /dev/pts/N | xargs; $T kill-server"""
VIM = """cd /tmp && export HOME=/tmp; seq 5 > t
vim.basic -es -u NONE -c '%s/3/three/' -c '2d' -c 'normal Gofour' -c 'r !echo sub' -c 'wq' t; xargs < t"""
WEB = """cd /tmp && echo page > index.html; python3 -m http.server --bind 127.0.0.1 18081 > log 2>&1 & P=$!
cd /tmp; for i in $(seq 200); do curl -s http://127.0.0.1:18081/ > got && break; sleep 0.1; done
wget -q -O - http://127.0.0.1:18081/index.html | cat got - | xargs; kill $P"""
OPENSSL = """cd /tmp
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -keyout k -out c 2>/dev/null
openssl verify -CAfile c c && echo text > m && openssl dgst -sha256 -sign k -out s m && openssl x509 -in c -noout -pubkey > p
openssl dgst -sha256 -verify p -signature s m"""
RSYNC = """cd /tmp && mkdir -p a/b && seq 1000 > a/b/c && ln -s c a/b/d && chmod 600 a/b/c && rsync -a a/ z && seq 1001 > a/b/c
touch -d 2020-01-01 a/b/c; rsync -ai --delete a/ z | wc -l; rsync -ai a/ z; diff -r a z && readlink z/b/d"""
SSH = """cd /tmp && ssh-keygen -q -t ed25519 -N '' -f k && echo "a $(cat k.pub)" > allowed && echo text > m
ssh-keygen -Y sign -q -f k -n file m
ssh-keygen -Y verify -q -f allowed -I a -n file -s m.sig < m > /dev/null && echo verified"""
PACKING = """cd /tmp && mkdir d && seq 20000 > d/n && for z in gzip xz zstd; do
    mkdir $z && tar -I $z -cf t d && tar -I $z -C $z -xf t && cmp $z/d/n d/n && echo same; done | uniq -c | xargs"""
TESTS = "test_json test_mmap test_poll test_select test_time"
PYTHON_TESTS = f"""cd /tmp && export HOME=/tmp; python3 -m test {TESTS} > log 2>&1
grep -E '^(FAIL|ERROR):' log | head -1; tail -1 log"""
SUM = "x=0; for i in {1..1000}; do ((x += i)); done; echo $x"
COMPILE = "cd /tmp && echo 'int main(){return 42;}' > c.c && gcc -O2 c.c -o c && ./c; echo $?"
PROGRAMS = {
    "bash": Program("bash", "bash --version", SUM, "500500"),
    "busybox": Program("busybox", "busybox", "seq 100 | busybox awk '{s += $1} END {print s}'", "5050"),
    "clang": Program("clang", "clang --version", CLANG, "42"),
    "cmake, ninja": Program("cmake ninja-build gcc", "cmake --version", CMAKE, "42"),
    "curl, wget": Program("curl wget", "curl --version", WEB, "page page", net=True),
    "ffmpeg": Program("ffmpeg", "ffmpeg -version", FFMPEG, "coded"),
    "gcc": Program("gcc", "gcc --version", COMPILE, "42"),
    "gdb": Program("gdb", "gdb --version", "gdb -batch -ex 'p 6*7' | tail -1", "$1 = 42"),
    "ghc": Program("ghc", "ghc --version", GHC, "10416"),
    "git": Program("git", "git --version", GIT, "60"),
    "golang": Program("golang-go", "go version", GO, "4950"),
    "imagemagick": Program("imagemagick", MAGICK + "$M -version", DRAW, "32 32"),
    "lua": Program("lua5.4", "lua -v", "lua -e 'local s = 0 for i = 1, 1000 do s = s + i end print(s)'", "500500"),
    "nginx": Program("nginx-light", "nginx -v 2>&1", NGINX, "served", net=True),
    "nodejs": Program("nodejs", "node --version", NODE, "11,4,9"),
    "ocaml": Program("ocaml", "ocaml -version", OCAML, "6765"),
    "openjdk": Program("openjdk-21-jdk-headless", JVM + "java --version", JVM + JAVA, "4950 202067755460992"),
    "openssh": Program("openssh-client", "ssh -V 2>&1", SSH, "verified"),
    "openssl": Program("openssl", "openssl version", OPENSSL, "Verified OK"),
    "perl": Program("perl", "perl -v | sed -n 2p", "perl -e 'print join \",\", map { $_ ** 2 } 1 .. 5'", "1,4,9,16,25"),
    "php": Program("php-cli", PHP + "$P -v", JSON, '{"a":5050}'),
    "postgresql": Program(
        "postgresql", "/usr/lib/postgresql/*/bin/postgres --version", POSTGRES, 'max = "fe9fc289c3ff0af142b6d3bead98a923'
    ),
    "python3": Program("python3", "python3 --version", f'python3 -c "{PYTHON}"', "9dd4e461268c8034f5c8564e155c67a6"),
    "Python's own tests": Program(
        "libpython3.14-testsuite",
        "python3 --version",
        PYTHON_TESTS,
        "Result: SUCCESS",
        note=": " + TESTS.replace(" test_", ", ").replace("test_", ""),
    ),
    "R": Program("r-base-core", BLAS + "R --version", R, "0.6,-0.2,-0.2,0.4"),
    "redis": Program("redis-server", "redis-server --version", REDIS, "42"),
    "rsync": Program("rsync", "rsync --version", RSYNC, "c"),
    "ruby": Program("ruby", "ruby --version", "ruby -e 'puts (1..10).map { |x| x * x }.sum'", "385"),
    "rustc": Program("rustc gcc", "rustc --version", RUST, "14"),
    "sqlite3": Program("sqlite3", "sqlite3 --version", f"sqlite3 :memory: '{SQL}'", "500500"),
    "stress-ng": Program("stress-ng", "stress-ng --version", stress(TOGETHER, 20), "passed", note=": sixteen stressors at once"),
    "tar with gzip, xz, zstd": Program("tar gzip xz-utils zstd", "tar --version", PACKING, "3 same"),
    "tmux": Program("tmux", "tmux -V", TMUX, "42 /dev/pts/N"),
    "vim": Program("vim", "vim.basic --version", VIM, "1 three 4 5 four sub"),
}


def run(root: str, command: str, net: bool = False, limit: int = LIMIT) -> tuple[str, str]:
    """What a command of the guest's shell prints, and what softmetal or the programs complained of."""
    options = ["--net"] if net else []
    with tempfile.TemporaryDirectory() as folder:
        line = [sys.executable, "-m", "softmetal", "run", "--root", root, "--dir", f"{folder}:/tmp", *options]
        process = subprocess.Popen(
            [*line, "bash", "-c", command], text=True, errors="replace", start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            out, errors = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            return "", f"not done after {limit} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the guest's processes are processes of the host
            process.wait()
    return out.strip(), errors.strip()


def one_by_one(root: str) -> str:
    """How many of stress-ng's stressors do what they are asked to, each in a run of its own, and which do not."""
    failed = []
    for name in STRESSORS:
        text, errors = run(root, stress([name], 3), True, STRESS_LIMIT)
        if text.splitlines()[-1:] != ["passed"]:
            reason = (text or errors or "nothing was printed").splitlines()[-1]
            print(f"stress-ng {name}: {reason}", file=sys.stderr, flush=True)
            failed.append(f"{name} ({errors})" if errors.startswith("not done") else name)
    rest = f"; not: {', '.join(failed)}" if failed else ""
    return f", {len(STRESSORS) - len(failed)} of {len(STRESSORS)} stressors one by one{rest}"


def build() -> str:
    """The tree with all packages."""
    extra = [f"--extra={package}" for program in PROGRAMS.values() for package in program.packages.split()]
    tool = Path(__file__).with_name("guest_root.py")
    return subprocess.run(
        [sys.executable, str(tool), "--suite", SUITE, *extra], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


def suite(root: str) -> str:
    """The suite of Debian that a tree was made of."""
    note = Path(root).with_name(Path(root).name + ".json")
    return str(json.loads(note.read_text())["suite"]) if note.exists() else "an unknown suite"


def row(root: str, name: str) -> tuple[str, bool]:
    """A program's line of the table, and whether the program runs."""
    program = PROGRAMS[name]
    began = time.monotonic()
    version, _ = run(root, program.version)
    text, errors = run(root, program.work, program.net)
    number = re.search(r"\d+\.[\w.+-]+", version)
    found = number.group() if number else "unknown"
    good = text.splitlines()[-1:] == [program.expected]
    if good:
        said = "runs" + program.note + (one_by_one(root) if name == "stress-ng" else "")
    else:
        said = "does not: " + (errors or text or "nothing was printed").splitlines()[-1][:150].replace("|", "\\|")
    print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return f"| {name} | {found} | {said} |", good


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *PROGRAMS], metavar="NAME", help="only these: " + ", ".join(PROGRAMS))
    parser.add_argument("--root", help="a tree that tools/guest_root.py has made")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="run N programs at a time (default: 1)")
    options = parser.parse_args()
    root = options.root or build()
    print(f"From Debian {suite(root)}:\n\n| program | version | |\n| --- | --- | --- |")
    failed = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for line, good in pool.map(lambda name: row(root, name), options.names or PROGRAMS):
            print(line, flush=True)
            failed += not good
    sys.exit(failed > 0)


if __name__ == "__main__":
    os.environ.pop("SOFTMETAL_DEBUG", None)
    main()
