/* fork, exec, wait, pipes, vfork, posix_spawn, shared memory, groups. Called with arguments it is its own child. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAILS_WITH(call, error) ({ long answer_ = (call); answer_ == -1 && errno == (error); }) /* in this order */

extern char **environ;
static volatile sig_atomic_t children;
static void child_changed(int n) { (void)n; children++; }

static int status_of(pid_t pid) {
    int status;
    if (waitpid(pid, &status, 0) != pid) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "child")) {
        printf("child %s", argv[2]);
        printf(" %s\n", getenv("MARK") ? getenv("MARK") : "-");
        return 21;
    }
    if (argc > 1 && !strcmp(argv[1], "cat")) {
        char buffer[256];
        ssize_t n;
        while ((n = read(0, buffer, sizeof buffer)) > 0)
            if (write(1, buffer, n) != n) return 1;
        return 0;
    }
    setvbuf(stdout, NULL, _IONBF, 0);
    pid_t pid = fork();
    if (pid == 0) _exit(5);
    printf("exit %d\n", status_of(pid));
    pid = fork();
    if (pid == 0) { signal(SIGTERM, SIG_DFL); raise(SIGTERM); _exit(1); }
    printf("signal %d\n", status_of(pid));
    pid = fork();
    if (pid == 0) for (;;) pause();
    kill(pid, SIGKILL);
    printf("killed %d\n", status_of(pid));
    pid = fork();
    if (pid == 0) { *(volatile int *)8 = 1; _exit(0); }
    printf("fault %d\n", status_of(pid));
    pid = fork();
    if (pid == 0) {
        char *args[] = {argv[0], "child", "exec", NULL}, *env[] = {"MARK=here", NULL};
        execve(argv[0], args, env);
        _exit(1);
    }
    printf("exec %d\n", status_of(pid));
    int down[2], up[2];
    if (pipe(down) || pipe(up)) return 1;
    pid = fork();
    if (pid == 0) {
        dup2(down[0], 0);
        dup2(up[1], 1);
        close(down[0]); close(down[1]); close(up[0]); close(up[1]);
        execl(argv[0], argv[0], "cat", NULL);
        _exit(1);
    }
    close(down[0]); close(up[1]);
    if (write(down[1], "through the cat", 15) != 15) return 1;
    close(down[1]);
    char buffer[64] = "";
    ssize_t n = read(up[0], buffer, sizeof buffer);
    printf("pipe %zd %s", n, buffer);
    printf(" %d\n", status_of(pid));
    int vforked = 1;
    pid = vfork();
    if (pid == 0) { vforked = 2; _exit(9); }
    printf("vfork %d", status_of(pid));
    printf(" %d\n", vforked);
    char *args[] = {argv[0], "child", "spawn", NULL};
    int error = posix_spawn(&pid, argv[0], NULL, NULL, args, environ);
    int spawned = error ? -1 : status_of(pid);
    printf("spawn %d", error);
    printf(" %d\n", spawned);
    printf("spawn of nothing %d\n", posix_spawn(&pid, "/no/such/program", NULL, NULL, args, environ) == ENOENT);
    int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int private = 1;
    pid = fork();
    if (pid == 0) { *shared = 77; private = 2; _exit(0); }
    status_of(pid);
    printf("shared %d private %d\n", *shared, private);
    struct sigaction action = {.sa_handler = child_changed};
    sigaction(SIGCHLD, &action, NULL);
    sigset_t block, old;
    sigemptyset(&block);
    sigaddset(&block, SIGCHLD);
    sigprocmask(SIG_BLOCK, &block, &old);
    pid = fork();
    if (pid == 0) _exit(3);
    while (!children) sigsuspend(&old);
    sigprocmask(SIG_SETMASK, &old, NULL);
    siginfo_t info;
    memset(&info, 0, sizeof info);
    printf("waitid %d", waitid(P_PID, pid, &info, WEXITED));
    printf(" %d %d %d\n", info.si_pid == pid, info.si_code == CLD_EXITED, info.si_status);
    signal(SIGCHLD, SIG_DFL);
    printf("none %d\n", FAILS_WITH(wait(NULL), ECHILD));
    pid = fork();
    if (pid == 0) { setpgid(0, 0); for (;;) pause(); }
    setpgid(pid, pid);
    printf("group %d\n", getpgid(pid) == pid);
    int status;
    printf("nohang %d\n", waitpid(pid, &status, WNOHANG));
    kill(pid, SIGSTOP);
    waitpid(pid, &status, WUNTRACED);
    printf("stopped %d", WIFSTOPPED(status));
    printf(" %d\n", WSTOPSIG(status) == SIGSTOP);
    kill(-pid, SIGKILL);
    kill(pid, SIGCONT);
    printf("group killed %d\n", status_of(pid));
    printf("no such %d\n", FAILS_WITH(kill(9999999, 0), ESRCH));
    signal(SIGPIPE, SIG_IGN);
    int broken[2];
    if (pipe(broken)) return 1;
    close(broken[0]);
    printf("epipe %d\n", FAILS_WITH(write(broken[1], "x", 1), EPIPE));
    signal(SIGPIPE, SIG_DFL);
    pid = fork();
    if (pid == 0) { if (write(broken[1], "x", 1)) {} _exit(0); }
    printf("sigpipe %d\n", status_of(pid));
    size_t big = 300000;
    char *data = malloc(big);
    memset(data, 'd', big);
    if (pipe(down)) return 1;
    pid = fork();
    if (pid == 0) {
        close(down[0]);
        _exit(write(down[1], data, big) == (ssize_t)big ? 0 : 1);
    }
    close(down[1]);
    size_t got = 0;
    while ((n = read(down[0], data, big)) > 0) got += n;
    printf("big %zu", got);
    printf(" %d\n", status_of(pid));
    return 0;
}
