/* Atomic operations: counters, a spin lock, compare and swap, in one thread. */
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

static atomic_ulong counter, bits;
static atomic_uint lock, tickets[64];
static unsigned long plain;

int main(void)
{
    for (unsigned long i = 0; i < 60000000; i++) {
        atomic_fetch_add(&counter, i);
        atomic_fetch_xor(&bits, i * 0x9E3779B97F4A7C15u);
        atomic_fetch_add_explicit(&tickets[i & 63], 1, memory_order_relaxed);
        while (atomic_exchange(&lock, 1)) { }
        plain += i ^ (plain >> 3);
        atomic_store(&lock, 0);
        unsigned long old = atomic_load(&counter);
        while (!atomic_compare_exchange_weak(&counter, &old, old ^ (old << 1))) { }
    }
    unsigned long sum = plain;
    for (int i = 0; i < 64; i++)
        sum = sum * 31 + tickets[i];
    printf("%016lx %016lx %016lx\n", counter, bits, sum);
    return 0;
}
