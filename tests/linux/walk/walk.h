/* The walk through every system call: what its parts share. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/openat2.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_mseal
#define SYS_mseal 462
#endif
#define PAGE 4096L
#define MS 1000000L

/* One walk; the driver finds them by this word. Each runs in a process and an empty folder of its own. */
#define WALK(call) static void walk_##call(void)
/* The system call itself, without the C library: its answer, or minus the error. */
#define S(call, ...) ({ long r_ = syscall(SYS_##call, ##__VA_ARGS__); r_ == -1 ? -(long)errno : r_; })

static const char *current;

/* A line of the walk: `CALL: text`. */
static void line(const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    dprintf(1, "%s: %s\n", current, text);
}

/* What a call answered: a number or the name of an error. */
static const char *answer(long r) {
    static char texts[8][32];
    static int next;
    char *text = texts[next++ & 7];
    if (r < 0 && r > -4096) return strerrorname_np(-r);
    snprintf(text, 32, "%ld", r);
    return text;
}
static void say(const char *what, long r) { line("%s %s", what, answer(r)); }
/* The same for an answer of which only its being there can be compared (an address, a time). */
static void good(const char *what, long r) { line("%s %s", what, r < 0 && r > -4096 ? answer(r) : "good"); }

/* The end of a child: its exit code, or minus the signal. */
static int ended(pid_t child) {
    int status, got;
    do got = waitpid(child, &status, 0); while (got == -1 && errno == EINTR);
    if (got != child) return -999;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* A fresh file with this text, open for reading and writing at its start. */
static int file_of(const char *name, const char *text) {
    int fd = open(name, O_CREAT | O_TRUNC | O_RDWR, 0644);
    if (write(fd, text, strlen(text)) < 0) line("cannot write %s", name);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

/* The whole text of a file. */
static char *text_of(const char *name) {
    static char text[4096];
    int fd = open(name, O_RDONLY);
    long got = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    text[got < 0 ? 0 : got] = 0;
    if (fd >= 0) close(fd);
    return fd < 0 ? "(not there)" : text;
}
static long size_of(const char *name) {
    struct stat st;
    return stat(name, &st) ? -errno : st.st_size;
}

static volatile int took;
static siginfo_t taken;
static void take(int number, siginfo_t *info, void *context) { took = number; taken = *info; }
/* From now on the signal is noted in `took` and `taken`. */
static void note(int number, int flags) {
    struct sigaction action = {.sa_sigaction = take, .sa_flags = SA_SIGINFO | flags};
    sigaction(number, &action, 0);
}
static uint64_t bit(int number) { return 1ul << (number - 1); }
static void block(int number) {
    uint64_t set = bit(number);
    S(rt_sigprocmask, SIG_BLOCK, &set, 0, 8L);
}
static int pending(void) {
    uint64_t set = 0;
    S(rt_sigpending, &set, 8L);
    return set ? __builtin_ctzl(set) + 1 : 0;
}
static long now_of(int clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}
static struct timespec zero_time, moment = {0, 2 * MS};
static void *pages(int count) { return mmap(0, count * PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
