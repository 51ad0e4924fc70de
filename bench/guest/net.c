// One TCP stream between two guests: /net receives, /net ADDRESS MIB sends. The receiver prints BEGIN and END around it.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT = 5001, PIECE = 128 << 10 };
static char data[PIECE];

static int receive(const struct sockaddr_in *here)
{
    int door = socket(AF_INET, SOCK_STREAM, 0);
    ssize_t done = 1;
    if (bind(door, (const struct sockaddr *)here, sizeof *here) || listen(door, 1))
        return 1;
    int from = accept(door, NULL, NULL);
    if (from < 0 || recv(from, data, 1, MSG_PEEK) != 1)
        return 1;
    puts("BEGIN");
    uint64_t total = 0;
    while ((done = read(from, data, PIECE)) > 0)
        total += done;
    puts(done ? "FAILED" : "END");
    printf("%llu MiB\n", (unsigned long long)total >> 20);
    return 0;
}

static int send_to(const struct sockaddr_in *there, uint64_t left)
{
    int to = socket(AF_INET, SOCK_STREAM, 0);
    while (connect(to, (const struct sockaddr *)there, sizeof *there)) { // nobody listens yet
        close(to);
        usleep(100000);
        to = socket(AF_INET, SOCK_STREAM, 0);
    }
    memset(data, 0x5a, PIECE);
    while (left) {
        ssize_t done = write(to, data, left < PIECE ? left : PIECE);
        if (done <= 0)
            return 1;
        left -= done;
    }
    return close(to);
}

int main(int argc, char **argv)
{
    struct sockaddr_in end = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    setvbuf(stdout, NULL, _IONBF, 0);
    if (argc < 3)
        return receive(&end);
    inet_aton(argv[1], &end.sin_addr);
    return send_to(&end, (uint64_t)atoi(argv[2]) << 20);
}
