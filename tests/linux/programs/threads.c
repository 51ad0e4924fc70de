/* POSIX threads: mutexes of all kinds, conditions, barriers, semaphores, cancellation, thread-local data. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define N 8
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static sem_t sem;
static _Thread_local int local = 5;
static long total;
static atomic_long fast;
static int turn, initialised, destroyed;
static volatile int handled;

static void init(void) { initialised++; }
static void destroy(void *p) { __atomic_add_fetch(&destroyed, (long)p, __ATOMIC_SEQ_CST); }
static void handler(int n) { handled = n; }

static void *work(void *arg) {
    long id = (long)arg;
    pthread_once(&once, init);
    pthread_setspecific(key, (void *)1);
    local += id;
    for (int i = 0; i < 20000; i++) {
        pthread_mutex_lock(&lock);
        total += id;
        pthread_mutex_unlock(&lock);
        atomic_fetch_add(&fast, 1);
    }
    pthread_barrier_wait(&barrier);
    pthread_mutex_lock(&lock);
    while (turn != id) pthread_cond_wait(&changed, &lock);
    printf("turn %ld local %d\n", id, local);
    turn++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    pthread_rwlock_rdlock(&rw);
    pthread_rwlock_unlock(&rw);
    sem_post(&sem);
    return (void *)(id * id);
}
static void *forever(void *arg) {
    (void)arg;
    for (;;) pause();
    return NULL;
}
static void *owner_dies(void *mutex) {
    pthread_mutex_lock(mutex);
    return NULL;
}
static void *taker(void *mutex) {
    for (int i = 0; i < 1000; i++) {
        pthread_mutex_lock(mutex);
        total++;
        if (i % 10 == 0) sched_yield();
        pthread_mutex_unlock(mutex);
    }
    return NULL;
}
static void *spinner(void *flag) {
    while (!*(volatile int *)flag) ;
    return NULL;
}

int main(void) {
    pthread_t threads[N];
    pthread_key_create(&key, destroy);
    pthread_barrier_init(&barrier, NULL, N);
    sem_init(&sem, 0, 0);
    for (long i = 0; i < N; i++) pthread_create(&threads[i], NULL, work, (void *)i);
    long squares = 0;
    for (int i = 0; i < N; i++) {
        void *result;
        pthread_join(threads[i], &result);
        squares += (long)result;
        sem_wait(&sem);
    }
    printf("total %ld fast %ld squares %ld once %d destroyed %d local %d\n", total, fast, squares, initialised, destroyed, local);
    pthread_t t;
    pthread_create(&t, NULL, forever, NULL);
    signal(SIGUSR1, handler);
    pthread_kill(t, SIGUSR1);
    while (!handled) sched_yield();
    pthread_cancel(t);
    void *result;
    pthread_join(t, &result);
    printf("cancelled %d handled %d\n", result == PTHREAD_CANCELED, handled);
    struct timespec soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += 2000000;
    if (soon.tv_nsec >= 1000000000) soon.tv_sec++, soon.tv_nsec -= 1000000000;
    pthread_mutex_lock(&lock);
    printf("timed %d\n", pthread_cond_timedwait(&changed, &lock, &soon) == ETIMEDOUT);
    pthread_mutex_unlock(&lock);
    pthread_mutexattr_t attr;
    pthread_mutex_t special;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&special, &attr);
    pthread_create(&t, NULL, owner_dies, &special);
    pthread_join(t, NULL);
    printf("robust %d\n", pthread_mutex_lock(&special) == EOWNERDEAD);
    pthread_mutex_consistent(&special);
    pthread_mutex_unlock(&special);
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
    pthread_mutex_t inherit;
    pthread_mutex_init(&inherit, &attr);
    total = 0;
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, taker, &inherit);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    printf("inherit %ld\n", total);
    volatile int flag = 0;
    pthread_create(&t, NULL, spinner, (void *)&flag);
    struct timespec brief = {0, 1000000};
    nanosleep(&brief, NULL);
    flag = 1;
    pthread_join(t, NULL);
    printf("main is %d\n", getpid() == (pid_t)syscall(SYS_gettid));
    pthread_create(&t, NULL, forever, NULL);
    pthread_detach(t);
    return 3;
}
