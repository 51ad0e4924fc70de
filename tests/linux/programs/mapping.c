/* madvise, mremap, mlock, msync, mincore, mseal and the stack: what each changes, and the errors of wrong calls. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define P 4096L
static const char *answer(long r) { return r == -1 ? strerrorname_np(errno) : "ok"; }
#define SAY(call) do { errno = 0; long r_ = (long)(call); printf("%d: %s\n", __LINE__, answer(r_)); } while (0)
#define SEE(value) printf("%d: %ld\n", __LINE__, (long)(value))

static sigjmp_buf place;
static volatile int armed;
static void fault(int n) {
    if (!armed) _exit(99);
    armed = 0;
    siglongjmp(place, n);
}
static int peek(volatile char *p) {
    int n = sigsetjmp(place, 1);
    if (n) return -n;
    armed = 1;
    n = *p;
    armed = 0;
    return n;
}
static int poke(volatile char *p) {
    int n = sigsetjmp(place, 1);
    if (n) return n;
    armed = 1;
    *p = 1;
    armed = 0;
    return 0;
}
static char *anonymous(int pages) { return mmap(0, pages * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static int in_child(char *p) {
    int status;
    pid_t pid = fork();
    if (pid == 0) { int v = peek(p); _exit(v < 0 ? 100 - v : v); }
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}
static int deep(int n) { volatile char room[1000]; room[0] = n; return n ? deep(n - 1) + room[0] - room[0] : 0; }

int main(void) {
    static char alternate[65536];
    stack_t ss = {.ss_sp = alternate, .ss_size = sizeof alternate};
    struct sigaction sa = {.sa_handler = fault, .sa_flags = SA_ONSTACK | SA_NODEFER};
    sigaltstack(&ss, 0);
    sigaction(SIGSEGV, &sa, 0);
    sigaction(SIGBUS, &sa, 0);
    setvbuf(stdout, NULL, _IONBF, 0);
    char name[] = "/tmp/mappingXXXXXX", byte = 0;
    int fd = mkstemp(name);
    for (int i = 0; i < 4; i++) { char page[P]; memset(page, 'a' + i, P); if (write(fd, page, P) != P) return 1; }

    /* What a fork passes on. */
    char *a = anonymous(4), *shared = mmap(0, P, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0), *file = mmap(0, 4 * P, 3, MAP_PRIVATE, fd, 0);
    a[0] = 7; a[P] = 8; a[2 * P] = 9; shared[0] = 5;
    SAY(madvise(a, P, MADV_WIPEONFORK)); SAY(madvise(a + P, P, MADV_DONTFORK));
    SEE(in_child(a)); SEE(in_child(a + P)); SEE(in_child(a + 2 * P)); SEE(a[0]); SEE(a[P]);
    SAY(madvise(a, P, MADV_KEEPONFORK)); SAY(madvise(a + P, P, MADV_DOFORK)); SEE(in_child(a)); SEE(in_child(a + P));
    SAY(madvise(shared, P, MADV_WIPEONFORK)); SAY(madvise(file, P, MADV_WIPEONFORK));
    SAY(madvise(shared, P, MADV_DONTFORK)); SEE(in_child(shared));

    /* What is dropped. */
    SAY(madvise(a, P, MADV_DONTNEED)); SEE(a[0]); SEE(a[P]);
    file[0] = '!'; file[P] = '!';
    SAY(madvise(file, P, MADV_DONTNEED)); SEE(file[0]); SEE(file[P]); SEE(file[2 * P]);
    SAY(madvise(shared, P, MADV_DONTNEED)); SEE(shared[0]);
    SAY(madvise(shared, P, MADV_FREE)); SAY(madvise(file, P, MADV_FREE)); SAY(madvise(a, P, MADV_FREE));
    SAY(madvise(a, P, MADV_REMOVE)); SAY(madvise(shared, P, MADV_REMOVE)); SEE(shared[0]);
    SAY(madvise(a + 1, P, MADV_DONTNEED)); SAY(madvise(a, P, 999)); SAY(madvise(a, 0, MADV_DONTNEED)); SAY(madvise(a, -1, MADV_DONTNEED));
    munmap(a + 2 * P, P); a[3 * P] = 4;
    SAY(madvise(a, 4 * P, MADV_DONTNEED)); SEE(a[3 * P]);
    SAY(madvise(a, P, MADV_POPULATE_WRITE)); mprotect(a, P, PROT_READ);
    SAY(madvise(a, P, MADV_POPULATE_WRITE)); SAY(madvise(a, P, MADV_POPULATE_READ));
    mprotect(a, P, PROT_NONE); SAY(madvise(a, P, MADV_POPULATE_READ)); mprotect(a, P, 3);
    SAY(madvise(a, P, MADV_SEQUENTIAL)); SAY(madvise(a, P, MADV_NORMAL)); SAY(madvise(a, P, MADV_COLD)); SAY(madvise(a, P, MADV_DONTDUMP));

    /* Locks. */
    SAY(mlock(a, P)); SAY(madvise(a, P, MADV_DONTNEED)); SAY(madvise(a, P, MADV_COLD)); SAY(msync(a, P, MS_INVALIDATE)); SAY(munlock(a, P));
    SAY(madvise(a, P, MADV_DONTNEED)); SAY(mlock(a, 4 * P)); SAY(munlock(a, 4 * P)); SAY(munlock(a, P));
    SAY(mlock2(a, P, MLOCK_ONFAULT)); SAY(mlock2(a, P, 8)); SAY(munlock(a, P));
    SAY(mlockall(0)); SAY(mlockall(MCL_ONFAULT)); SAY(mlockall(64)); SAY(munlockall());
    SAY(msync(a, P, MS_SYNC | MS_ASYNC)); SAY(msync(a, P, 64)); SAY(msync(a + 1, P, MS_SYNC)); SAY(msync(a, 4 * P, MS_SYNC)); SAY(msync(a, -P, MS_SYNC));
    unsigned char vector[8] = {9, 9, 9, 9};
    a[P] = 1;
    SAY(mincore(a + P, P, vector)); SEE(vector[0]); SAY(mincore(a, 4 * P, vector)); SAY(mincore(a + 1, P, vector)); SAY(mincore(a, P, (void *)1));

    /* Moving and growing. */
    char *b = anonymous(8), *c, *d;
    memset(b, 1, 8 * P); munmap(b + 4 * P, 4 * P);
    SAY(mremap(b, 4 * P, 6 * P, 0)); strcpy(b + P, "kept");
    SAY(c = mremap(b, 2 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0)); SEE(c != b); SEE(!strcmp(c + P, "kept")); SEE(b[P]); SEE(poke(b));
    SAY(mremap(b, P, 2 * P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0)); SAY(mremap(b, P, P, MREMAP_DONTUNMAP)); SAY(mremap(b, P, P, MREMAP_FIXED));
    SAY(mremap(b, P, P, 8)); SAY(mremap(b + 1, P, P, 0)); SAY(mremap(b, P, 0, 0)); SAY(mremap(b, 0, P, MREMAP_MAYMOVE)); SAY(mremap(b, 100 * P, 200 * P, MREMAP_MAYMOVE));
    SAY(mremap(b, P, P, MREMAP_MAYMOVE | MREMAP_FIXED, b)); SAY(mremap(b, P, P, MREMAP_MAYMOVE | MREMAP_FIXED, b + 1)); SAY(mremap((void *)P, P, P, MREMAP_MAYMOVE));
    shared[0] = 3;
    SAY(d = mremap(shared, 0, P, MREMAP_MAYMOVE)); SEE(d[0]); d[1] = 6; SEE(shared[1]); SAY(mremap(shared, 0, P, 0));
    SAY(d = mremap(d, P, 2 * P, MREMAP_MAYMOVE)); SEE(d[1]); SEE(peek(d + P));
    char *s = mmap(0, 2 * P, 3, MAP_SHARED, fd, P);
    SAY(s = mremap(s, 2 * P, 6 * P, MREMAP_MAYMOVE)); SEE(s[2 * P]); SEE(peek(s + 3 * P)); s[0] = 'S';
    SEE(pread(fd, &byte, 1, P)); SEE(byte);
    SAY(file = mremap(file, P, 5 * P, MREMAP_MAYMOVE)); SEE(file[3 * P]); SEE(peek(file + 4 * P));
    SAY(ftruncate(fd, 6 * P)); SEE(peek(file + 4 * P)); SEE(peek(s + 3 * P)); SAY(ftruncate(fd, P)); SEE(peek(file)); SEE(peek(file + P)); SEE(peek(s));
    SAY(truncate(name, 3 * P)); SEE(peek(file + P)); SEE(peek(s)); close(open(name, O_WRONLY | O_TRUNC)); SEE(peek(file)); SEE(peek(s));

    /* mmap's own errors. */
    SAY(mmap(a, P, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0)); SAY(mmap(a + 1, P, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    SAY(mmap(0, P, 3, MAP_PRIVATE, -1, 0)); SAY(mmap(0, P, 3, MAP_PRIVATE, fd, 1)); SAY(mmap(0, 0, 3, MAP_PRIVATE, fd, 0)); SAY(mmap(0, P, 3, 0, fd, 0));
    SAY(mmap(0, P, 3, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0)); SAY(mmap(0, P, 3, MAP_SHARED_VALIDATE | MAP_ANONYMOUS, -1, 0));
    SAY(mmap(0, P, 3, MAP_PRIVATE, open("/", O_RDONLY), 0)); SAY(mmap(0, P, 3, MAP_PRIVATE, open("/", O_PATH), 0)); SAY(mmap(0, P, 1, MAP_PRIVATE, open("/dev/null", O_RDWR), 0));
    SAY(mmap(0, P, 1, MAP_PRIVATE, open(name, O_WRONLY), 0)); SAY(mmap(0, P, 3, MAP_SHARED, open(name, O_RDONLY), 0)); SAY(mmap(0, 1UL << 62, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    SAY(mmap(0, P, 3, MAP_PRIVATE, fd, 0x7ffffffffffff000)); SAY(mmap(0, 6UL << 30, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    SAY(mprotect(a, P, 64)); SAY(mprotect(a, 0, 3)); SAY(mprotect(a, P, 3 | PROT_GROWSDOWN)); SAY(mprotect(a + 1, P, 3)); SAY(munmap(a + 1, P)); SAY(munmap(a, 0));
    SAY(syscall(462, a, P, 0)); SAY(munmap(a, P)); SAY(mprotect(a, P, 1)); SAY(mremap(a, P, 2 * P, MREMAP_MAYMOVE)); SAY(mmap(a, P, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    SAY(syscall(462, a, P, 1)); SAY(syscall(462, a + 1, P, 0)); SEE(poke(a));

    /* The stack grows down to its limit and no further. */
    struct rlimit limit;
    getrlimit(RLIMIT_STACK, &limit);
    SEE(deep(6000)); limit.rlim_cur = 1 << 20; SAY(setrlimit(RLIMIT_STACK, &limit));
    int n = sigsetjmp(place, 1);
    armed = n == 0;
    SEE(n ? -n : deep(9000)); armed = 0; limit.rlim_cur = 20 << 20; SAY(setrlimit(RLIMIT_STACK, &limit)); SEE(deep(15000));
    unlink(name);
    return 0;
}
