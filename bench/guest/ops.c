// What a guest gets from a disk: /ops DEVICE SECONDS. Prints a line for each way of using it: its name, and a figure (operations
// or MiB a second), by the guest's own clock.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BIG = 1 << 20, SMALL = 4096, SPAN = 48 << 20, MOST = 16 };

static int fd, writes, size, random_places;
static double end;
static uint64_t count[MOST];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void *work(void *number)
{
    uint64_t place = 88172645463325252u + (uintptr_t)number * 0x9e3779b97f4a7c15u, next = 0;
    char *data;
    if (posix_memalign((void **)&data, 4096, size))
        exit(1);
    memset(data, 0x5a, size);
    while (now() < end) {
        place ^= place << 13, place ^= place >> 7, place ^= place << 17; // xorshift64
        off_t at = (off_t)((random_places ? place : next++) % (SPAN / size)) * size;
        if ((writes ? pwrite(fd, data, size, at) : pread(fd, data, size, at)) != size)
            exit(1);
        count[(uintptr_t)number]++;
    }
    free(data);
    return 0;
}

static void measure(const char *name, int writing, int threads, int bytes, double seconds)
{
    pthread_t thread[MOST];
    uint64_t all = 0;
    double begin = now();
    writes = writing, size = bytes, random_places = bytes == SMALL, end = begin + seconds;
    memset(count, 0, sizeof count);
    for (int i = 0; i < threads; i++)
        pthread_create(&thread[i], 0, work, (void *)(uintptr_t)i);
    for (int i = 0; i < threads; i++)
        pthread_join(thread[i], 0), all += count[i];
    printf("%s %.1f\n", name, all * (bytes == SMALL ? 1.0 : (double)bytes / BIG) / (now() - begin));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 3 || (fd = open(argv[1], O_RDWR | O_DIRECT)) < 0)
        return 1;
    double seconds = atof(argv[2]);
    measure("read-1", 0, 1, SMALL, seconds);
    measure("write-1", 1, 1, SMALL, seconds);
    measure("read-16", 0, 16, SMALL, seconds);
    measure("write-16", 1, 16, SMALL, seconds);
    measure("read-big", 0, 1, BIG, seconds);
    measure("write-big", 1, 1, BIG, seconds);
    return 0;
}
