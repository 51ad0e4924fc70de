"""Calls with wrong arguments, of System V IPC and of other processes' memory: one C source for any architecture of Linux.

Like `wrong_events`: no call can wait. What the program makes it removes, so that it leaves nothing on the host.
"""

from __future__ import annotations

from .batteries import battery

KINDS: dict[str, dict[str, str]] = {
    "shm_key": {"private": "0", "there": "key", "missing": "key + 1"},
    "key": {"private": "0", "there": "key", "missing": "key + 1"},
    "get": {"zero": "0", "create": "IPC_CREAT | 0600", "new": "IPC_CREAT | IPC_EXCL | 0640", "mode": "0666", "execute": "0700"},
    "shm_size": {"zero": "0", "small": "100", "same": "5000", "more": "5001", "minus": "-1", "most": "1L << 62"},
    "sem_count": {"zero": "0", "one": "1", "two": "2", "more": "3", "minus": "-1", "many": "32001"},
    "shm": {"good": "shm", "minus": "-1", "far": "0x7ffffff", "removed": "no_shm", "closed": "closed_shm"},
    "sem": {"good": "sem", "minus": "-1", "far": "0x7ffffff", "removed": "no_sem", "closed": "closed_sem"},
    "msg": {"good": "msg", "minus": "-1", "far": "0x7ffffff", "removed": "no_msg", "closed": "closed_msg"},
    "place": {"any": "0", "taken": "area", "odd": "area + 5", "free": "area + 8 * 4096", "kernel": "-4096L", "low": "5"},
    "attach": {"zero": "0", "read": "SHM_RDONLY", "round": "SHM_RND", "over": "SHM_REMAP", "both": "SHM_RND | SHM_REMAP",
               "execute": "SHM_EXEC", "unknown": "1"},
    "detach": {"null": "0", "taken": "area", "odd": "attached + 5", "there": "attached", "inside": "attached + 4096"},
    "shm_command": {"stat": "IPC_STAT", "set": "IPC_SET", "remove": "IPC_RMID", "limits": "IPC_INFO", "lock": "SHM_LOCK",
                    "unlock": "SHM_UNLOCK", "all": "14", "unknown": "99", "minus": "-1"},
    "sem_command": {"stat": "IPC_STAT", "set": "IPC_SET", "remove": "IPC_RMID", "limits": "IPC_INFO", "pid": "GETPID",
                    "get": "GETVAL", "get_all": "GETALL", "waiting": "GETNCNT", "for_0": "GETZCNT", "set_all": "SETALL",
                    "all": "19", "unknown": "99", "minus": "-1"},
    "set_value": {"set": "SETVAL"},
    "value": {"five": "5", "minus": "-1", "many": "32768", "high": "(1L << 32)"},
    "msg_command": {"stat": "IPC_STAT", "set": "IPC_SET", "remove": "IPC_RMID", "limits": "IPC_INFO", "all": "12",
                    "unknown": "99", "minus": "-1"},
    "buffer": {"good": "buffer", "null": "0", "bad": "1", "readonly": "constant"},
    "index": {"zero": "0", "one": "1", "over": "2", "minus": "-1"},
    "operations": {"up": "ups", "down": "downs", "wait_for_0": "zeros", "far": "fars", "most": "mosts", "null": "0", "bad": "1"},
    "operation_count": {"zero": "0", "one": "1", "two": "2", "many": "501", "minus": "-1"},
    "time": {"null": "0", "zero": "&zero_time", "bad_ns": "&bad_ns", "bad_s": "&bad_s", "bad": "1"},
    "message": {"good": "&message", "no_kind": "&no_kind", "minus": "&minus_kind", "null": "0", "bad": "1"},
    "text_size": {"zero": "0", "some": "8", "minus": "-1", "more": "8193", "most": "8192"},
    "message_kind": {"any": "0", "one": "1", "up_to": "-5", "two": "2", "least": "1L << 63"},
    "no_wait": {"plain": "IPC_NOWAIT", "cut": "IPC_NOWAIT | MSG_NOERROR", "other": "IPC_NOWAIT | MSG_EXCEPT"},
    "waits": {"good": "waits", "size": "waits + 1", "odd": "waits + 2", "reserved": "waits + 3", "high": "waits + 4",
              "null": "0", "bad": "1"},
    "wait_count": {"zero": "0", "one": "1", "many": "129", "minus": "-1"},
    "flags": {"zero": "0", "one": "1", "minus": "-1"},
    "clock": {"real": "0", "steady": "1", "other": "2", "minus": "-1"},
    "pid": {"self": "getpid()", "zero": "0", "missing": "4000000", "minus": "-1"},
    "iov": {"good": "vectors", "null": "0", "bad": "1", "minus": "vectors + 2", "bad_buffer": "vectors + 4",
            "empty": "vectors + 6"},
    "iov_count": {"zero": "0", "one": "1", "two": "2", "minus": "-1", "many": "1025"},
    "pidfd": {"self": "pidfd", "file": "1", "minus": "-1"},
    "advice": {"cold": "20", "page_out": "21", "will_need": "3", "unknown": "99", "minus": "-1"},
}  # fmt: skip

CALLS: dict[str, str] = {
    "shmget": "shm_key shm_size get", "shmat": "shm place attach", "shmdt": "detach", "shmctl": "shm shm_command buffer",
    "semget": "key sem_count get", "semop": "sem operations operation_count",
    "semtimedop": "sem operations operation_count time", "semctl": "sem index sem_command buffer",
    "semctl.value": "sem index set_value value", "msgget": "key get", "msgsnd": "msg message text_size no_wait",
    "msgrcv": "msg buffer text_size message_kind no_wait", "msgctl": "msg msg_command buffer",
    "futex_waitv": "waits wait_count flags time clock", "process_vm_readv": "pid iov iov_count iov iov_count flags",
    "process_vm_writev": "pid iov iov_count iov iov_count flags", "process_madvise": "pidfd iov iov_count advice flags",
}  # fmt: skip

HEAD = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static char *buffer, *area, *attached;
static const char constant[4096] = "constant";
static key_t key;
static int shm, sem, msg, no_shm, no_sem, no_msg, closed_shm, closed_sem, closed_msg, pidfd;
static struct sembuf ups[2] = {{0, 1, IPC_NOWAIT}, {1, 2, IPC_NOWAIT | SEM_UNDO}},
    downs[2] = {{1, -1, IPC_NOWAIT}, {0, -9, IPC_NOWAIT}},
    zeros[2] = {{0, 0, IPC_NOWAIT}, {1, 0, IPC_NOWAIT}}, fars[2] = {{5, 1, IPC_NOWAIT}, {0, 1, IPC_NOWAIT}},
    mosts[2] = {{0, 32767, IPC_NOWAIT}, {0, 32767, IPC_NOWAIT}};
static struct timespec zero_time, bad_ns = {1, 1000000000}, bad_s = {-1, 0};
static struct { long kind; char text[8200]; } message = {1, "text"}, no_kind, minus_kind = {-1};
static uint32_t word = 5;
static struct { uint64_t value, address; uint32_t flags, reserved; } waits[5];
static struct iovec vectors[8];

static void prepare(void) {
    char *pages = mmap(0, 16 * 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    buffer = pages;
    area = pages + 4096;
    munmap(area + 8 * 4096, 4 * 4096);
    key = 0x54000000 | (getpid() & 0xfffff) << 1;
    shm = shmget(key, 5000, IPC_CREAT | 0600); sem = semget(key, 2, IPC_CREAT | 0600); msg = msgget(key, IPC_CREAT | 0600);
    closed_shm = shmget(0, 100, 0); closed_sem = semget(0, 2, 0); closed_msg = msgget(0, 0);
    no_shm = shmget(0, 100, 0600); no_sem = semget(0, 2, 0600); no_msg = msgget(0, 0600);
    shmctl(no_shm, IPC_RMID, 0); semctl(no_sem, 0, IPC_RMID); msgctl(no_msg, IPC_RMID, 0);
    attached = shmat(shm, 0, 0);
    for (int i = 0; i < 5; i++) waits[i].address = (long)&word, waits[i].flags = 2;
    waits[1].flags = 1; waits[2].address++; waits[3].reserved = 1; waits[4].value = 1ul << 32;
    for (int i = 0; i < 8; i++) vectors[i] = (struct iovec){buffer, 8};
    vectors[2].iov_len = -1; vectors[4].iov_base = vectors[5].iov_base = (void *)1; vectors[6].iov_len = vectors[7].iov_len = 0;
    pidfd = syscall(SYS_pidfd_open, getpid(), 0);
}
static void finish(int code) {
    shmctl(shm, IPC_RMID, 0); semctl(sem, 0, IPC_RMID); msgctl(msg, IPC_RMID, 0);
    shmctl(closed_shm, IPC_RMID, 0); semctl(closed_sem, 0, IPC_RMID); msgctl(closed_msg, IPC_RMID, 0);
    syscall(SYS_exit_group, code);
}
#define _exit finish
static void try(const char *what, int made, long number, long a, long b, long c, long d, long e, long f) {
    memset(buffer, 0, 4096);
    errno = 0;
    long r = syscall(number, a, b, c, d, e, f);
    printf("%s: %s\n", what, r == -1 ? strerrorname_np(errno) : "ok");
    if (r < 0) return;
    if (made == 1 && r != shm) shmctl(r, IPC_RMID, 0);
    if (made == 2 && r != sem) semctl(r, 0, IPC_RMID);
    if (made == 3 && r != msg) msgctl(r, IPC_RMID, 0);
    if (made == 4) {
        shmdt((void *)r);
        if (r >= (long)area && r < (long)area + 8 * 4096)
            mmap((void *)r, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    }
}
int main(int argc, char **argv) {
    if (argc < 2 || chdir(argv[1])) return 1;
    if (getuid() == 0 && (setgid(65534) || setuid(65534))) return 1;
    setvbuf(stdout, 0, _IOLBF, 0);
    char home[20];
"""
MADE = {"shmget": 1, "semget": 2, "msgget": 3, "shmat": 4}


def source(seed: int, samples: int) -> str:
    """The C source."""
    return battery(seed, samples, CALLS, KINDS, HEAD, lambda call, _: MADE.get(call, 0), "0777")
