/* poll, select, epoll, eventfd, timerfd, signalfd, non-blocking pipes, socket pairs with passed descriptors. */
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
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FAILS_WITH(call, error) ({ long answer_ = (call); answer_ == -1 && errno == (error); }) /* in this order */

static volatile sig_atomic_t alarms;
static void on_alarm(int n) { (void)n; alarms++; }

static long elapsed_ms(struct timespec *from) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - from->tv_sec) * 1000 + (now.tv_nsec - from->tv_nsec) / 1000000;
}

int main(void) {
    int p[2], q[2];
    char c, buffer[100] = "";
    struct timespec start;
    setvbuf(stdout, NULL, _IONBF, 0);
    if (pipe2(p, O_NONBLOCK) || pipe(q)) return 1;
    printf("empty %d\n", FAILS_WITH(read(p[0], &c, 1), EAGAIN));
    struct pollfd fds[3] = {{p[0], POLLIN, 0}, {p[1], POLLOUT, 0}, {-1, POLLIN, 7}};
    printf("poll %d", poll(fds, 3, 0));
    printf(" %d %d %d\n", fds[0].revents, fds[1].revents, fds[2].revents);
    clock_gettime(CLOCK_MONOTONIC, &start);
    printf("timeout %d", poll(fds, 1, 50));
    printf(" %d\n", elapsed_ms(&start) >= 50);
    if (write(p[1], "ab", 2) != 2) return 1;
    printf("ready %d", poll(fds, 1, -1));
    printf(" %d\n", fds[0].revents);
    fds[0].fd = 99;
    printf("invalid %d", poll(fds, 1, -1));
    printf(" %d\n", fds[0].revents == POLLNVAL);
    fd_set r, w;
    FD_ZERO(&r); FD_ZERO(&w);
    FD_SET(p[0], &r); FD_SET(q[0], &r); FD_SET(p[1], &w);
    printf("select %d", select(q[1] + 1, &r, &w, NULL, NULL));
    printf(" %d", !!FD_ISSET(p[0], &r));
    printf(" %d", !!FD_ISSET(q[0], &r));
    printf(" %d\n", !!FD_ISSET(p[1], &w));
    struct timeval tv = {0, 30000};
    FD_ZERO(&r); FD_SET(q[0], &r);
    printf("select timeout %d", select(q[0] + 1, &r, NULL, NULL, &tv));
    printf(" %d\n", !!FD_ISSET(q[0], &r));
    long total = 0, n;
    static char big[4096];
    while ((n = write(p[1], big, sizeof big)) > 0) total += n;
    printf("full %d %d\n", total >= 4096 && total <= 65536, errno == EAGAIN);
    while (read(p[0], big, sizeof big) > 0) ;
    int ep = epoll_create1(EPOLL_CLOEXEC), ev = eventfd(0, 0);
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = 0x123456789abcdefULL}, got[4];
    printf("ctl %d", epoll_ctl(ep, EPOLL_CTL_ADD, ev, &e));
    printf(" %d", epoll_ctl(ep, EPOLL_CTL_ADD, ev, &e) == -1 && errno == EEXIST);
    printf(" %d\n", epoll_ctl(ep, EPOLL_CTL_DEL, p[0], &e) == -1 && errno == ENOENT);
    printf("wait %d\n", epoll_wait(ep, got, 4, 0));
    eventfd_write(ev, 3);
    eventfd_write(ev, 4);
    printf("wait %d", epoll_wait(ep, got, 4, -1));
    printf(" %llx", (unsigned long long)got[0].data.u64);
    printf(" %x\n", got[0].events);
    eventfd_t value;
    eventfd_read(ev, &value);
    printf("eventfd %llu", (unsigned long long)value);
    printf(" wait %d\n", epoll_wait(ep, got, 4, 10));
    e.events = EPOLLIN | EPOLLET;
    e.data.fd = p[0];
    epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e);
    if (write(p[1], "x", 1) != 1) return 1;
    printf("edge %d", epoll_wait(ep, got, 4, 0));
    printf(" %d\n", epoll_wait(ep, got, 4, 0));
    if (read(p[0], &c, 1) != 1) return 1;
    e.events = EPOLLIN | EPOLLONESHOT;
    epoll_ctl(ep, EPOLL_CTL_MOD, ev, &e);
    eventfd_write(ev, 1);
    printf("oneshot %d", epoll_wait(ep, got, 4, 0));
    printf(" %d\n", epoll_wait(ep, got, 4, 0));
    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec spec = {{0, 10000000}, {0, 10000000}}, left;
    timerfd_settime(timer, 0, &spec, NULL);
    uint64_t ticks = 0;
    clock_gettime(CLOCK_MONOTONIC, &start);
    printf("timer %zd", read(timer, &ticks, 8));
    printf(" %llu", (unsigned long long)ticks);
    printf(" %d\n", elapsed_ms(&start) >= 9);
    timerfd_gettime(timer, &left);
    printf("left %d\n", left.it_value.tv_nsec > 0 && left.it_value.tv_nsec <= 10000000);
    struct pollfd tp = {timer, POLLIN, 0};
    printf("timer poll %d\n", poll(&tp, 1, 1000));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int sfd = signalfd(-1, &set, SFD_NONBLOCK);
    struct signalfd_siginfo si;
    printf("signalfd %d", FAILS_WITH(read(sfd, &si, sizeof si), EAGAIN));
    raise(SIGUSR1);
    struct pollfd sp = {sfd, POLLIN, 0};
    printf(" %d", poll(&sp, 1, 0));
    printf(" %zd", read(sfd, &si, sizeof si));
    printf(" %d\n", si.ssi_signo == SIGUSR1 && si.ssi_pid == (uint32_t)getpid());
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    alarm(1);
    printf("interrupted %d", FAILS_WITH(poll(NULL, 0, -1), EINTR));
    printf(" %d\n", alarms);
    sigaddset(&set, SIGALRM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGALRM);
    sigemptyset(&set);
    printf("ppoll %d", FAILS_WITH(ppoll(NULL, 0, NULL, &set), EINTR));
    printf(" %d\n", alarms);
    pid_t pid = fork();
    if (pid == 0) {
        struct timespec rest = {0, 20000000};
        nanosleep(&rest, NULL);
        if (write(q[1], "late", 4)) {}
        _exit(0);
    }
    struct pollfd lp = {q[0], POLLIN, 0};
    printf("from child %d", poll(&lp, 1, 5000));
    printf(" %zd\n", read(q[0], buffer, 10));
    waitpid(pid, NULL, 0);
    close(q[1]);
    printf("hangup %d", poll(&lp, 1, -1));
    printf(" %d\n", lp.revents);
    int sv[2];
    printf("pair %d\n", socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
    struct msghdr m = {0};
    union { char data[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control;
    struct iovec iov = {"fd", 2};
    m.msg_iov = &iov;
    m.msg_iovlen = 1;
    m.msg_control = control.data;
    m.msg_controllen = sizeof control.data;
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(h), &p[1], sizeof(int));
    printf("sendmsg %zd", sendmsg(sv[0], &m, 0));
    memset(&control, 0, sizeof control);
    iov.iov_base = buffer;
    iov.iov_len = 10;
    printf(" recvmsg %zd", recvmsg(sv[1], &m, 0));
    int passed = -1;
    memcpy(&passed, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
    printf(" %zd", write(passed, "via", 3));
    printf(" %zd\n", read(p[0], buffer, 10));
    shutdown(sv[0], SHUT_WR);
    printf("eof %zd\n", recv(sv[1], buffer, 10, 0));
    return 0;
}
