/* Integer work: a prime sieve, a hash of it, and a linear congruential shuffle. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { N = 1 << 20 };
static uint8_t composite[N];
static uint32_t order[1 << 16];

int main(void)
{
    uint32_t hash = 2166136261u;
    for (int round = 0; round < 60; round++) {
        memset(composite, 0, sizeof composite);
        for (uint32_t i = 2; i * i < N; i++)
            if (!composite[i])
                for (uint32_t j = i * i; j < N; j += i)
                    composite[j] = 1;
        for (uint32_t i = 2; i < N; i++)
            hash = (hash ^ (composite[i] + i)) * 16777619u;
    }
    uint32_t n = sizeof order / sizeof *order, state = 1;
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    for (int round = 0; round < 400; round++)
        for (uint32_t i = n - 1; i > 0; i--) {
            state = state * 1664525u + 1013904223u;
            uint32_t j = (state >> 16) & i, t = order[i];
            order[i] = order[j];
            order[j] = t;
        }
    for (uint32_t i = 0; i < n; i++)
        hash = (hash << 5 | hash >> 27) ^ order[i];
    printf("%08x\n", hash);
    return 0;
}
