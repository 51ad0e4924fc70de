// What a guest does to a disk: /disk read|write|random DEVICE. Prints BEGIN and END around the work, which is timed outside.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BIG = 1 << 20, SMALL = 4096, SPAN = 192 << 20, COUNT = 20000 };

int main(int argc, char **argv)
{
    int fd = open(argv[2], O_RDWR | O_DIRECT);
    char *data;
    uint64_t place = 88172645463325252u;
    if (argc < 3 || fd < 0 || posix_memalign((void **)&data, 4096, BIG))
        return 1;
    memset(data, 0x5a, BIG);
    puts("BEGIN");
    fflush(stdout);
    for (int i = 0; i < (*argv[1] == 'r' && argv[1][1] == 'a' ? COUNT : SPAN / BIG); i++) {
        ssize_t done;
        if (!strcmp(argv[1], "read"))
            done = pread(fd, data, BIG, (off_t)i * BIG);
        else if (!strcmp(argv[1], "write"))
            done = pwrite(fd, data, BIG, (off_t)i * BIG);
        else {
            place ^= place << 13, place ^= place >> 7, place ^= place << 17; // xorshift64
            done = pread(fd, data, SMALL, (off_t)(place % (SPAN / SMALL)) * SMALL);
        }
        if (done <= 0)
            return 1;
    }
    fsync(fd);
    puts("END");
    return 0;
}
