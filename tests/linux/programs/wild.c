/* Ends in the way that its argument says. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

__attribute__((noinline)) static void write_to(volatile int *where) { *where = 1; }

int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "";
    if (!strcmp(how, "store")) write_to((int *)0x1230);
    if (!strcmp(how, "load")) return *(volatile int *)0xdeadbeef000;
    if (!strcmp(how, "jump")) ((void (*)(void))0x4560)();
    if (!strcmp(how, "illegal")) asm volatile(".word 0xffffffff");
    if (!strcmp(how, "break")) asm volatile("ebreak");
    if (!strcmp(how, "term")) kill(getpid(), SIGTERM);
    if (!strcmp(how, "missing")) {
        long a = syscall(SYS_mq_open, "x", 0, 0, 0), b = syscall(SYS_mq_open, "x", 0, 0, 0);
        printf("%ld %ld %ld\n", a, b, (long)syscall(9999));
    }
    if (!strcmp(how, "loop")) for (;;) ;
    if (!strcmp(how, "status")) return 300;
    if (!strcmp(how, "recurse")) return main(argc, argv) + 1;
    return 0;
}
