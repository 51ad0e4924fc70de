/* Timers: those that count the time used stand still while the process sleeps; what forks and execve leave of them. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t count[65];
static volatile pthread_t who;
static void on_signal(int n) { count[n]++; who = pthread_self(); }
static void nap(long ms) { struct timespec t = {0, ms * 1000000}; while (nanosleep(&t, &t)) ; }
static double used(clockid_t clock) { struct timespec t; clock_gettime(clock, &t); return t.tv_sec + t.tv_nsec / 1e9; }
static void burn(clockid_t clock, double seconds) {
    double end = used(clock) + seconds;
    while (used(clock) < end) for (volatile int i = 0; i < 100000; i++) ;
}
static void *worker(void *argument) { burn(CLOCK_THREAD_CPUTIME_ID, 0.1); return argument; }

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IONBF, 0);
    if (argc > 2) {  /* after execve */
        struct itimerval left;
        getitimer(ITIMER_REAL, &left);
        printf("after execve: alarm %d", left.it_value.tv_sec > 0);
        getitimer(ITIMER_PROF, &left);
        printf(" profile %d\n", left.it_value.tv_sec > 0);
        return 0;
    }
    for (int n = 1; n < 40; n++) if (n != SIGKILL && n != SIGSTOP && n != SIGCHLD && n != 32 && n != 33) signal(n, on_signal);
    struct itimerval soon = {{0, 0}, {0, 20000}}, far = {{0, 0}, {1000, 0}}, left;
    setitimer(ITIMER_VIRTUAL, &soon, NULL);
    setitimer(ITIMER_PROF, &soon, NULL);
    nap(100);
    printf("asleep: virtual %d profile %d", count[SIGVTALRM], count[SIGPROF]);
    burn(CLOCK_PROCESS_CPUTIME_ID, 0.1);
    printf(", used: virtual %d profile %d\n", count[SIGVTALRM], count[SIGPROF]);

    timer_t process, thread;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerspec spec = {{0, 0}, {0, 20000000}}, rest;
    printf("create %d", timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &process));
    event.sigev_signo = SIGUSR2;
    printf(" %d", timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &thread));
    timer_settime(process, 0, &spec, NULL);
    timer_settime(thread, 0, &spec, NULL);
    nap(50);
    timer_gettime(process, &rest);
    printf(" asleep %d %d left %d", count[SIGUSR1], count[SIGUSR2], rest.it_value.tv_nsec > 15000000);
    pthread_t other;
    pthread_create(&other, NULL, worker, NULL);
    pthread_join(other, NULL);
    printf(" another thread: process's %d thread's %d", count[SIGUSR1], count[SIGUSR2]);
    burn(CLOCK_THREAD_CPUTIME_ID, 0.1);
    printf(" this one: %d", count[SIGUSR2]);
    spec.it_interval.tv_nsec = 5000000;
    count[SIGUSR1] = 0;
    timer_settime(process, 0, &spec, NULL);
    burn(CLOCK_PROCESS_CPUTIME_ID, 0.1);
    printf(" again and again %d", count[SIGUSR1] >= 5);
    printf(" delete %d", timer_delete(process));
    printf(" twice %d\n", timer_delete(process) == -1 && errno == EINVAL);

    clockid_t self, of_thread;
    printf("clock of a process %d", clock_getcpuclockid(0, &self) == 0 && used(self) > 0);
    printf(" of a thread %d\n", pthread_getcpuclockid(pthread_self(), &of_thread) == 0 && used(of_thread) > 0);

    setitimer(ITIMER_REAL, &far, NULL);
    setitimer(ITIMER_PROF, &far, NULL);
    if (fork() == 0) {
        getitimer(ITIMER_REAL, &left);
        printf("after fork: alarm %d\n", left.it_value.tv_sec > 0);
        _exit(0);
    }
    wait(NULL);
    execl("/proc/self/exe", "again", argc > 1 ? argv[1] : "", "x", NULL);
    return 1;
}
