/* Branches that are hard to guess: sorting, binary search, and the Collatz sequence. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 200000 };
static int32_t v[N];

static void sort(int32_t *a, int lo, int hi)
{
    while (lo < hi) {
        int32_t p = a[(lo + hi) / 2];
        int i = lo, j = hi;
        while (i <= j) {
            while (a[i] < p) i++;
            while (a[j] > p) j--;
            if (i <= j) {
                int32_t t = a[i];
                a[i++] = a[j], a[j--] = t;
            }
        }
        if (j - lo < hi - i)
            sort(a, lo, j), lo = i;
        else
            sort(a, i, hi), hi = j;
    }
}

int main(void)
{
    uint32_t state = 7, found = 0;
    for (int round = 0; round < 12; round++) {
        for (int i = 0; i < N; i++)
            state = state * 1664525u + 1013904223u, v[i] = (int32_t)state >> 4;
        sort(v, 0, N - 1);
        for (int i = 0; i < N; i++) {
            state = state * 1664525u + 1013904223u;
            int32_t want = (int32_t)state >> 4;
            int lo = 0, hi = N;
            while (lo < hi) {
                int mid = (lo + hi) / 2;
                if (v[mid] < want) lo = mid + 1; else hi = mid;
            }
            found += (uint32_t)lo;
        }
    }
    uint64_t steps = 0;
    for (uint64_t n = 1; n < 600000; n++)
        for (uint64_t c = n; c != 1; steps++)
            c = c & 1 ? 3 * c + 1 : c >> 1;
    printf("%u %llu\n", found, (unsigned long long)steps);
    return 0;
}
