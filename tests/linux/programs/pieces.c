/* splice, tee, vmsplice, inotify, pidfds, clone3, kcmp, scheduling parameters, restartable sequences, times of
   children, capabilities. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char text[1 << 17];

static const char *why(long answer) {
    static char room[4][32];
    static int turn;
    if (answer == -1) return strerrorname_np(errno);
    snprintf(room[turn = (turn + 1) % 4], 32, "%ld", answer);
    return room[turn];
}

static void moving(void) {
    int a[2], b[2], n;
    if (pipe2(a, O_NONBLOCK) || pipe2(b, O_NONBLOCK)) exit(1);
    int file = open("moved", O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (write(file, "0123456789", 10) != 10) exit(1);
    loff_t at = 2;
    printf("splice file to pipe %s", why(splice(file, &at, a[1], NULL, 5, 0)));
    printf(" %ld", (long)at);
    printf(" tee %s", why(tee(a[0], b[1], 100, 0)));
    printf(" pipe to pipe %s", why(splice(a[0], NULL, b[1], NULL, 100, 0)));
    printf(" empty %s", why(splice(a[0], NULL, b[1], NULL, 100, 0)));
    struct iovec parts[2] = {{"vm", 2}, {"splice", 6}};
    printf(" vmsplice %s", why(vmsplice(b[1], parts, 2, 0)));
    n = read(b[0], text, 100);
    printf(" [%.*s]", n, text);
    if (write(a[1], "tofile", 6) != 6) exit(1);
    at = 8;
    printf(" pipe to file %s", why(splice(a[0], NULL, file, &at, 100, 0)));
    n = pread(file, text, 100, 0);
    printf(" [%.*s]", n, text);
    int proc = open("/proc/self/comm", O_RDONLY);
    printf(" generated %d", splice(proc, NULL, a[1], NULL, 100, 0) > 0);
    n = read(a[0], text, 100);
    if (write(a[1], "out", 3) != 3) exit(1);
    struct iovec in = {text, 100};
    printf(" vmsplice out %s", why(vmsplice(a[0], &in, 1, 0)));
    int c[2], d[2];
    if (pipe(c) || pipe(d)) exit(1);
    if (fork() == 0) { usleep(20000); _exit(write(c[1], "late", 4) != 4); }
    printf(" waits %s", why(splice(c[0], NULL, d[1], NULL, 100, 0)));
    wait(NULL);
    printf(" %s\n", why(read(d[0], text, 100)));
}

static void events(int fd) {
    int n = read(fd, text, sizeof text), at = 0;
    if (n < 0) { printf(" %s", why(n)); return; }
    while (at < n) {
        struct inotify_event *e = (void *)(text + at);
        printf(" %d:%x%s%s", e->wd, e->mask, e->len ? "=" : "", e->len ? e->name : "");
        at += sizeof *e + e->len;
    }
}

static void watching(void) {
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), ep = epoll_create1(0);
    mkdir("watched", 0755);
    int folder = inotify_add_watch(fd, "watched", IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE);
    struct epoll_event e = {.events = EPOLLIN | EPOLLET}, got;
    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
    printf("watch %d none", folder);
    events(fd);
    int file = open("watched/one", O_CREAT | O_WRONLY, 0644);
    printf(" edge %d", epoll_wait(ep, &got, 1, 0));
    printf(" %d", epoll_wait(ep, &got, 1, 0));
    if (write(file, "x", 1) != 1) exit(1);
    close(file);
    printf(" edge %d\n ", epoll_wait(ep, &got, 1, 0));
    rename("watched/one", "watched/two");
    mkdir("watched/deeper", 0755);
    if (symlink("two", "watched/link")) exit(1);
    unlink("watched/two");
    events(fd);
    int same = inotify_add_watch(fd, "watched", IN_DELETE);
    printf("\n same %d", same == folder);
    rmdir("watched/deeper");
    unlink("watched/link");
    events(fd);
    rmdir("watched");  /* IN_IGNORED comes when nobody has it open any more, which may be later in a guest */
    usleep(1000);
    if (read(fd, text, sizeof text)) {}
    printf(" generated %d", inotify_add_watch(fd, "/proc/self/status", IN_MODIFY) > 0);
    if (fork() == 0) { usleep(10000); close(open("late", O_CREAT | O_WRONLY, 0644)); _exit(0); }
    int here = inotify_add_watch(fd, ".", IN_CREATE);
    struct pollfd p = {fd, POLLIN, 0};
    printf(" poll %d", poll(&p, 1, 5000));
    wait(NULL);
    printf(" %d", read(fd, text, sizeof text) > 0 && !strcmp(((struct inotify_event *)text)->name, "late"));
    printf(" remove %s", why(inotify_rm_watch(fd, here)));
    printf(" little room %s\n", why(read(fd, text, 4)));
}

static int open_pid(pid_t pid) { return syscall(SYS_pidfd_open, pid, 0); }
static long signal_to(int fd, int number) { return syscall(SYS_pidfd_send_signal, fd, number, NULL, 0); }
static volatile sig_atomic_t told;
static siginfo_t last;
static void on_signal(int n, siginfo_t *info, void *context) { told++; last = *info; (void)n; (void)context; }

static void processes(void) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
    int self = open_pid(getpid()), gate[2];
    printf("self %d", signal_to(self, SIGUSR1) == 0 && told == 1 && last.si_pid == getpid());
    if (pipe(gate)) exit(1);
    pid_t child = fork();
    if (child == 0) { char c; close(gate[1]); if (read(gate[0], &c, 1)) {} _exit(42); }
    close(gate[0]);
    int fd = open_pid(child);
    struct pollfd p = {fd, POLLIN, 0};
    printf(" close on exec %d", fcntl(fd, F_GETFD));
    printf(" lives %d", poll(&p, 1, 0));
    printf(" signal 0 %s", why(signal_to(fd, 0)));
    siginfo_t info = {0};
    printf(" not yet %s", why(waitid(P_PIDFD, fd, &info, WEXITED | WNOHANG)));
    printf(" %d", info.si_pid);
    close(gate[1]);
    printf(" ends %d", poll(&p, 1, 5000));
    printf(" status %s", why(waitid(P_PIDFD, fd, &info, WEXITED)));
    printf(" %d %d", info.si_status, info.si_pid == child);
    printf(" gone %s", why(signal_to(fd, 0)));
    printf(" again %s", why(waitid(P_PIDFD, fd, &info, WEXITED)));
    printf(" open %s\n", why(open_pid(child)));

    int pidfd = -1, status;
    struct clone_args arguments = {.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND, .pidfd = (uintptr_t)&pidfd, .exit_signal = SIGCHLD};
    long made = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (made == 0) {
        struct sigaction now;
        sigaction(SIGUSR1, NULL, &now);
        _exit(now.sa_handler == SIG_DFL ? 7 : 8);
    }
    p.fd = pidfd;
    printf("clone3 %d", poll(&p, 1, 5000));
    waitpid(made, &status, 0);
    printf(" handlers cleared %d", WEXITSTATUS(status));
    told = 0;
    arguments = (struct clone_args){.exit_signal = SIGUSR2};
    made = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (made == 0) _exit(0);
    while (!told) usleep(1000);
    printf(" another signal at the end %d", last.si_signo == SIGUSR2 && last.si_pid == made);
    printf(" %d", waitpid(made, &status, __WALL) == made);
    union sigval value = {.sival_ptr = (void *)0x1234567890abcdef};
    told = 0;
    child = fork();
    if (child == 0) { sigqueue(getppid(), SIGUSR1, value); _exit(0); }
    waitpid(child, &status, 0);
    while (!told) usleep(1000);
    printf(" queued value %d\n", last.si_value.sival_ptr == value.sival_ptr && last.si_pid == child && last.si_code == SI_QUEUE);

    int copy = dup(self), other = open("/dev/null", O_RDONLY);
    long equal = syscall(SYS_kcmp, getpid(), getpid(), 0, self, copy), less = syscall(SYS_kcmp, getpid(), getpid(), 0, self, other);
    printf("kcmp %ld", equal);
    printf(" %d", less == 1 || less == 2);
    printf(" getfd %d\n", syscall(SYS_pidfd_getfd, self, other, 0) > 0);

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    int orphan[2];
    if (pipe(orphan)) exit(1);
    if (fork() == 0) {
        pid_t parent = getpid();
        if (fork() == 0) {
            while (getppid() == parent) usleep(1000);
            pid_t now = getppid();
            _exit(write(orphan[1], &now, sizeof now) != sizeof now);
        }
        _exit(0);
    }
    pid_t adopter = 0;
    if (read(orphan[0], &adopter, sizeof adopter)) {}
    int ended = 0;
    while (wait(NULL) > 0) ended++;
    printf("orphan adopted %d ended %d\n", adopter == getpid(), ended);
}

static void *quiet(void *argument) { return (void *)(long)getpriority(PRIO_PROCESS, 0); }

static void parameters(void) {
    struct { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t a, b, c; uint32_t d, e; } attr = {56};
    printf("nice %s", why(setpriority(PRIO_PROCESS, 0, 5)));
    printf(" %d", getpriority(PRIO_PROCESS, 0));
    pthread_t thread;
    void *inherited;
    pthread_create(&thread, NULL, quiet, NULL);
    pthread_join(thread, &inherited);
    printf(" thread %ld", (long)inherited);
    attr.policy = SCHED_BATCH; attr.nice = 7;
    printf(" setattr %s", why(syscall(SYS_sched_setattr, 0, &attr, 0)));
    memset(&attr, 0, sizeof attr);
    printf(" getattr %s", why(syscall(SYS_sched_getattr, 0, &attr, 56, 0)));
    printf(" %u %u %d", attr.size, attr.policy, attr.nice);
    printf(" %d", sched_getscheduler(0));
    pid_t child = fork();
    if (child == 0) _exit(getpriority(PRIO_PROCESS, 0));
    int status;
    waitpid(child, &status, 0);
    printf(" child %d\n", WEXITSTATUS(status));
    struct rusage used;
    child = fork();
    if (child == 0) {
        struct rusage so_far;
        do {
            for (volatile long i = 0; i < 1000000; i++) ;
            getrusage(RUSAGE_SELF, &so_far);
        } while (so_far.ru_utime.tv_sec == 0 && so_far.ru_utime.tv_usec < 30000);
        _exit(0);
    }
    struct rusage own;
    wait4(child, &status, 0, &own);
    getrusage(RUSAGE_CHILDREN, &used);
    struct tms t;
    times(&t);
    printf("children's time %d %d %d\n", own.ru_utime.tv_sec * 1000000 + own.ru_utime.tv_usec > 10000,
           used.ru_utime.tv_sec * 1000000 + used.ru_utime.tv_usec > 10000, t.tms_cutime + t.tms_cstime > 0);
}

static void released(void) {
    int status;
    printf("release of a process that lives %s", why(syscall(SYS_process_mrelease, syscall(SYS_pidfd_open, getpid(), 0), 0)));
    pid_t child = fork();
    if (child == 0) _exit(0);
    int one = syscall(SYS_pidfd_open, child, 0);
    printf(" flags %s", why(syscall(SYS_process_mrelease, one, 1)));
    printf(" no pidfd %s", why(syscall(SYS_process_mrelease, 0, 0)));
    waitpid(child, &status, 0);
    sprintf(text, "/proc/%d", getpid());
    int by_number = open(text, O_DIRECTORY), itself = open("/proc/self", O_DIRECTORY), above = open("/proc", O_DIRECTORY);
    printf(" by /proc %s", why(syscall(SYS_pidfd_send_signal, by_number, 0, NULL, 0)));
    printf(" %s", why(syscall(SYS_pidfd_send_signal, itself, 0, NULL, 0)));
    printf(" %s", why(syscall(SYS_pidfd_send_signal, above, 0, NULL, 0)));
    printf(" gone %s\n", why(syscall(SYS_process_mrelease, one, 0)));
}

static void capabilities(void) {
    struct { uint32_t version; int pid; } header = {0x20080522, 0};
    struct { uint32_t effective, permitted, inheritable; } none[2] = {0}, some[2] = {{1 << 21, 1 << 21, 0}}, unknown[2] = {{0}, {0, 1 << 30, 0}};
    if (syscall(SYS_capset, &header, none)) exit(1);
    struct timex clock = {0}, change = {.modes = ADJ_TICK, .tick = 9999}, odd = {.modes = 0x8000};
    printf("adjtimex %d", adjtimex(&clock) >= 0);
    printf(" tick %ld tolerance %ld precision %ld", clock.tick, clock.tolerance, clock.precision);
    printf(" change %s", why(adjtimex(&change)));
    printf(" odd %s", why(adjtimex(&odd)));
    printf(" monotonic %s", why(clock_adjtime(CLOCK_MONOTONIC, &clock)));
    printf(" bad clock %s", why(clock_adjtime(77, &clock)));
    printf(" null %s\n", why(syscall(SYS_clock_adjtime, 0, 8L)));
    printf("capset none %s", why(syscall(SYS_capset, &header, none)));
    printf(" some %s", why(syscall(SYS_capset, &header, some)));
    printf(" unknown %s", why(syscall(SYS_capset, &header, unknown)));
    some[0].effective = some[0].permitted = 0;
    some[0].inheritable = 1;
    printf(" inheritable %s", why(syscall(SYS_capset, &header, some)));
    printf(" bad %s", why(syscall(SYS_capset, &header, 8L)));
    header.pid = 1;
    printf(" another %s", why(syscall(SYS_capset, &header, none)));
    header.version = 7;
    printf(" version %s", why(syscall(SYS_capset, &header, none)));
    printf(" %x\n", header.version);
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IONBF, 0);
    if (argc > 1 && chdir(argv[1])) return 1;
    moving();
    watching();
    processes();
    parameters();
    released();
    capabilities();
    return 0;
}
