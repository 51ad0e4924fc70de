"""Threads of a process get their turns, whatever the others do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

BUSY = """
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
static volatile int done;
static void *busy(void *at) {
    while (!done) ++*(volatile long *)at, syscall(SYS_getppid);
    return at;
}
int main(void) {
    pthread_t threads[3];
    static volatile long calls[3];
    for (int i = 0; i < 3; i++) pthread_create(&threads[i], 0, busy, (void *)&calls[i]);
    for (int i = 0; i < 30; i++) sched_yield();
    done = 1;
    for (int i = 0; i < 3; i++) pthread_join(threads[i], 0);
    for (int i = 0; i < 3; i++) printf("%ld\\n", calls[i]);
}
"""


def test_threads_that_do_nothing_but_system_calls_do_not_keep_another_waiting(
    build: Callable[..., Path], run: Callable[..., Any]
) -> None:
    """Linux gives each thread a time slice of a few ms, in which some thousand calls are served."""
    ended = run(build("busy.c", "-static", text=BUSY))
    assert ended.returncode == 0
    calls = [int(line) for line in ended.stdout.split()]
    assert len(calls) == 3
    assert all(0 < count < 30 * 1000 for count in calls)
