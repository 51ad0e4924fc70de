"""Calls with wrong arguments, of waiting, sockets, processes, signals and time: one C source for any architecture of Linux.

Like `wrong_arguments`, which does files and memory: every argument is drawn from the values of its kind, good ones among
them, and the program prints the error of each call, or `ok`. The calls are made by a user without capabilities, and none
of them can wait or reach another process than the program's own.
"""

from __future__ import annotations

from .batteries import battery

KINDS: dict[str, dict[str, str]] = {
    "fd": {
        "minus": "-1", "far": "9999", "file": "file", "folder": "folder", "path": "path", "pipe_r": "pipes[0]",
        "pipe_w": "pipes[1]", "event": "event", "timer": "timer", "signals": "signals", "epoll": "epoll", "inner": "inner",
        "inotify": "inotify", "pidfd": "pidfd", "stream": "stream[0]", "datagram": "datagram[0]", "listener": "listener",
        "fresh": "fresh", "null": "null", "high": "(1L << 32 | event)",
    },
    "socket": {
        "minus": "-1", "file": "file", "pipe_r": "pipes[0]", "event": "event", "path": "path", "stream": "stream[0]",
        "datagram": "datagram[0]", "packet": "packet[0]", "listener": "listener", "fresh": "fresh", "unbound": "unbound",
    },
    "operation": {"add": "1", "delete": "2", "modify": "3", "zero": "0", "four": "4", "minus": "-1"},
    "events": {"good": "&watch", "edge": "&watch_edge", "exclusive": "&watch_exclusive", "odd": "&watch_odd", "null": "0",
               "bad": "1"},
    "buffer": {"good": "buffer", "null": "0", "bad": "1", "kernel": "-4096L", "readonly": "constant"},
    "room": {"good": "buffer", "bad": "1", "readonly": "constant"},
    "most": {"one": "1", "zero": "0", "minus": "-1", "few": "4", "huge": "0x7fffffff"},
    "length": {"zero": "0", "some": "8", "four": "4", "minus": "-1"},
    "bytes": {"zero": "0", "some": "8", "four": "4"},
    "mask": {"null": "0", "good": "&mask", "bad": "1"},
    "masksize": {"good": "8", "zero": "0", "four": "4", "more": "128"},
    "time": {"null": "0", "zero": "&zero_time", "bad_ns": "&bad_ns", "bad_s": "&bad_s", "bad": "1"},
    "no_time": {"zero": "&zero_time", "bad_ns": "&bad_ns", "bad_s": "&bad_s", "minus_ns": "&minus_ns", "bad": "1"},
    "timer_spec": {"null": "0", "good": "&long_spec", "off": "&off_spec", "bad_ns": "&bad_spec", "bad_interval": "&bad_interval",
                   "minus": "&minus_spec", "bad": "1"},
    "flags": {"zero": "0", "one": "1", "two": "2", "cloexec": "02000000", "nonblock": "04000", "both": "02004000",
              "odd": "1 << 30", "all": "-1"},
    "zero": {"zero": "0"},
    "clock": {str(n).replace("-", "minus_"): str(n) for n in (*range(8), 10, 11, 12, 16, 99, -1)},
    "polls": {"good": "polls", "null": "0", "bad": "1"},
    "polled": {"zero": "0", "one": "1", "three": "3", "minus": "-1", "many": "100000"},
    "selected": {"zero": "0", "ten": "10", "most": "1024", "minus": "-1"},
    "set": {"null": "0", "none": "no_fds", "event": "event_fds", "closed": "closed_fds", "bad": "1"},
    "pselect_mask": {"null": "0", "good": "&pselect_mask", "size": "&pselect_size", "empty": "&pselect_empty", "bad": "1"},
    "splice": {"zero": "0", "nonblock": "2", "all": "15", "bad": "16", "minus": "-1"},
    "position": {"null": "0", "good": "&position", "bad": "1"},
    "iov": {"good": "vectors", "null": "0", "bad": "1", "minus": "vectors + 2", "bad_buffer": "vectors + 4"},
    "iov_count": {"zero": "0", "one": "1", "two": "2", "minus": "-1", "many": "1025"},
    "name": {"file": '"file"', "folder": '"folder"', "missing": '"missing"', "link": '"link"', "dangling": '"dangling"',
             "null": "0", "bad": "1", "empty": '""', "below": '"file/x"'},
    "watched": {"modify": "2", "zero": "0", "folder": "0x01000002", "no_follow": "0x02000002", "both": "0x30000002",
                "create": "0x10000002", "odd": "0x00800000", "once": "0x80000002"},
    "watch": {"one": "1", "zero": "0", "far": "77", "minus": "-1"},
    "family": {"unix": "1", "zero": "0", "bad": "77", "minus": "-1", "far": "45"},
    "kind": {"stream": "1", "datagram": "2", "raw": "3", "packet": "5", "zero": "0", "bad": "12", "minus": "-1",
             "cloexec": "02000001", "odd": "0x100001"},
    "protocol": {"zero": "0", "one": "1", "bad": "77", "minus": "-1"},
    "address": {"file": "&to_file", "missing": "&to_missing", "listener": "&to_listener", "abstract": "&to_nobody",
                "inet": "&to_inet", "null": "0", "bad": "1"},
    "address_size": {"good": "sizeof to_file", "family": "2", "one": "1", "zero": "0", "minus": "-1", "long": "129",
                     "over": "111"},
    "bound": {"file": "&to_file", "inet": "&to_inet", "null": "0", "bad": "1", "below": "&to_below"},
    "size_at": {"good": "&room", "null": "0", "bad": "1", "minus": "&minus_room", "none": "&no_room"},
    "backlog": {"zero": "0", "five": "5", "minus": "-1"},
    "how": {"read": "0", "write": "1", "both": "2", "bad": "3", "minus": "-1"},
    "level": {"socket": "1", "tcp": "6", "bad": "999", "minus": "-1"},
    "option": {"reuse": "2", "type": "3", "error": "4", "sndbuf": "7", "rcvtimeo": "20", "passcred": "16", "bad": "999",
               "acceptconn": "30", "domain": "39", "protocol": "38"},
    "option_size": {"four": "4", "sixteen": "16", "zero": "0", "minus": "-1", "three": "3"},
    "send": {"wait": "0x40", "quiet": "0x4040"},
    "receive": {"wait": "0x40", "peek": "0x42", "all": "0x140", "cut": "0x60"},
    "message": {"good": "&message", "null": "0", "bad": "1", "bad_iov": "&bad_iov", "many": "&many_iov", "name": "&minus_name",
                "control": "&bad_control", "no_name": "&no_name"},
    "messages": {"good": "several", "null": "0", "bad": "1"},
    "message_count": {"zero": "0", "two": "2", "many": "3000"},
    "signal": {"usr1": "10", "zero": "0", "kill": "9", "stop": "19", "real": "34", "last": "64", "far": "65", "minus": "-1"},
    "no_signal": {"zero": "0", "far": "65", "minus": "-1", "usr1": "10"},
    "action": {"null": "0", "ignore": "ignore_action", "bad": "1"},
    "how_mask": {"block": "0", "unblock": "1", "set": "2", "bad": "3", "minus": "-1"},
    "stack": {"null": "0", "good": "&stack", "small": "&small_stack", "flags": "&bad_stack", "off": "&no_stack", "bad": "1"},
    "pid": {"self": "getpid()", "zero": "0", "missing": "4000000", "minus": "-4000000", "least": "1L << 31"},
    "own": {"self": "getpid()", "missing": "4000000", "minus": "-4000000", "least": "1L << 31"},
    "info": {"queue": "&queue_info", "user": "&user_info", "null": "0", "bad": "1", "tkill": "&tkill_info",
             "other": "&other_info"},
    "which": {"real": "0", "virtual": "1", "profile": "2", "bad": "3", "minus": "-1"},
    "interval": {"null": "0", "good": "&long_interval", "off": "&off_spec", "bad_us": "&bad_us", "minus": "&minus_spec",
                 "bad": "1"},
    "event": {"null": "0", "none": "&no_event", "signal": "&signal_event", "far": "&far_event", "how": "&bad_event",
              "thread": "&thread_event", "bad": "1"},
    "timer_id": {"first": "posix", "far": "77777", "minus": "-1"},
    "absolute": {"zero": "0", "one": "1"},
    "wait": {"none": "1", "continued": "9", "bad": "0x100", "exited": "5", "nowait": "0x1000001"},
    "wait_kind": {"all": "0", "pid": "1", "group": "2", "pidfd": "3", "bad": "4", "minus": "-1"},
    "wait_id": {"zero": "0", "missing": "4000000", "minus": "-1", "pidfd": "pidfd", "self": "getpid()"},
    "priority_kind": {"process": "0", "group": "1", "user": "2", "bad": "3", "minus": "-1"},
    "own_kind": {"process": "0", "group": "1", "bad": "3", "minus": "-1"},
    "io_kind": {"zero": "0", "process": "1", "group": "2", "bad": "4"},
    "io_priority": {"best": "2 << 13 | 4", "idle": "3 << 13", "class": "5 << 13", "none": "0", "level": "3", "real": "1 << 13"},
    "policy": {"other": "0", "fifo": "1", "round": "2", "batch": "3", "idle": "5", "bad": "9", "minus": "-1", "four": "4"},
    "parameter": {"zero": "&zero_priority", "ten": "&ten_priority", "hundred": "&hundred_priority", "null": "0", "bad": "1"},
    "attribute": {"good": "&sched_good", "short": "&sched_short", "fifo": "&sched_fifo", "lower": "&sched_lower", "null": "0",
                  "bad": "1", "flags": "&sched_flags", "policy": "&sched_policy"},
    "attribute_size": {"v0": "48", "now": "56", "short": "40", "long": "5000", "zero": "0"},
    "cpus": {"good": "&first_cpu", "none": "&no_cpu", "bad": "1"},
    "cpu_size": {"eight": "8", "most": "128", "odd": "12", "zero": "0", "four": "4"},
    "usage": {"self": "0", "children": "-1", "thread": "1", "bad": "2", "far": "-2"},
    "groups": {"zero": "0", "minus": "-1", "many": "70000"},
    "futex": {"wait": "0", "wake": "1", "fd": "2", "requeue": "3", "cmp": "4", "op": "5", "bits": "9", "wake_bits": "10",
              "bad": "15", "wait_private": "128", "bits_real": "265", "wait_real": "256"},
    "word": {"good": "&word", "odd": "(char *)&word + 1", "null": "0", "bad": "4", "pi": "&free_word"},
    "value": {"one": "1", "zero": "0", "minus": "-1"},
    "robust": {"good": "24", "zero": "0", "more": "32"},
    "command": {"query": "0", "global": "1", "private": "8", "register": "16", "odd": "3", "far": "1 << 20", "minus": "-1"},
    "pidfds": {"self": "pidfd", "minus": "-1", "event": "event", "path": "path", "far": "9999"},
    "compared": {"file": "0", "vm": "1", "files": "2", "fs": "3", "hand": "4", "io": "5", "sem": "6", "bad": "9", "minus": "-1"},
    "index": {"file": "file", "event": "event", "far": "9999", "minus": "-1"},
    "clone_size": {"short": "32", "zero": "0", "long": "5000"},
    "prctl": {"name": "15", "get_name": "16", "dumpable": "4", "get_dumpable": "3", "death": "1", "bad": "9999", "minus": "-1",
              "slack": "30", "no_new": "38", "get_no_new": "39", "keep": "8", "seccomp": "21", "subreaper": "36",
              "bounding": "23"},
    "prctl_value": {"zero": "0", "one": "1", "two": "2", "far": "99", "buffer": "buffer"},
    "signal_action_size": {"good": "8", "four": "4", "zero": "0"},
    "only_wrong_size": {"four": "4", "zero": "0", "more": "128"},
    "unblocked": {"none": "1"},
}  # fmt: skip
"""For each kind of argument its values: a name for the output, and C text."""

CALLS: dict[str, str] = {
    "epoll_create1": "flags", "epoll_ctl": "fd operation fd events", "epoll_pwait": "fd room most zero mask masksize",
    "epoll_pwait2": "fd room most no_time mask masksize", "eventfd2": "most flags", "timerfd_create": "clock flags",
    "timerfd_settime": "fd absolute timer_spec buffer", "timerfd_gettime": "fd buffer", "signalfd4": "fd mask masksize flags",
    "ppoll": "polls polled no_time mask masksize", "pselect6": "selected set set set no_time pselect_mask",
    "pipe2": "buffer flags", "splice": "fd position fd position length splice", "tee": "fd fd length splice",
    "vmsplice": "fd iov iov_count splice", "inotify_init1": "flags", "inotify_add_watch": "fd name watched",
    "inotify_rm_watch": "fd watch", "socket": "family kind protocol", "socketpair": "family kind protocol buffer",
    "bind": "socket bound address_size", "listen": "socket backlog", "accept4": "socket buffer size_at flags",
    "connect": "socket address address_size", "getsockname": "socket buffer size_at", "getpeername": "socket buffer size_at",
    "sendto": "socket buffer bytes send address address_size", "recvfrom": "socket buffer bytes receive buffer size_at",
    "setsockopt": "socket level option buffer option_size", "getsockopt": "socket level option buffer size_at",
    "shutdown": "socket how", "sendmsg": "socket message send", "recvmsg": "socket message receive",
    "sendmmsg": "socket messages message_count send", "recvmmsg": "socket messages message_count receive time",
    "rt_sigaction": "signal action buffer signal_action_size", "rt_sigprocmask": "how_mask mask buffer masksize",
    "rt_sigpending": "buffer masksize", "rt_sigtimedwait": "mask buffer no_time masksize",
    "rt_sigsuspend": "mask only_wrong_size",
    "sigaltstack": "stack buffer", "kill": "own no_signal", "tkill": "pid no_signal", "tgkill": "pid pid no_signal",
    "rt_sigqueueinfo": "own no_signal info", "rt_tgsigqueueinfo": "pid pid no_signal info", "getitimer": "which buffer",
    "setitimer": "which interval buffer", "timer_create": "clock event buffer",
    "timer_settime": "timer_id absolute timer_spec buffer",
    "timer_gettime": "timer_id buffer", "timer_getoverrun": "timer_id", "timer_delete": "timer_id",
    "clock_gettime": "clock buffer",
    "clock_getres": "clock buffer", "clock_nanosleep": "clock zero no_time buffer", "nanosleep": "no_time buffer",
    "wait4": "pid buffer wait buffer", "waitid": "wait_kind wait_id buffer wait buffer", "getpgid": "pid", "getsid": "pid",
    "setpgid": "pid pid", "getpriority": "priority_kind pid", "setpriority": "own_kind pid value",
    "ioprio_get": "io_kind pid",
    "ioprio_set": "io_kind pid io_priority", "sched_setscheduler": "pid policy parameter", "sched_getscheduler": "pid",
    "sched_setparam": "pid parameter", "sched_getparam": "pid buffer", "sched_setattr": "pid attribute flags",
    "sched_getattr": "pid buffer attribute_size flags", "sched_setaffinity": "pid cpu_size cpus",
    "sched_getaffinity": "pid cpu_size buffer", "sched_get_priority_max": "policy", "sched_get_priority_min": "policy",
    "sched_rr_get_interval": "pid buffer", "getrusage": "usage buffer", "times": "buffer", "getgroups": "groups buffer",
    "futex": "word futex unblocked no_time word value", "set_robust_list": "buffer robust",
    "get_robust_list": "pid buffer buffer",
    "membarrier": "command zero", "pidfd_open": "pid flags", "pidfd_send_signal": "pidfds no_signal info zero",
    "pidfd_getfd": "pidfds fd zero", "kcmp": "own own compared index index", "clone3": "buffer clone_size",
    "prctl": "prctl prctl_value zero zero zero", "sysinfo": "buffer", "uname": "buffer", "getcpu": "buffer buffer",
    "gettimeofday": "buffer buffer", "getresuid": "buffer buffer buffer",
}  # fmt: skip
"""System calls by name and the kinds of their arguments."""

HEAD = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char constant[8192] = "x";
static char *buffer;
static int file, folder, path, null, pipes[2], event, timer, signals, epoll, inner, inotify, pidfd;
static int stream[2], datagram[2], packet[2], listener, fresh, unbound, posix;
static struct epoll_event watch = {EPOLLIN}, watch_edge = {EPOLLIN | EPOLLET}, watch_exclusive = {EPOLLIN | EPOLLEXCLUSIVE},
    watch_odd = {EPOLLIN | EPOLLONESHOT | EPOLLEXCLUSIVE};
static uint64_t mask = 1 << 9;
static struct timespec zero_time = {0, 0}, bad_ns = {0, 1000000000}, bad_s = {-1, 0}, minus_ns = {0, -1};
static struct itimerspec long_spec = {{1000, 0}, {1000, 0}}, off_spec, bad_spec = {{0, 0}, {0, 1000000000}},
    bad_interval = {{0, -1}, {5, 0}}, minus_spec = {{0, 0}, {-1, 0}};
static long long_interval[4] = {1000, 0, 1000, 0}, bad_us[4] = {0, 0, 1, 1000000};
static struct pollfd polls[3];
static unsigned long no_fds[16], event_fds[16], closed_fds[16];
static struct { void *p; size_t n; } pselect_mask = {&mask, 8}, pselect_size = {&mask, 4}, pselect_empty = {0, 8};
static int64_t position = 0;
static struct iovec vectors[8];
static struct sockaddr_un to_file = {AF_UNIX, "file"}, to_missing = {AF_UNIX, "missing"}, to_listener = {AF_UNIX, "listener"},
    to_nobody = {AF_UNIX, "\0nobody"}, to_inet = {AF_INET}, to_below = {AF_UNIX, "file/x"};
static int room = 100, minus_room = -1, no_room = 0;
static struct msghdr message, bad_iov, many_iov, minus_name, bad_control, no_name;
static struct mmsghdr several[3000];
static unsigned long ignore_action[5] = {1};
static stack_t stack, small_stack, bad_stack, no_stack = {0, SS_DISABLE, 0};
static siginfo_t queue_info, user_info, tkill_info, other_info;
static struct sigevent no_event, signal_event, far_event, bad_event, thread_event;
static int zero_priority = 0, ten_priority = 10, hundred_priority = 100;
static struct { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t a, b, c; uint32_t d, e; }
    sched_good = {56, 0, 0, 3}, sched_short = {40}, sched_fifo = {56, 1, 0, 0, 10}, sched_lower = {56, 0, 0, -5},
    sched_flags = {56, 0, 1 << 20}, sched_policy = {56, 77};
static uint64_t first_cpu = 1, no_cpu = 0;
static uint32_t word = 5, free_word;

static void prepare(void) {
    mkdir("folder", 0755); close(open("file", O_CREAT | O_WRONLY, 0644));
    if (symlink("file", "link") || symlink("gone", "dangling")) {}
    if (fork() == 0) _exit(0);
    wait(0);
    file = open("file", O_RDWR); folder = open("folder", O_RDONLY | O_DIRECTORY); path = open("file", O_PATH);
    null = open("/dev/null", O_RDWR);
    if (pipe2(pipes, O_NONBLOCK)) {}
    event = eventfd(3, EFD_NONBLOCK); timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    sigset_t set; sigemptyset(&set); sigaddset(&set, SIGUSR2);
    signals = signalfd(-1, &set, SFD_NONBLOCK);
    epoll = epoll_create1(0); inner = epoll_create1(0); inotify = inotify_init1(IN_NONBLOCK);
    pidfd = syscall(SYS_pidfd_open, getpid(), 0);
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, stream);
    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, datagram);
    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, packet);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    bind(listener, (void *)&to_listener, sizeof to_listener); listen(listener, 5);
    fresh = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0); unbound = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    char *pages = mmap(0, 8 * 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    buffer = pages;
    for (int i = 0; i < 8; i++) vectors[i] = (struct iovec){buffer, 8};
    vectors[2].iov_len = -1; vectors[4].iov_base = (void *)1; vectors[5].iov_base = (void *)1;
    polls[0] = (struct pollfd){event, POLLIN}; polls[1] = (struct pollfd){-1, POLLIN}; polls[2] = (struct pollfd){999, POLLIN};
    event_fds[event / 64] |= 1ul << event % 64;
    closed_fds[0] |= 1ul << 60;
    message = (struct msghdr){.msg_iov = vectors, .msg_iovlen = 1};
    bad_iov = (struct msghdr){.msg_iov = (void *)1, .msg_iovlen = 1};
    many_iov = (struct msghdr){.msg_iov = vectors, .msg_iovlen = 2000};
    minus_name = (struct msghdr){.msg_name = buffer, .msg_namelen = -1, .msg_iov = vectors, .msg_iovlen = 1};
    bad_control = (struct msghdr){.msg_iov = vectors, .msg_iovlen = 1, .msg_control = (void *)1, .msg_controllen = 32};
    no_name = (struct msghdr){.msg_name = 0, .msg_namelen = 50, .msg_iov = vectors, .msg_iovlen = 1};
    for (int i = 0; i < 3000; i++) several[i].msg_hdr = message;
    stack = (stack_t){pages + 4096, 0, 16384}; small_stack = (stack_t){pages + 4096, 0, 100};
    bad_stack = (stack_t){pages + 4096, 77, 16384};
    queue_info.si_code = SI_QUEUE; queue_info.si_signo = SIGUSR1; user_info.si_code = SI_USER; user_info.si_signo = SIGUSR1;
    tkill_info.si_code = SI_TKILL; tkill_info.si_signo = SIGUSR1; other_info.si_code = SI_QUEUE; other_info.si_signo = SIGUSR2;
    no_event.sigev_notify = SIGEV_NONE; signal_event.sigev_notify = SIGEV_SIGNAL; signal_event.sigev_signo = SIGUSR1;
    far_event.sigev_notify = SIGEV_SIGNAL; far_event.sigev_signo = 99; bad_event.sigev_notify = 77;
    thread_event.sigev_notify = SIGEV_THREAD_ID; thread_event.sigev_signo = SIGUSR1;
    signal(SIGPIPE, SIG_IGN); signal(SIGUSR1, SIG_IGN);
    syscall(SYS_timer_create, CLOCK_MONOTONIC, &no_event, &posix);
    setpgid(0, 0);
    if (setgid(65534) || setuid(65534)) {}
}
static void try(const char *what, int closes, long number, long a, long b, long c, long d, long e, long f) {
    memset(buffer, 0, 4096);
    errno = 0;
    long r = syscall(number, a, b, c, d, e, f);
    printf("%s: %s\n", what, r == -1 ? strerrorname_np(errno) : "ok");
    if (closes == 1 && r > 2) close(r);
    uint64_t none = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, 0, 8);
}
int main(int argc, char **argv) {
    if (argc < 2 || chdir(argv[1])) return 1;
    setvbuf(stdout, 0, _IOLBF, 0);
    umask(0);
    char home[20];
"""
OPENS = ("epoll_create1", "eventfd2", "timerfd_create", "inotify_init1", "socket", "accept4", "pidfd_open", "pidfd_getfd")


def source(seed: int, samples: int) -> str:
    """The C source."""
    return battery(seed, samples, CALLS, KINDS, HEAD, lambda call, _: int(call in OPENS), "0777")
