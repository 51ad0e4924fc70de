/* Handlers, masks, alternate stacks, restarting, waiting for signals, faults that are handled. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static volatile sig_atomic_t seen, nested, order[8], at;
static sigjmp_buf place;
static volatile void *fault_address;
static volatile int fault_code;

static void count(int number) { seen++; order[at++ & 7] = number; }
static void outer(int number) { order[at++ & 7] = number; raise(SIGUSR2); order[at++ & 7] = -number; }
static void info(int number, siginfo_t *i, void *c) {
    printf("info %d %d %d %d\n", number, i->si_signo == number, i->si_code, i->si_value.sival_int);
    (void)c;
}
static void fault(int number, siginfo_t *i, void *c) {
    ucontext_t *u = c;
    fault_address = i->si_addr;
    fault_code = i->si_code;
    (void)u;
    siglongjmp(place, number);
}
static void skip(int number, siginfo_t *i, void *c) {
    ucontext_t *u = c;
    printf("skip %d %d\n", number, (unsigned long)i->si_addr == u->uc_mcontext.__gregs[0]);
    u->uc_mcontext.__gregs[0] += 4;
    u->uc_mcontext.__gregs[10] = 99;
}
static void on_other_stack(int number) {
    stack_t s;
    sigaltstack(NULL, &s);
    printf("alt %d %d\n", number, !!(s.ss_flags & SS_ONSTACK));
}
static void set(int number, void *handler, int flags) {
    struct sigaction a;
    memset(&a, 0, sizeof a);
    if (flags & SA_SIGINFO) a.sa_sigaction = handler; else a.sa_handler = handler;
    a.sa_flags = flags;
    if (sigaction(number, &a, NULL)) perror("sigaction");
}
static int read_during_alarm(int flags) {
    int fds[2];
    char c;
    if (pipe(fds)) return -1;
    set(SIGALRM, count, flags);
    struct itimerval soon = {{0, 0}, {0, 20000}};
    pid_t child = fork();
    if (child == 0) {
        struct timespec wait = {0, 300000000};
        nanosleep(&wait, NULL);
        if (write(fds[1], "x", 1) != 1) _exit(1);
        _exit(0);
    }
    setitimer(ITIMER_REAL, &soon, NULL);
    int got = read(fds[0], &c, 1);
    int error = errno;
    close(fds[0]);
    close(fds[1]);
    signal(SIGALRM, SIG_IGN);
    return got < 0 ? -error : got;
}

int main(void) {
    set(SIGUSR1, count, 0);
    set(SIGUSR2, count, 0);
    raise(SIGUSR1);
    printf("seen %d\n", seen);
    sigset_t set1, old, pending;
    sigemptyset(&set1);
    sigaddset(&set1, SIGUSR1);
    sigaddset(&set1, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set1, &old);
    raise(SIGUSR2);
    raise(SIGUSR1);
    raise(SIGUSR1);
    sigpending(&pending);
    printf("pending %d %d seen %d\n", sigismember(&pending, SIGUSR1), sigismember(&pending, SIGUSR2), seen);
    at = 0;
    sigprocmask(SIG_SETMASK, &old, NULL);
    printf("seen %d order %d %d\n", seen, order[0], order[1]);
    at = 0;
    set(SIGUSR1, outer, 0);
    raise(SIGUSR1);
    printf("nested %d %d %d\n", order[0], order[1], order[2]);
    set(SIGRTMIN + 1, info, SA_SIGINFO);
    sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 17});
    kill(getpid(), 0);
    char *stack = malloc(SIGSTKSZ + 16384);
    stack_t alt = {.ss_sp = stack, .ss_size = SIGSTKSZ + 16384};
    sigaltstack(&alt, NULL);
    set(SIGUSR1, on_other_stack, SA_ONSTACK);
    raise(SIGUSR1);
    set(SIGSEGV, fault, SA_SIGINFO);
    set(SIGBUS, fault, SA_SIGINFO);
    int code = sigsetjmp(place, 1);
    if (code == 0) *(volatile int *)16 = 1;
    printf("fault %d %p %d\n", code, (void *)fault_address, fault_code);
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    code = sigsetjmp(place, 1);
    if (code == 0) page[5] = 1;
    printf("fault %d %d %d\n", code, fault_address == page + 5, fault_code);
    set(SIGILL, skip, SA_SIGINFO);
    register long a0 asm("a0") = 1;
    asm volatile(".word 0xffffffff" : "+r"(a0));
    printf("after %ld\n", a0);
    set(SIGTRAP, count, 0);
    double kept = 1.5;
    asm volatile("fmv.d ft5, %1\n mv a7, %2\n li a0, 0\n" : : "r"(0), "f"(kept), "r"(0) : "ft5", "a0", "a7");
    printf("eintr %d restart %d\n", read_during_alarm(0) == -EINTR, read_during_alarm(SA_RESTART));
    sigset_t wait_for;
    sigemptyset(&wait_for);
    sigaddset(&wait_for, SIGTERM);
    sigprocmask(SIG_BLOCK, &wait_for, NULL);
    raise(SIGTERM);
    printf("waited %d\n", sigwaitinfo(&wait_for, NULL));
    struct timespec brief = {0, 1000000};
    printf("timed %d %d\n", sigtimedwait(&wait_for, NULL, &brief), errno == EAGAIN);
    signal(SIGUSR2, count);
    sigprocmask(SIG_BLOCK, &set1, NULL);
    raise(SIGUSR2);
    seen = 0;
    sigemptyset(&pending);
    printf("suspend %d %d", sigsuspend(&pending), errno == EINTR);
    printf(" %d\n", seen);
    set(SIGALRM, count, 0);
    seen = 0;
    struct itimerval often = {{0, 5000}, {0, 5000}};
    setitimer(ITIMER_REAL, &often, NULL);
    while (seen < 5) pause();
    printf("ticks\n");
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    often = (struct itimerval){{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &often, NULL);
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    struct itimerspec once = {{0, 0}, {0, 1000000}};
    seen = 0;
    timer_settime(timer, 0, &once, NULL);
    while (!seen) pause();
    printf("timer %d\n", seen);
    signal(SIGALRM, SIG_DFL);
    struct timespec rest = {0, 1}, left;
    printf("sleep %d\n", nanosleep(&rest, &left));
    fflush(stdout);
    abort();
}
