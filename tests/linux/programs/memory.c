/* mmap and its family. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static sigjmp_buf place;
static void fault(int n) { siglongjmp(place, n); }
static int touch(volatile char *p) {
    int n = sigsetjmp(place, 1);
    if (n == 0) { (void)*p; return 0; }
    return n;
}
static int store(volatile char *p) {
    int n = sigsetjmp(place, 1);
    if (n == 0) { *p = 1; return 0; }
    return n;
}
typedef int (*function)(int);

int main(void) {
    signal(SIGSEGV, fault);
    signal(SIGBUS, fault);
    setvbuf(stdout, NULL, _IONBF, 0);
    long page = sysconf(_SC_PAGESIZE);
    printf("page %ld\n", page);
    char *a = mmap(NULL, 8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(a, 1, 8 * page);
    munmap(a + 2 * page, page);
    printf("hole %d", touch(a + 2 * page - 1));
    printf(" %d", touch(a + 2 * page));
    printf(" %d\n", touch(a + 3 * page));
    char *b = mmap(a + 2 * page, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    printf("fixed %d zero %d\n", b == a + 2 * page, b[0]);
    printf("noreplace %d\n", mmap(a, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED && errno == EEXIST);
    mprotect(a, page, PROT_READ);
    printf("protect %d", store(a));
    printf(" %d\n", touch(a));
    mprotect(a, page, PROT_NONE);
    printf("none %d\n", touch(a));
    mprotect(a, page, PROT_READ | PROT_WRITE);
    a[0] = 5;
    printf("dontneed %d", madvise(a, page, MADV_DONTNEED));
    printf(" %d\n", a[0]);
    strcpy(a, "moved");
    char *c = mremap(a, 2 * page, 64 * page, MREMAP_MAYMOVE);
    printf("mremap %s %d\n", c, c[63 * page]);
    char *big = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 4 << 20; i += page) big[i] = i >> 12;
    char *guard = mmap(big + (4 << 20), page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    big = mremap(big, 4 << 20, 16 << 20, MREMAP_MAYMOVE);
    int good = 1;
    for (int i = 0; i < 4 << 20; i += page) good &= big[i] == (char)(i >> 12);
    printf("big move %d %d\n", good, guard != MAP_FAILED);
    char name[] = "/tmp/memoryXXXXXX";
    int fd = mkstemp(name);
    if (ftruncate(fd, 2 * page + 100)) return 1;
    char *s = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    strcpy(s + page, "shared text");
    char buffer[12] = "";
    if (pread(fd, buffer, 11, page) != 11) return 1;
    printf("shared %s\n", buffer);
    if (pwrite(fd, "SHARED", 6, page) != 6) return 1;
    printf("back %s\n", s + page);
    printf("beyond %d", touch(s + 2 * page + 200));
    printf(" %d\n", touch(s + 3 * page));
    if (ftruncate(fd, 4 * page)) return 1;
    printf("grown %d\n", touch(s + 3 * page));
    if (ftruncate(fd, page)) return 1;
    printf("cut %d", touch(s));
    printf(" %d\n", touch(s + page));
    char *p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    p[0] = 'P';
    char first = 'x';
    if (pread(fd, &first, 1, 0) != 1) return 1;
    printf("private %d", first == 0);
    printf(" %d\n", msync(s, page, MS_SYNC));
    int ro = open(name, O_RDONLY);
    printf("read-only %d %d\n", mmap(NULL, page, PROT_WRITE, MAP_SHARED, ro, 0) == MAP_FAILED && errno == EACCES,
           mprotect(mmap(NULL, page, PROT_READ, MAP_SHARED, ro, 0), page, PROT_WRITE) == -1 && errno == EACCES);
    unlink(name);
#ifdef __riscv /* the code is riscv64; elsewhere say what it must say */
    unsigned *code = mmap(NULL, page, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    code[0] = 0x00150513; /* addi a0, a0, 1 */
    code[1] = 0x00008067; /* ret */
    __builtin___clear_cache((char *)code, (char *)(code + 2));
    printf("jit %d", ((function)code)(41));
    code[0] = 0x00250513; /* addi a0, a0, 2 */
    __builtin___clear_cache((char *)code, (char *)(code + 2));
    printf(" %d", ((function)code)(41));
    int pipes[2];
    if (pipe(pipes)) return 1;
    unsigned third = 0x00350513; /* addi a0, a0, 3, written by the kernel */
    if (write(pipes[1], &third, 4) != 4 || read(pipes[0], code, 4) != 4) return 1;
    __builtin___clear_cache((char *)code, (char *)(code + 2));
    printf(" %d\n", ((function)code)(41));
#else
    printf("jit 42 43 44\n");
#endif
    char *before = sbrk(0);
    char *heap = sbrk(3 * page);
    heap[2 * page] = 1;
    printf("brk %d", heap == before);
    printf(" %d", sbrk(-3 * page) == heap + 3 * page);
    printf(" %d\n", sbrk(0) == (void *)before);
    int memory = memfd_create("test", 0);
    if (write(memory, "memfd", 5) != 5) return 1;
    printf("memfd %.5s\n", (char *)mmap(NULL, page, PROT_READ, MAP_SHARED, memory, 0));
    a = mmap(NULL, 9 * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(a + 8 * page, page);
    printf("bad %d %d %d\n", mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL,
           munmap((void *)1, page) == -1 && errno == EINVAL, mprotect(a + 7 * page, 2 * page, PROT_READ) == -1 && errno == ENOMEM);
    char *huge = mmap(NULL, 64L << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    printf("reserve %d", huge != MAP_FAILED);
    printf(" %d\n", munmap(huge, 64L << 30));
    printf("too much %d\n", mmap(NULL, 1L << 50, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
    return 0;
}
