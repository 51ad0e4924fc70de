/* Floating point, printing, setjmp, sorting, and memory that grows. */
#include <fenv.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static jmp_buf place;
static volatile double kept = 2.5;

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void jump(int depth) {
    if (depth == 0) longjmp(place, 42);
    jump(depth - 1);
}

int main(int argc, char **argv) {
    printf("%d %s\n", argc, argc > 1 ? argv[1] : "-");
    printf("%.17g %g %a %e\n", 0.1, 1e300 * 10, 1.0 / 3, DBL_MIN / 2);
    printf("%Lf %.30f\n", 1.0L / 3, M_PI);
    printf("%f %f %f\n", sin(1), exp(kept), pow(2, 0.5));
    printf("%g %g %d\n", INFINITY, -NAN < 0 ? 0.0 : 1.0, isnan(0.0 / (kept - 2.5)));
    fesetround(FE_UPWARD);
    printf("%.20f\n", 1 / (kept * 4));
    fesetround(FE_TONEAREST);
    feclearexcept(FE_ALL_EXCEPT);
    kept = kept / 0.0;
    printf("%d\n", !!fetestexcept(FE_DIVBYZERO));
    int code = setjmp(place);
    if (code == 0) jump(20);
    printf("jumped %d\n", code);
    double values[200];
    for (int i = 0; i < 200; i++) values[i] = (i * 7919 % 200) / 8.0;
    qsort(values, 200, sizeof *values, by_value);
    printf("%g %g %g\n", values[0], values[100], values[199]);
    char *block = malloc(1000);
    memset(block, 'x', 1000);
    for (size_t size = 1000; size < 64 << 20; size *= 2) block = realloc(block, size * 2);
    printf("%c %c\n", block[0], block[999]);
    free(block);
    long sum = 0;
    for (char *s = strtok(strdup("3 4 5 -1 0x10"), " "); s; s = strtok(NULL, " ")) sum += strtol(s, NULL, 0);
    printf("%ld %f\n", sum, strtod("1e-3", NULL));
    fprintf(stderr, "to stderr\n");
    return 7;
}
