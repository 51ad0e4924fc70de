/* Resource limits: what each stops, with which signal, and that they are inherited. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *answer(long r) { return r == -1 ? strerrorname_np(errno) : "ok"; }
#define SAY(call) do { errno = 0; long r_ = (long)(call); printf("%d: %s\n", __LINE__, answer(r_)); } while (0)
#define SEE(value) printf("%d: %ld\n", __LINE__, (long)(value))
static volatile int count;
static void hear(int n) { count++; }
static int set(int kind, rlim_t soft, rlim_t hard) { return setrlimit(kind, &(struct rlimit){soft, hard}); }
static int fenced(int how) {
    int status;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit l;
        if (how == 0) { set(RLIMIT_CPU, 1, 1); for (;;) count++; }
        if (how == 1) { signal(SIGXCPU, hear); set(RLIMIT_CPU, 1, RLIM_INFINITY); while (!count) {} getrlimit(RLIMIT_CPU, &l); _exit(l.rlim_cur); }
        if (how == 2) { set(RLIMIT_FSIZE, 10, 10); signal(SIGXFSZ, SIG_DFL); int f = open("/tmp", O_TMPFILE | O_RDWR, 0600); ftruncate(f, 11); _exit(0); }
    }
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int main(int argc, char **argv) {
    struct rlimit l;
    static char big[8192];
    if (argc > 2) { getrlimit(RLIMIT_FSIZE, &l); printf("inherited %ld\n", (long)l.rlim_cur); return 0; }
    setvbuf(stdout, NULL, _IONBF, 0);
    signal(SIGXFSZ, hear);
    char name[] = "/tmp/limitsXXXXXX";
    int fd = mkstemp(name), from = open(name, O_RDWR), pipes[2];
    SAY(set(RLIMIT_FSIZE, 4096, RLIM_INFINITY));
    SEE(write(fd, big, 8192)); SAY(write(fd, big, 1)); SEE(count); SEE(write(fd, big, 0)); SEE(pwrite(fd, big, 8192, 4000)); SAY(pwrite(fd, big, 1, 1 << 20)); SEE(count);
    SAY(ftruncate(fd, 4097)); SEE(count); SAY(ftruncate(fd, 4096)); SAY(truncate(name, 5000)); SAY(posix_fallocate(fd, 0, 4096)); SAY(fallocate(fd, 0, 0, 5000)); SEE(count);
    int more = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    SEE(sendfile(more, from, &(off_t){0}, 100)); lseek(more, 4090, SEEK_SET); SEE(sendfile(more, from, &(off_t){0}, 100)); SAY(sendfile(more, from, &(off_t){0}, 100)); SEE(count);
    SEE(copy_file_range(from, &(loff_t){0}, more, &(loff_t){4000}, 1000, 0)); SAY(copy_file_range(from, &(loff_t){0}, more, &(loff_t){5000}, 1000, 0)); SEE(count);
    int append = open(name, O_WRONLY | O_APPEND);
    SAY(write(append, "x", 1)); SEE(count);
    pipe(pipes); SEE(write(pipes[1], big, 8192));
    if (fork() == 0) execl("/proc/self/exe", argv[0], "a", "b", NULL);
    wait(NULL);
    SAY(set(RLIMIT_FSIZE, RLIM_INFINITY, RLIM_INFINITY)); SEE(write(append, "x", 1));
    SEE(fenced(2)); SEE(fenced(0)); SEE(fenced(1));

    SAY(set(RLIMIT_NOFILE, 10, 1000)); while (dup(0) >= 0) {} SAY(dup(0)); SAY(open("/dev/null", O_RDONLY)); SAY(fcntl(0, F_DUPFD, 9)); SAY(fcntl(0, F_DUPFD, 10)); SAY(dup2(0, 10)); SAY(pipe(pipes));
    SAY(set(RLIMIT_NOFILE, 100, 1000)); SAY(dup2(0, 10));
    SAY(set(RLIMIT_AS, 2UL << 30, RLIM_INFINITY)); SAY(mmap(0, 4UL << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)); SAY(mmap(0, 1UL << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    SAY(set(RLIMIT_AS, RLIM_INFINITY, RLIM_INFINITY)); SAY(mmap(0, 4UL << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    SAY(set(RLIMIT_DATA, 16 << 20, RLIM_INFINITY)); SAY(mmap(0, 32 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)); SAY(mmap(0, 32 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)); SAY(sbrk(32 << 20));
    SAY(set(RLIMIT_DATA, RLIM_INFINITY, RLIM_INFINITY)); SAY(sbrk(32 << 20));

    getrlimit(RLIMIT_STACK, &l); SEE(l.rlim_cur); SAY(prlimit(0, RLIMIT_NOFILE, NULL, &l)); SEE(l.rlim_cur); SEE(l.rlim_max); SAY(prlimit(getpid(), RLIMIT_NOFILE, &l, NULL));
    SAY(prlimit(0x7ffffff0, RLIMIT_NOFILE, NULL, &l)); SAY(prlimit(0, 99, NULL, &l)); SAY(set(RLIMIT_NOFILE, 20, 10)); SAY(setrlimit(RLIMIT_NOFILE, (void *)1)); SAY(getrlimit(99, &l)); SAY(getrlimit(RLIMIT_CPU, (void *)1));
    unlink(name);
    return 0;
}
