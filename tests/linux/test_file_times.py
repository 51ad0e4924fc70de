"""File times and the guest's clock are of one world (docs/decisions/0013-file-times.md)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SHOW = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#define NS(t) ((t).tv_sec * 1000000000LL + (t).tv_nsec)
static long long now(void) { struct timespec t; clock_gettime(CLOCK_REALTIME, &t); return NS(t); }
static void show(const char *what, const char *path) {
    struct stat st;
    if (lstat(path, &st)) { perror(path); exit(1); }
    printf("%s %lld %lld %lld now %lld\n", what, NS(st.st_atim), NS(st.st_mtim), NS(st.st_ctim), now());
}
static void put(const char *path, const char *text) {
    int fd = open(path, O_CREAT | O_WRONLY | O_APPEND, 0644);
    if (write(fd, text, 1)) {}
    close(fd);
}
int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IONBF, 0);
    printf("start 0 0 0 now %lld\n", now());
    if (chdir(argv[1])) return 1;
    if (argc > 2) { show("old", argv[2]); return 0; }
    put("first", "a"); show("first", "first");
    sleep(100);
    show("first", "first");
    put("second", "b");
    if (fork() == 0) { sleep(5); put("first", "c"); show("child", "first"); exit(0); }
    wait(NULL);
    show("appended", "first"); show("second", "second"); show("folder", ".");
    chmod("second", 0600); show("mode", "second");
    struct timespec ten[2] = {{10, 5}, {20, 7}}, far[2] = {{0, UTIME_OMIT}, {4000000000, 0}};
    struct timespec touch[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
    utimensat(AT_FDCWD, "second", ten, 0); show("dated", "second");
    utimensat(AT_FDCWD, "second", far, 0); show("future", "second");
    sleep(1); utimensat(AT_FDCWD, "second", touch, 0); show("touched", "second");
    rename("second", "third"); show("renamed", "third"); show("folder", ".");
    mkdir("sub", 0755); show("sub", "sub");
    if (symlink("third", "link")) {}
    show("link", "link");
    int fd = open("third", O_RDWR | O_TRUNC); show("truncated", "third");
    struct stat st;
    if (write(fd, "x", 1)) {}
    fstat(fd, &st); printf("fstat %d\n", NS(st.st_mtim) <= now());
    return 0;
}
"""
TURN = 200_000
"""Files are dated by a clock that is read when a thread's turn begins: ns."""
Times = dict[str, list[list[int]]]


@pytest.fixture(scope="session")
def show(build: Callable[..., Path]) -> Path:
    """The program above: it prints access, modification and change time of files, and the clock."""
    return build("show.c", "-static", text=SHOW)


def times_of(text: str) -> Times:
    """By the word at the beginning of each line: the numbers in it."""
    found: Times = {}
    for line in text.splitlines():
        word, *rest = line.split()
        if "now" in rest:
            found.setdefault(word, []).append([int(n) for n in rest if n != "now"])
    return found


def test_what_the_guest_changes_is_dated_by_its_clock(show: Path, run: Callable[..., Any], tmp_path: Path) -> None:
    second = 10**9
    got = run("--dir", f"{tmp_path}:/w", show, "/w")
    assert "fstat 1\n" in got.stdout
    t = times_of(got.stdout)
    start = t["start"][0][3]
    assert start // second == 1735689600
    for rows in t.values():
        for accessed, modified, changed, now in rows:
            assert changed <= now
            assert accessed <= now
            assert modified <= now or modified == 4_000_000_000 * second
    first, later = t["first"]
    assert first[:3] == later[:3]
    assert start - TURN <= first[1] < start + second
    assert later[3] - first[3] >= 100 * second
    assert t["child"][0][1] == t["appended"][0][1] >= first[1] + 105 * second - TURN
    assert first[1] + 100 * second - TURN <= t["second"][0][1] < t["appended"][0][1]
    assert first[1] < t["folder"][0][1] <= t["second"][0][1]
    assert t["mode"][0][1] == t["second"][0][1] < t["mode"][0][2]
    assert t["dated"][0][:2] == [10 * second + 5, 20 * second + 7]
    assert t["dated"][0][2] >= t["mode"][0][2]
    assert t["future"][0][:2] == [10 * second + 5, 4_000_000_000 * second]
    assert t["touched"][0][0] == 10 * second + 5
    assert t["touched"][0][1] >= t["future"][0][2] + second - TURN
    assert t["renamed"][0][1] == t["touched"][0][1] <= t["folder"][1][1]
    assert t["sub"][0][1] >= t["folder"][1][1]
    assert t["truncated"][0][1] >= t["link"][0][1] >= t["sub"][0][1]


@pytest.mark.parametrize("engines", [("native", "native"), ("native", "golden")], ids=["again", "golden"])
def test_the_times_are_the_same_in_every_run(
    engines: tuple[str, str], build: Callable[..., Path], run: Callable[..., Any], tmp_path: Path
) -> None:
    text = SHOW.replace("if (fork() == 0)", "if (0)").replace("wait(NULL);", "")
    program = build("show_alone.c", "-static", text=text)
    outputs = []
    for index, engine in enumerate(engines):
        folder = tmp_path / str(index)
        folder.mkdir()
        outputs.append(run("--engine", engine, "--dir", f"{folder}:/w", program, "/w", timeout=600).stdout)
    assert outputs[0] == outputs[1]
    assert "truncated" in outputs[0]


def test_what_was_there_shows_its_own_time_and_the_clock_is_not_before_it(
    show: Path, run: Callable[..., Any], tmp_path: Path
) -> None:
    for name, moment in (("new", 1_760_000_000), ("older", 1_000_000_000)):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, ns=(1, moment * 10**9 + 123))
        t = times_of(run("--dir", f"{tmp_path}:/w", show, "/w", name).stdout)
        assert t["start"][0][3] // 10**9 == 1735689600
        accessed, modified, changed, now = t["old"][0]
        assert accessed == modified == changed == moment * 10**9 + 123
        assert now >= modified
        assert now // 10**9 == max(moment, 1735689600)


def test_a_file_of_the_hosts_future_does_not_move_the_clock(show: Path, run: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "future").write_text("x")
    os.utime(tmp_path / "future", (4_000_000_000, 4_000_000_000))
    t = times_of(run("--dir", f"{tmp_path}:/w", show, "/w", "future").stdout)
    assert t["old"][0][3] // 10**9 == 1735689600


def test_on_the_disk_the_times_are_the_hosts(show: Path, run: Callable[..., Any], tmp_path: Path) -> None:
    before = time.time() - 1
    run("--dir", f"{tmp_path}:/w", show, "/w")
    assert before <= (tmp_path / "first").stat().st_mtime <= time.time() + 1
    assert before <= (tmp_path / "third").stat().st_mtime <= time.time() + 1


def test_with_host_time_all_times_are_the_hosts(show: Path, run: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    os.utime(tmp_path / "file", (1000, 2000))
    t = times_of(run("--host-time", "--dir", f"{tmp_path}:/w", show, "/w", "file").stdout)
    assert t["old"][0][:2] == [1000 * 10**9, 2000 * 10**9]
    assert abs(t["old"][0][2] / 1e9 - time.time()) < 120


FAR = """
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
int main(void) {
    struct timespec far[2] = {{1L << 62, 0}, {-(1L << 62), 0}};
    struct stat st;
    close(open("/tmp/f", O_CREAT | O_WRONLY, 0644));
    printf("%d", utimensat(AT_FDCWD, "/tmp/f", far, 0));
    stat("/tmp/f", &st);
    printf(" %d %d\\n", st.st_atime > 9000000000, st.st_mtime < -2000000000);
}
"""


def test_times_beyond_what_a_file_can_have_are_cut(build: Callable[..., Path], run: Callable[..., Any]) -> None:
    """ext4 and every other file system of Linux cut them to the nearest that they can store."""
    ended = run(build("far.c", "-static", text=FAR))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "0 1 1\n", "")
