/* Calls: recursion, calls through pointers, and a small machine of functions. */
#include <stdint.h>
#include <stdio.h>

__attribute__((noinline)) static uint64_t fib(unsigned n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
__attribute__((noinline)) static unsigned ack(unsigned m, unsigned n)
{
    return m == 0 ? n + 1 : n == 0 ? ack(m - 1, 1) : ack(m - 1, ack(m, n - 1));
}
__attribute__((noinline)) static uint32_t add(uint32_t x, uint32_t y) { return x + y; }
__attribute__((noinline)) static uint32_t mix(uint32_t x, uint32_t y) { return (x << 7 | x >> 25) ^ y; }
__attribute__((noinline)) static uint32_t less(uint32_t x, uint32_t y) { return x - (y >> 3); }
static uint32_t (*const table[4])(uint32_t, uint32_t) = {add, mix, less, mix};

int main(void)
{
    uint64_t a = fib(34);
    unsigned b = ack(2, 1200);
    uint32_t acc = 1;
    for (uint32_t i = 0; i < 36000000; i++)
        acc = table[(acc ^ i) & 3](acc, i);
    printf("%llu %u %08x\n", (unsigned long long)a, b, acc);
    return 0;
}
