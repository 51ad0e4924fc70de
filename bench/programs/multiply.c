/* 64-bit multiplication: modular powers with 128-bit products, and a multiplicative generator. */
#include <stdint.h>
#include <stdio.h>

static uint64_t mulmod(uint64_t a, uint64_t b, uint64_t m, uint64_t inverse)
{   /* Montgomery's reduction */
    unsigned __int128 t = (unsigned __int128)a * b;
    uint64_t q = (uint64_t)t * inverse;
    uint64_t high = (uint64_t)(((unsigned __int128)q * m) >> 64);
    uint64_t r = (uint64_t)(t >> 64) - high;
    return (uint64_t)(t >> 64) < high ? r + m : r;
}

int main(void)
{
    const uint64_t m = 0xFFFFFFFFFFFFFFC5u;
    uint64_t inverse = 1;
    for (int i = 0; i < 6; i++)
        inverse *= 2 - m * inverse;
    uint64_t sum = 0;
    for (uint64_t base = 3; base < 400003; base++) {
        uint64_t r = 1, b = base;
        for (uint64_t e = m - 2; e; e >>= 1) {
            if (e & 1) r = mulmod(r, b, m, inverse);
            b = mulmod(b, b, m, inverse);
        }
        sum += r;
    }
    uint64_t w = 0x853c49e6748fea9bu, acc = 0;
    for (int i = 0; i < 120000000; i++) {
        w = w * 6364136223846793005u + 1442695040888963407u;
        acc += (uint64_t)(((unsigned __int128)w * 0x9E3779B97F4A7C15u) >> 64);
    }
    printf("%016llx %016llx\n", (unsigned long long)sum, (unsigned long long)acc);
    return 0;
}
