/* Memory: streams over arrays larger than caches, and a chase of pointers through them. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 1 << 20 };

int main(void)
{
    uint64_t *a = malloc(N * sizeof *a), *b = malloc(N * sizeof *b);
    uint32_t *next = malloc(N * sizeof *next);
    for (uint32_t i = 0; i < N; i++)
        a[i] = i * 0x9E3779B97F4A7C15u, next[i] = i;
    for (int round = 0; round < 30; round++) {
        for (uint32_t i = 0; i < N; i++)
            b[i] = a[i] + (a[(i + 64) & (N - 1)] >> 3);
        for (uint32_t i = 0; i < N; i++)
            a[i] = b[i] ^ (b[i ^ 1] << 1);
    }
    uint32_t state = 12345;
    for (uint32_t i = N - 1; i > 0; i--) { /* one cycle through all */
        state = state * 1103515245u + 12345u;
        uint32_t j = (state >> 8) % i, t = next[i];
        next[i] = next[j], next[j] = t;
    }
    uint32_t at = 0;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < 8 * N; i++)
        at = next[at], sum += a[at];
    printf("%016llx\n", (unsigned long long)sum);
    return 0;
}
