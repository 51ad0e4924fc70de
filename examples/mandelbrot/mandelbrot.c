/* Draws the Mandelbrot set as text: a riscv64 Linux program without a C library.
 *
 *   riscv64-linux-gnu-gcc -O2 -march=rv64gc -static -nostdlib -ffreestanding -s -o mandelbrot.riscv64 mandelbrot.c
 *
 * `mandelbrot.riscv64 [COLUMNS]`; it ends with exit code 0, or 2 for an argument that is no number from 8 to 200.
 */
#include <stdint.h>

static long call(long number, long a, long b, long c)
{
    register long a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c, a7 __asm__("a7") = number;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
    return a0;
}

enum { WRITE = 64, EXIT = 93, DEPTH = 2000 };

static int escape(double cx, double cy)
{
    double x = 0, y = 0;
    int n = 0;
    while (n < DEPTH && x * x + y * y < 4.0) {
        double t = x * x - y * y + cx;
        y = 2 * x * y + cy, x = t, n++;
    }
    return n;
}

__attribute__((used)) static void start(long *stack)
{
    long argc = stack[0], columns = 78;
    if (argc > 1) {
        columns = 0;
        for (const char *p = (const char *)stack[2]; *p; p++)
            columns = *p >= '0' && *p <= '9' && columns < 1000 ? columns * 10 + (*p - '0') : 1000;
        if (columns < 8 || columns > 200) {
            static const char wrong[] = "usage: mandelbrot [COLUMNS], from 8 to 200\n";
            call(WRITE, 2, (long)wrong, sizeof wrong - 1);
            call(EXIT, 2, 0, 0);
        }
    }
    static const char shades[] = " .:-=+*#%@";
    static char line[256];
    long rows = columns * 3 / 8;
    for (long row = 0; row < rows; row++) {
        for (long column = 0; column < columns; column++) {
            int n = escape(-2.2 + 3.2 * (double)column / (double)columns, -1.2 + 2.4 * (double)row / (double)rows);
            int shade = 0;
            for (int m = n; m > 1 && n < DEPTH; m >>= 1)
                shade++;
            line[column] = n == DEPTH ? '@' : shades[shade < 9 ? shade : 8];
        }
        line[columns] = '\n';
        call(WRITE, 1, (long)line, columns + 1);
    }
    call(EXIT, 0, 0, 0);
}

__attribute__((naked, noreturn)) void _start(void)
{
    __asm__("mv a0, sp\n\tandi sp, sp, -16\n\ttail start");
}
