/* Futexes in memory that processes share: how many are woken, bits, requeueing, time-outs, another mapping of the same file. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint32_t *words;

static long futex(uint32_t *word, int operation, uint32_t value, const void *timeout, uint32_t *other, uint32_t bits) {
    return syscall(SYS_futex, word, operation, value, timeout, other, bits);
}

/* A child that waits for `word` without anybody changing it, and ends with its answer. */
static pid_t waiter(uint32_t *word, uint32_t bits) {
    pid_t child = fork();
    if (child == 0) _exit(futex(word, FUTEX_WAIT_BITSET, *word, NULL, NULL, bits) ? errno : 0);
    return child;
}

/* Wake until `wanted` have been woken in all: the children need time to fall asleep. */
static int wake(uint32_t *word, int each, uint32_t bits, int wanted) {
    int woken = 0;
    while (woken < wanted) {
        woken += futex(word, FUTEX_WAKE_BITSET, each, NULL, NULL, bits);
        usleep(1000);
    }
    return woken;
}

static void ends(int count) {
    int status, good = 0;
    for (int i = 0; i < count; i++) good += wait(&status) > 0 && status == 0;
    printf(" ended well %d\n", good);
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IONBF, 0);
    if (argc > 1 && chdir(argv[1])) return 1;
    int file = open("words", O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (ftruncate(file, 4096)) return 1;
    words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    uint32_t *again = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

    printf("nobody %ld", futex(words, FUTEX_WAKE, 9, NULL, NULL, 0));
    printf(" changed %ld", futex(words, FUTEX_WAIT, 7, NULL, NULL, 0));
    printf(" %s", strerrorname_np(errno));
    struct timespec soon = {0, 20000000};
    printf(" late %ld", futex(words, FUTEX_WAIT, 0, &soon, NULL, 0));
    printf(" %s\n", strerrorname_np(errno));

    for (int i = 0; i < 3; i++) waiter(words + 1, -1);
    printf("one by one %d", wake(words + 1, 1, -1, 3));
    ends(3);

    for (int i = 0; i < 2; i++) waiter(words + 2, -1);
    printf("by another mapping %d", wake(again + 2, 1, -1, 2));
    ends(2);

    pid_t first = waiter(words + 3, 1), second = waiter(words + 3, 2);
    int status;
    printf("bits %d", wake(words + 3, 9, 2, 1));
    printf(" the second %d", waitpid(-1, &status, 0) == second);
    printf(" %d", wake(words + 3, 9, 1, 1));
    ends(1);

    for (int i = 0; i < 3; i++) waiter(words + 4, -1);
    int moved = 0;
    while (moved < 3) {
        moved += futex(words + 4, FUTEX_REQUEUE, 0, (void *)9, words + 5, 0);
        usleep(1000);
    }
    printf("moved %d left %ld woken %d", moved, futex(words + 4, FUTEX_WAKE, 9, NULL, NULL, 0), wake(words + 5, 9, -1, 3));
    ends(3);

    first = waiter(words + 6, -1);
    moved = 0;
    while (moved < 1) {
        moved += futex(words + 6, FUTEX_REQUEUE, 0, (void *)1, words + 7, 0);
        usleep(1000);
    }
    kill(first, SIGKILL);
    waitpid(first, &status, 0);
    printf("killed %d left %ld\n", WTERMSIG(status), futex(words + 7, FUTEX_WAKE, 9, NULL, NULL, 0));
    return 0;
}
