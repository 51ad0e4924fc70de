/* Which of two things that are both true wins, and what a signal does to each call that blocks (man 7 signal). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t handled, order[8];
static void handler(int n) { if (handled < 8) order[handled] = n; handled++; }

static const char *why(long answer) {
    static char text[2][32];
    static int turn;
    if (answer == -1) return strerrorname_np(errno);
    snprintf(text[turn ^= 1], 32, "%ld", answer);
    return text[turn];
}

static void on(int number, int flags) {
    struct sigaction a = {.sa_handler = handler, .sa_flags = flags};
    sigaction(number, &a, NULL);
}

static sigset_t only(int number) {
    sigset_t s;
    sigemptyset(&s);
    if (number) sigaddset(&s, number);
    return s;
}

static int pipe_[2], stream[2], listener, event, epoll, timer, full[2], lock_fd;
static const char *folder;
static uint32_t word = 1;
static uint64_t number;
static char buffer[256];
static struct epoll_event got[4];

/* Calls that block for ever; each but the last of a group is ended by data that a child brings after the signal. */
static long do_read(void) { return read(pipe_[0], buffer, 1); }
static long do_readv(void) { struct iovec { void *a; size_t n; } v = {buffer, 1}; return syscall(SYS_readv, pipe_[0], &v, 1); }
static long do_eventfd(void) { return read(event, &number, 8); }
static long do_write(void) { return write(full[1], "x", 1); }
static long do_recv(void) { return recv(stream[0], buffer, 1, 0); }
static long do_recvmsg(void) {
    struct iovec v = {buffer, 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    return recvmsg(stream[0], &m, 0);
}
static long do_accept(void) { int s = accept(listener, NULL, NULL); if (s >= 0) close(s); return s < 0 ? s : 1; }
static long do_wait4(void) { int st; pid_t p = waitpid(-1, &st, 0); return p < 0 ? p : WEXITSTATUS(st); }
static long do_waitid(void) { siginfo_t i; long r = waitid(P_ALL, 0, &i, WEXITED); return r < 0 ? r : i.si_status; }
static long do_futex(void) { return syscall(SYS_futex, &word, FUTEX_WAIT, 1, NULL, NULL, 0); }
static long do_futex_timed(void) { struct timespec t = {0, 300000000}; return syscall(SYS_futex, &word, FUTEX_WAIT, 1, &t, NULL, 0); }
static long do_flock(void) { return flock(lock_fd, LOCK_EX); }
static long do_setlkw(void) { struct flock l = {F_WRLCK, SEEK_SET, 0, 1}; return fcntl(lock_fd, F_SETLKW, &l); }
static long do_fifo(void) {
    char name[300];
    snprintf(name, sizeof name, "%s/waits", folder);
    int fd = open(name, O_WRONLY);
    if (fd >= 0) close(fd);
    return fd < 0 ? fd : 1;
}
static long do_poll(void) { struct pollfd p = {pipe_[0], POLLIN, 0}; return poll(&p, 1, -1); }
static long do_ppoll(void) { struct pollfd p = {pipe_[0], POLLIN, 0}; struct timespec t = {5, 0}; return ppoll(&p, 1, &t, NULL); }
static long do_select(void) { fd_set r; FD_ZERO(&r); FD_SET(pipe_[0], &r); return select(pipe_[0] + 1, &r, NULL, NULL, NULL); }
static long do_epoll(void) { return epoll_wait(epoll, got, 4, -1); }
static long do_nanosleep(void) { struct timespec t = {0, 150000000}; return nanosleep(&t, NULL); }
static long do_clock_nanosleep(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += 150000000;
    if (t.tv_nsec >= 1000000000) t.tv_sec++, t.tv_nsec -= 1000000000;
    errno = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
    return errno ? -1 : 0;
}
static long do_pause(void) { return pause(); }
static long do_sigsuspend(void) { sigset_t s = only(0); return sigsuspend(&s); }
static long do_sigtimedwait(void) {
    sigset_t s = only(SIGUSR2);
    struct timespec t = {0, 200000000};
    return sigtimedwait(&s, NULL, &t);
}
static long do_timerfd(void) {
    struct itimerspec soon = {{0, 0}, {0, 150000000}};
    timerfd_settime(timer, 0, &soon, NULL);
    return read(timer, &number, 8);
}
static long do_recv_timed(void) {
    struct timeval t = {0, 200000};
    setsockopt(stream[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    long r = recv(stream[0], buffer, 1, 0);
    int saved = errno;
    t.tv_usec = 0;
    setsockopt(stream[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    errno = saved;
    return r;
}

static void nap(long ms) { struct timespec t = {ms / 1000, ms % 1000 * 1000000}; while (nanosleep(&t, &t)) ; }

/* What ends each wait in the end. */
static void end_pipe(void) { if (write(pipe_[1], "e", 1)) {} }
static void end_event(void) { eventfd_write(event, 1); }
static void end_full(void) { static char all[1 << 16]; if (read(full[0], all, sizeof all)) {} }
static void end_stream(void) { if (write(stream[1], "e", 1)) {} }
static void end_connect(void) {
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    char name[108];
    struct sockaddr_storage a;
    socklen_t n = sizeof a;
    getsockname(listener, (struct sockaddr *)&a, &n);
    if (connect(s, (struct sockaddr *)&a, n)) perror("connect");
    nap(100);
}
static void end_fifo(void) { snprintf(buffer, sizeof buffer, "%s/waits", folder); open(buffer, O_RDONLY | O_NONBLOCK); nap(100); }
static void end_nothing(void) { }
static void end_lock(void) { }

struct call { const char *name; long (*call)(void); void (*end)(void); int keeps_lock; };
static struct call calls[] = {
    {"read", do_read, end_pipe}, {"readv", do_readv, end_pipe}, {"read eventfd", do_eventfd, end_event},
    {"write", do_write, end_full}, {"recv", do_recv, end_stream}, {"recvmsg", do_recvmsg, end_stream},
    {"accept", do_accept, end_connect}, {"wait4", do_wait4, end_nothing}, {"waitid", do_waitid, end_nothing},
    {"flock", do_flock, end_lock, 1}, {"setlkw", do_setlkw, end_lock, 2}, {"open fifo", do_fifo, end_fifo},
    {"timerfd", do_timerfd, end_nothing},
    {"futex", do_futex, end_nothing}, {"futex timed", do_futex_timed, end_nothing},
    {"poll", do_poll, end_pipe}, {"ppoll", do_ppoll, end_pipe}, {"select", do_select, end_pipe},
    {"epoll_wait", do_epoll, end_pipe}, {"nanosleep", do_nanosleep, end_nothing},
    {"clock_nanosleep", do_clock_nanosleep, end_nothing}, {"pause", do_pause, end_nothing},
    {"sigsuspend", do_sigsuspend, end_nothing}, {"sigtimedwait", do_sigtimedwait, end_nothing},
    {"recv with a time limit", do_recv_timed, end_nothing},
};

static void quiet(void) {
    while (recv(stream[0], buffer, sizeof buffer, MSG_DONTWAIT) > 0) ;
    struct pollfd p = {pipe_[0], POLLIN, 0};
    while (poll(&p, 1, 0) > 0 && read(pipe_[0], buffer, 1) > 0) ;
    p.fd = event;
    if (poll(&p, 1, 0) > 0 && read(event, &number, 8)) {}
    flock(lock_fd, LOCK_UN);
    struct flock l = {F_UNLCK, SEEK_SET, 0, 1};
    fcntl(lock_fd, F_SETLK, &l);
    p.fd = full[1]; p.events = POLLOUT;
    static char all[4096];
    fcntl(full[1], F_SETFL, O_NONBLOCK);
    while (write(full[1], all, sizeof all) > 0) ;
    while (write(full[1], all, 1) > 0) ;
    fcntl(full[1], F_SETFL, 0);
}

/* In a child: hold a lock if the call wants one, send a signal after a while, and end the wait after another. */
static pid_t disturb(struct call *c, int signal_, int restarts) {
    int ready[2];
    char r;
    if (pipe(ready)) exit(9);
    pid_t parent = getpid(), child = fork();
    if (child) {
        close(ready[1]);
        if (read(ready[0], &r, 1) != 1) exit(8);
        close(ready[0]);
        return child;
    }
    signal(SIGUSR1, SIG_IGN);
    char name[300];
    snprintf(name, sizeof name, "%s/locked", folder);
    int fd = open(name, O_RDWR);
    if (c->keeps_lock == 1) flock(fd, LOCK_EX);
    if (c->keeps_lock == 2) { struct flock l = {F_WRLCK, SEEK_SET, 0, 1}; fcntl(fd, F_SETLK, &l); }
    if (write(ready[1], "r", 1) != 1) _exit(1);
    nap(50);
    kill(parent, signal_);
    if (signal_ == SIGSTOP) { nap(20); kill(parent, SIGCONT); }
    nap(50);
    if (restarts) c->end();
    _exit(7);
}

static void *shooter(void *argument) {
    nap(50);
    kill(getpid(), SIGUSR1);
    if (argument) { nap(50); word = 0; syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0); }
    return NULL;
}

static void table(void) {
    for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
        printf("-- a handler %s\n", flags ? "with SA_RESTART" : "without");
        for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
            struct call *c = &calls[i];
            handled = 0;
            word = 1;
            quiet();
            on(SIGUSR1, flags);
            int never = c->call == do_pause || c->call == do_sigsuspend;
            if (c->call == do_futex) {
                pthread_t thread;
                pthread_create(&thread, NULL, shooter, c);
                printf("%s: %s", c->name, why(c->call()));
                pthread_join(thread, NULL);
                printf(" handled %d\n", handled);
                continue;
            }
            pid_t child = disturb(c, SIGUSR1, !never);
            const char *answer = why(c->call());
            printf("%s: %s handled %d\n", c->name, answer, handled);
            waitpid(child, NULL, 0);
        }
    }
    puts("-- stopped and continued, no handler");
    signal(SIGUSR1, SIG_DFL);
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct call *c = &calls[i];
        if (c->call == do_pause || c->call == do_sigsuspend || c->call == do_futex) continue;
        quiet();
        word = 1;
        pid_t child = disturb(c, SIGSTOP, 1);
        const char *answer = why(c->call());
        printf("%s: %s\n", c->name, answer);
        waitpid(child, NULL, 0);
    }
}

static void both(void) {
    puts("-- both are true");
    quiet();
    on(SIGUSR1, 0);
    on(SIGUSR2, 0);
    sigset_t usr1 = only(SIGUSR1), none = only(0), old;
    sigprocmask(SIG_BLOCK, &usr1, &old);
    struct timespec zero = {0, 0};
    struct pollfd p = {pipe_[0], POLLIN, 0};
    handled = 0;
    raise(SIGUSR1);
    end_pipe();
    printf("ppoll, data and a signal: %s", why(ppoll(&p, 1, NULL, &none)));
    printf(" handled %d", handled);
    fd_set r;
    FD_ZERO(&r); FD_SET(pipe_[0], &r);
    printf("; pselect %s", why(pselect(pipe_[0] + 1, &r, NULL, NULL, NULL, &none)));
    printf(" handled %d", handled);
    printf("; epoll_pwait %s", why(epoll_pwait(epoll, got, 4, -1, &none)));
    printf(" handled %d\n", handled);
    quiet();
    printf("ppoll, time-out and a signal: %s", why(ppoll(&p, 1, &zero, &none)));
    printf(" handled %d\n", handled);
    raise(SIGUSR1);
    printf("pselect, time-out and a signal: %s", why(pselect(0, NULL, NULL, NULL, &zero, &none)));
    printf(" handled %d\n", handled);
    raise(SIGUSR1);
    printf("epoll_pwait, time-out and a signal: %s", why(epoll_pwait(epoll, got, 4, 0, &none)));
    printf(" handled %d\n", handled);
    printf("epoll_pwait, a signal: %s", why(epoll_pwait(epoll, got, 4, 1000, &none)));
    printf(" handled %d\n", handled);
    sigprocmask(SIG_SETMASK, &old, NULL);

    handled = 0;
    on(SIGCHLD, 0);
    pid_t child = fork();
    if (child == 0) { nap(30); _exit(5); }
    int status;
    printf("wait4, a child and its signal: %d", waitpid(child, &status, 0) == child);
    printf(" handled %d\n", handled);
    signal(SIGCHLD, SIG_DFL);

    handled = 0;
    child = fork();
    if (child == 0) { nap(30); end_pipe(); kill(getppid(), SIGUSR1); _exit(5); }
    nap(1);
    struct timespec long_ = {1, 0};
    sigprocmask(SIG_BLOCK, &usr1, NULL);
    waitpid(child, &status, 0);
    sigprocmask(SIG_UNBLOCK, &usr1, NULL);
    printf("read after both: %s", why(read(pipe_[0], buffer, 10)));
    printf(" handled %d\n", handled);

    handled = 0;
    sigset_t three = only(SIGUSR1);
    sigaddset(&three, SIGUSR2);
    sigaddset(&three, SIGRTMIN);
    sigaddset(&three, SIGRTMIN + 1);
    on(SIGRTMIN, 0); on(SIGRTMIN + 1, 0);
    sigprocmask(SIG_BLOCK, &three, NULL);
    kill(getpid(), SIGRTMIN + 1); kill(getpid(), SIGRTMIN); kill(getpid(), SIGUSR2); kill(getpid(), SIGUSR1);
    syscall(SYS_tgkill, getpid(), gettid(), SIGRTMIN);
    siginfo_t info;
    sigset_t rt = only(SIGRTMIN);
    printf("sigwaitinfo takes the thread's own first: ");
    sigwaitinfo(&three, &info);
    printf("%d %d\n", info.si_signo - SIGRTMIN, info.si_code == SI_TKILL);
    sigprocmask(SIG_UNBLOCK, &three, NULL);
    printf("delivered, the last first:");
    for (int i = 0; i < handled; i++) printf(" %d", order[i] >= 32 ? 100 + order[i] - SIGRTMIN : order[i]);
    puts("");
    handled = 0;
    sigset_t two = only(SIGUSR2);
    sigprocmask(SIG_BLOCK, &two, NULL);
    raise(SIGUSR2);
    printf("sigtimedwait takes what is pending: %s", why(sigtimedwait(&two, NULL, &zero)));
    printf(" then %s\n", why(sigtimedwait(&two, NULL, &zero)));
    sigprocmask(SIG_UNBLOCK, &two, NULL);
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IONBF, 0);
    folder = argc > 1 ? argv[1] : ".";
    char name[300];
    snprintf(name, sizeof name, "%s/waits", folder);
    mkfifo(name, 0600);
    snprintf(name, sizeof name, "%s/locked", folder);
    lock_fd = open(name, O_CREAT | O_RDWR, 0600);
    struct sockaddr_un_ { sa_family_t f; char path[20]; } address = {AF_UNIX, "\0"};
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, 2) || listen(listener, 5)) return 1;
    if (pipe(pipe_) || pipe(full) || socketpair(AF_UNIX, SOCK_STREAM, 0, stream)) return 1;
    event = eventfd(0, 0);
    timer = timerfd_create(CLOCK_MONOTONIC, 0);
    epoll = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN};
    epoll_ctl(epoll, EPOLL_CTL_ADD, pipe_[0], &e);
    table();
    both();
    return 0;
}
