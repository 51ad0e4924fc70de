/* epoll on every kind of file: edges, one-shot, exclusive, nesting, closing and duplicating what is watched, hang-ups. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct epoll_event got[16];

static const char *why(long answer) { return answer == -1 ? strerrorname_np(errno) : "ok"; }

static int control(int ep, int operation, int fd, uint32_t events) {
    struct epoll_event e = {.events = events, .data.u64 = 0xabcd00000000ull + fd};
    return epoll_ctl(ep, operation, fd, &e);
}

static int now(int ep) { return epoll_wait(ep, got, 16, 0); }

/* What makes each kind readable once more, and what takes everything away. */
struct source {
    const char *name;
    int reader, writer;
    void (*more)(struct source *);
    void (*empty)(struct source *);
};

static void put(struct source *s) { if (write(s->writer, "12345678", 8) != 8) puts("short write"); }
static void put_one(struct source *s) { uint64_t one = 1; if (write(s->writer, &one, 8) != 8) puts("short write"); }
static void take(struct source *s) { char all[4096]; while (read(s->reader, all, sizeof all) > 0) ; }
static void ring(struct source *s) {
    struct itimerspec soon = {{0, 0}, {0, 1000000}};
    timerfd_settime(s->reader, 0, &soon, NULL);
    poll(&(struct pollfd){s->reader, POLLIN, 0}, 1, 1000);
}
static void hit(struct source *s) { kill(getpid(), s->writer); }

static void *later(void *argument) {
    struct source *s = argument;
    usleep(20000);
    s->more(s);
    return NULL;
}

static void edges(struct source *s) {
    int ep = epoll_create1(0);
    pthread_t thread;
    printf("%s:", s->name);
    control(ep, EPOLL_CTL_ADD, s->reader, EPOLLIN | EPOLLET);
    printf(" idle %d", now(ep));
    s->more(s);
    printf(" first %d", now(ep));
    printf(" none %d", now(ep));
    s->more(s);
    printf(" again %d", now(ep));
    s->more(s); s->more(s);
    printf(" two as one %d", now(ep));
    pthread_create(&thread, NULL, later, s);
    printf(" while waiting %d", epoll_wait(ep, got, 16, 5000));
    pthread_join(thread, NULL);
    control(ep, EPOLL_CTL_MOD, s->reader, EPOLLIN | EPOLLET);
    printf(" modified %d", now(ep));
    printf(" none %d", now(ep));
    s->empty(s);
    printf(" empty %d", now(ep));
    s->more(s);
    printf(" after %d\n", now(ep));
    printf("  level");
    control(ep, EPOLL_CTL_MOD, s->reader, EPOLLIN);
    printf(" %d", now(ep));
    printf(" %d", now(ep));
    s->empty(s);
    printf(" %d; once", now(ep));
    control(ep, EPOLL_CTL_MOD, s->reader, EPOLLIN | EPOLLONESHOT);
    s->more(s);
    printf(" %d", now(ep));
    s->more(s);
    printf(" %d", now(ep));
    control(ep, EPOLL_CTL_MOD, s->reader, EPOLLIN | EPOLLONESHOT);
    printf(" %d", now(ep));
    printf(" %d; writable", now(ep));
    control(ep, EPOLL_CTL_MOD, s->reader, EPOLLOUT | EPOLLWRNORM);
    printf(" %d", now(ep));
    struct pollfd p = {s->reader, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM | POLLPRI, 0};
    printf(" poll %d", poll(&p, 1, 0));
    printf(" %x\n", p.revents);
    s->empty(s);
    close(ep);
}

static void *waiter(void *argument) {
    struct epoll_event e;
    return (void *)(long)epoll_wait(*(int *)argument, &e, 1, 300);
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    int pipe_[2], stream[2], datagram[2], packet[2];
    char name[300], c;
    if (pipe2(pipe_, O_NONBLOCK) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, stream)) return 1;
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, datagram)) return 1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, packet)) return 1;
    snprintf(name, sizeof name, "%s/fifo", argc > 1 ? argv[1] : ".");
    mkfifo(name, 0600);
    int fifo = open(name, O_RDWR | O_NONBLOCK);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int event = eventfd(0, EFD_NONBLOCK), semaphore = eventfd(0, EFD_NONBLOCK | EFD_SEMAPHORE);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), signals = signalfd(-1, &set, SFD_NONBLOCK);
    struct source sources[] = {
        {"eventfd", event, event, put_one, take}, {"semaphore", semaphore, semaphore, put_one, take},
        {"pipe", pipe_[0], pipe_[1], put, take}, {"fifo", fifo, fifo, put, take},
        {"stream", stream[0], stream[1], put, take}, {"datagram", datagram[0], datagram[1], put, take},
        {"packet", packet[0], packet[1], put, take}, {"timerfd", timer, timer, ring, take},
        {"signalfd", signals, SIGRTMIN, hit, take},
    };
    for (unsigned i = 0; i < sizeof sources / sizeof *sources; i++) edges(&sources[i]);

    puts("-- a periodic timer is one edge until it is read");
    int ep = epoll_create1(EPOLL_CLOEXEC);
    struct itimerspec period = {{0, 2000000}, {0, 2000000}};
    control(ep, EPOLL_CTL_ADD, timer, EPOLLIN | EPOLLET);
    timerfd_settime(timer, 0, &period, NULL);
    printf("%d", epoll_wait(ep, got, 16, 1000));
    printf(" %d", epoll_wait(ep, got, 16, 20));
    uint64_t ticks = 0;
    printf(" %d", (int)read(timer, &ticks, 8));
    printf(" %d", ticks >= 2);
    printf(" %d\n", epoll_wait(ep, got, 16, 1000));
    timerfd_settime(timer, 0, &(struct itimerspec){0}, NULL);

    puts("-- a signal that came again is no second edge");
    control(ep, EPOLL_CTL_ADD, signals, EPOLLIN | EPOLLET);
    kill(getpid(), SIGUSR1);
    printf("%d", now(ep));
    kill(getpid(), SIGUSR1);
    printf(" %d\n", now(ep));
    take(&(struct source){.reader = signals});

    puts("-- nested");
    int inner = epoll_create1(0), outer = epoll_create1(0);
    control(inner, EPOLL_CTL_ADD, event, EPOLLIN | EPOLLET);
    control(outer, EPOLL_CTL_ADD, inner, EPOLLIN | EPOLLET);
    printf("idle %d", now(outer));
    put_one(&sources[0]);
    printf(" outer %d", now(outer));
    printf(" outer %d", now(outer));
    put_one(&sources[0]);
    printf(" outer %d", now(outer));
    printf(" inner %d", now(inner));
    printf(" inner %d", now(inner));
    control(inner, EPOLL_CTL_ADD, timer, EPOLLIN);
    timerfd_settime(timer, 0, &(struct itimerspec){{0, 0}, {0, 5000000}}, NULL);
    printf(" timer in inner %d", epoll_wait(outer, got, 16, 2000));
    struct pollfd nested = {outer, POLLIN, 0};
    printf(" poll %d", poll(&nested, 1, 0));
    printf(" self %s", why(control(outer, EPOLL_CTL_ADD, outer, EPOLLIN)));
    printf(" loop %s", why(control(inner, EPOLL_CTL_ADD, outer, EPOLLIN)));
    int chain = outer;
    for (int i = 0; i < 6; i++) {
        int next = epoll_create1(0);
        printf(" %s", why(control(next, EPOLL_CTL_ADD, chain, EPOLLIN)));
        chain = next;
    }
    take(&sources[7]); take(&sources[0]);

    puts("\n-- duplicated and closed");
    close(ep);
    ep = epoll_create1(0);
    int copy = dup(pipe_[0]);
    printf("add %s", why(control(ep, EPOLL_CTL_ADD, pipe_[0], EPOLLIN)));
    printf(" copy %s", why(control(ep, EPOLL_CTL_ADD, copy, EPOLLIN | EPOLLET)));
    printf(" again %s", why(control(ep, EPOLL_CTL_ADD, copy, EPOLLIN)));
    put(&sources[2]);
    int count = now(ep);
    printf(" both %d %d", count, (int)(got[0].data.u32 + got[1].data.u32) == pipe_[0] + copy);
    printf(" level %d", now(ep));
    int saved = pipe_[0];
    close(pipe_[0]);
    count = now(ep);
    printf(" closed but alive %d %d", count, got[0].data.u32 == saved);
    printf(" delete %s", why(control(ep, EPOLL_CTL_DEL, saved, 0)));
    printf(" delete copy %s", why(control(ep, EPOLL_CTL_DEL, copy, 0)));
    int reused = fcntl(event, F_DUPFD, saved);
    printf(" same number %s", reused == saved ? why(control(ep, EPOLL_CTL_ADD, reused, EPOLLIN)) : "?");
    put_one(&sources[0]);
    printf(" two %d", now(ep));
    close(copy);
    printf(" gone %d", now(ep));
    close(reused);
    printf(" still %d", now(ep));
    printf(" modify a missing one %s\n", why(control(ep, EPOLL_CTL_MOD, pipe_[1], EPOLLIN)));
    take(&sources[0]);

    puts("-- hang-ups");
    int ends[2];
    close(ep);
    ep = epoll_create1(0);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) return 1;
    control(ep, EPOLL_CTL_ADD, ends[0], EPOLLIN | EPOLLRDHUP | EPOLLET);
    shutdown(ends[1], SHUT_WR);
    count = now(ep);
    printf("half %d %x", count, got[0].events);
    close(ends[1]);
    count = now(ep);
    printf(" whole %d %x", count, got[0].events);
    printf(" then %d\n", now(ep));
    if (pipe(ends)) return 1;
    control(ep, EPOLL_CTL_ADD, ends[0], 0);
    close(ends[1]);
    count = now(ep);
    printf("no writer %d %x", count, got[0].events);
    if (pipe(ends)) return 1;
    control(ep, EPOLL_CTL_ADD, ends[1], EPOLLET);
    close(ends[0]);
    count = epoll_wait(ep, got, 1, 0);
    printf(" no reader %d", count);
    printf(" %d\n", now(ep));

    puts("-- fairness: with room for one, the ready ones take turns");
    close(ep);
    ep = epoll_create1(0);
    int many[4], turns[4] = {0};
    for (int i = 0; i < 4; i++) {
        many[i] = eventfd(1, EFD_NONBLOCK);
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};
        epoll_ctl(ep, EPOLL_CTL_ADD, many[i], &e);
    }
    for (int i = 0; i < 12; i++)
        if (epoll_wait(ep, got, 1, 0) == 1) printf("%d", got[0].data.u32), turns[got[0].data.u32]++;
    printf(" %d%d%d%d\n", turns[0], turns[1], turns[2], turns[3]);

    puts("-- several waiters: an edge wakes one, a level all");
    for (int level = 0; level < 2; level++) {
        int set_ = epoll_create1(0), flag = eventfd(0, EFD_NONBLOCK), woken = 0;
        pthread_t threads[4];
        control(set_, EPOLL_CTL_ADD, flag, level ? EPOLLIN : EPOLLIN | EPOLLET);
        for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, waiter, &set_);
        usleep(50000);
        eventfd_write(flag, 1);
        for (int i = 0; i < 4; i++) { void *r; pthread_join(threads[i], &r); woken += (long)r; }
        printf("%s %d\n", level ? "level" : "edge", woken);
    }

    puts("-- exclusive");
    int x = epoll_create1(0);
    printf("%s", why(control(x, EPOLL_CTL_ADD, event, EPOLLIN | EPOLLEXCLUSIVE)));
    printf(" modify %s", why(control(x, EPOLL_CTL_MOD, event, EPOLLIN)));
    printf(" with one-shot %s", why(control(x, EPOLL_CTL_ADD, pipe_[1], EPOLLOUT | EPOLLONESHOT | EPOLLEXCLUSIVE)));
    printf(" of a set %s\n", why(control(x, EPOLL_CTL_ADD, outer, EPOLLIN | EPOLLEXCLUSIVE)));

    puts("-- a forked child shares the set");
    int shared = epoll_create1(0);
    int signal_pipe[2];
    if (pipe(signal_pipe)) return 1;
    if (fork() == 0) {
        control(shared, EPOLL_CTL_ADD, event, EPOLLIN);
        _exit(write(signal_pipe[1], "c", 1) != 1);
    }
    if (read(signal_pipe[0], &c, 1) != 1) return 1;
    eventfd_write(event, 1);
    count = now(shared);
    printf("%d %llx\n", count, (unsigned long long)got[0].data.u64 - event);
    wait(NULL);

    puts("-- wrong calls");
    int regular = open(argc > 0 ? argv[0] : "", O_RDONLY), path = open("/", O_PATH), folder = open("/", O_RDONLY);
    int null = open("/dev/null", O_RDWR);
    printf("file %s", why(control(ep, EPOLL_CTL_ADD, regular, EPOLLIN)));
    printf(" path %s", why(control(ep, EPOLL_CTL_ADD, path, EPOLLIN)));
    printf(" directory %s", why(control(ep, EPOLL_CTL_ADD, folder, EPOLLIN)));
    printf(" null %s", why(control(ep, EPOLL_CTL_ADD, null, EPOLLIN)));
    printf(" closed %s", why(control(ep, EPOLL_CTL_ADD, 999, EPOLLIN)));
    printf(" set closed %s", why(control(999, EPOLL_CTL_ADD, event, EPOLLIN)));
    printf(" not a set %s", why(control(event, EPOLL_CTL_ADD, many[0], EPOLLIN)));
    printf(" operation %s", why(control(ep, 9, event, EPOLLIN)));
    printf(" no event %s", why(syscall(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, event, NULL)));
    printf(" delete without %s", why(syscall(SYS_epoll_ctl, ep, EPOLL_CTL_DEL, many[3], NULL)));
    printf(" most %s", why(epoll_wait(ep, got, 0, 0)));
    printf(" wait on a pipe %s", why(epoll_wait(pipe_[1], got, 1, 0)));
    printf(" flags %s", why(epoll_create1(1)));
    printf(" size %s", why(epoll_create(0)));
    sigset_t none;
    sigemptyset(&none);
    printf(" mask size %s", why(syscall(SYS_epoll_pwait, ep, got, 1, 0, &none, 4)));
    struct timespec bad = {0, 1000000000}, zero = {0, 0};
    printf(" pwait2 %s", why(syscall(SYS_epoll_pwait2, ep, got, 1, &bad, NULL, 8)));
    printf(" %ld", syscall(SYS_epoll_pwait2, ep, got, 1, &zero, NULL, 8));
    printf(" read %s", why(read(ep, got, 8)));
    printf(" write %s\n", why(write(timer, "12345678", 8)));
    return 0;
}
