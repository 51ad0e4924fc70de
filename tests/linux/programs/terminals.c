/* A pseudo-terminal: both sides, a session on it, signals of the line discipline. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static const char *answer(long r) { return r == -1 ? strerrorname_np(errno) : "ok"; }
#define SAY(call) do { errno = 0; long r_ = (long)(call); printf("%d: %s\n", __LINE__, answer(r_)); } while (0)
#define SEE(value) printf("%d: %ld\n", __LINE__, (long)(value))
static void show(const char *text, int n) {
    printf("<");
    for (int i = 0; i < n; i++) printf(text[i] < 32 ? "\\%o" : "%c", text[i]);
    printf(">\n");
}
static char buffer[4096];
static void expect(int fd, const char *what) {
    int n = 0, got;
    while (!memmem(buffer, n, what, strlen(what)) && (got = read(fd, buffer + n, sizeof buffer - n)) > 0) n += got;
    show(buffer, n);
}
/* Read until `what` has come, whatever else does: an echo may come before or after what a signal's handler writes. */
static void await(int fd, const char *what) {
    int n = 0, got;
    while (!memmem(buffer, n, what, strlen(what)) && (got = read(fd, buffer + n, sizeof buffer - n)) > 0) n += got;
    printf("%s", memmem(buffer, n, what, strlen(what)) ? what : "not there\n");
}
static volatile int count;
static void heard(int n) { count++; printf("signal %d\n", n); }

int main(void) {
    setvbuf(stdout, NULL, _IONBF, 0);
    signal(SIGHUP, SIG_IGN);
    alarm(30);
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    SAY(grantpt(master)); SAY(unlockpt(master));
    char *name = ptsname(master);
    int slave = open(name, O_RDWR | O_NOCTTY), number;
    SEE(!strncmp(name, "/dev/pts/", 9)); SEE(isatty(master)); SEE(isatty(slave)); SEE(!strcmp(ttyname(slave), name));
    SAY(ioctl(master, TIOCGPTN, &number)); SEE(number == atoi(name + 9));
    struct stat st;
    fstat(slave, &st); SEE(major(st.st_rdev)); SEE(minor(st.st_rdev) == number); SEE(S_ISCHR(st.st_mode)); fstat(master, &st); SEE(st.st_rdev == makedev(5, 2));
    struct winsize size = {33, 77};
    SAY(ioctl(master, TIOCSWINSZ, &size)); memset(&size, 0, sizeof size); SAY(ioctl(slave, TIOCGWINSZ, &size)); SEE(size.ws_row); SEE(size.ws_col);
    SEE(write(slave, "out\n", 4)); expect(master, "\n"); SEE(write(master, "in\n", 3)); show(buffer, read(slave, buffer, 100)); expect(master, "\n");
    struct termios t;
    SAY(tcgetattr(slave, &t)); SEE(!!(t.c_lflag & ICANON)); cfmakeraw(&t); SAY(tcsetattr(slave, TCSANOW, &t)); SEE(write(master, "raw", 3)); show(buffer, read(slave, buffer, 100)); SEE(write(slave, "\n", 1)); show(buffer, read(master, buffer, 100));
    fcntl(slave, F_SETFL, O_NONBLOCK); SAY(read(slave, buffer, 1)); SEE(write(master, "four", 4)); poll(&(struct pollfd){slave, POLLIN}, 1, 10000); SAY(ioctl(slave, FIONREAD, &number)); SEE(number); SAY(tcflush(slave, TCIFLUSH)); SAY(ioctl(slave, FIONREAD, &number)); SEE(number);
    SAY(tcgetpgrp(slave)); SAY(ioctl(slave, TIOCGPTN, &number)); SAY(ioctl(slave, 0x12345678, 0)); SAY(ioctl(slave, TIOCGLCKTRMIOS, &t)); SEE(t.c_lflag); SAY(tcdrain(slave)); SAY(tcsendbreak(slave, 0));
    int peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY); SEE(isatty(peer)); close(peer); close(slave); SAY(read(master, buffer, 1));

    int keep = open(name, O_RDWR | O_NOCTTY); /* without a slave the master reads EIO */
    pid_t child = fork();
    if (child == 0) {
        close(keep);
        setsid();
        int fd = open(name, O_RDWR);
        struct termios line;
        tcgetattr(fd, &line); line.c_iflag |= ICRNL; line.c_oflag |= OPOST | ONLCR; line.c_lflag |= ICANON | ISIG | ECHO; tcsetattr(fd, TCSANOW, &line);
        dup2(fd, 0); dup2(fd, 1); dup2(fd, 2);
        sigset_t both, none;
        sigemptyset(&none); sigemptyset(&both); sigaddset(&both, SIGINT); sigaddset(&both, SIGWINCH);
        sigprocmask(SIG_BLOCK, &both, NULL);
        signal(SIGINT, heard); signal(SIGWINCH, heard);
        printf("leader %d %d %d\n", getsid(0) == getpid(), tcgetpgrp(0) == getpgrp(), tcgetsid(0) == getpid());
        int tty = open("/dev/tty", O_WRONLY);
        dprintf(tty, "through tty\n");
        while (count < 2) sigsuspend(&none);
        char text[100];
        int n = read(0, text, 100);
        printf("read %d\n", n);
        n = read(0, text, 100);
        printf("end %d\n", n);
        _exit(5);
    }
    await(master, "through tty\r\n"); close(keep); size.ws_row = 10; SAY(ioctl(master, TIOCSWINSZ, &size)); await(master, "28\r\n"); SEE(write(master, "\3", 1)); await(master, "signal 2\r\n"); SEE(write(master, "hello\r", 6)); await(master, "read 6\r\n"); SEE(write(master, "\4", 1)); await(master, "end 0\r\n");
    int status;
    SEE(waitpid(child, &status, 0) == child); SEE(WEXITSTATUS(status)); SAY(read(master, buffer, 100));

    int ready[2];
    if (pipe(ready)) return 1;
    child = fork();
    if (child == 0) {
        setsid();
        SAY(ioctl(open(name, O_RDWR | O_NOCTTY), TIOCSCTTY, 0));
        signal(SIGHUP, SIG_DFL);
        close(master);
        close(ready[1]);
        for (;;) pause();
    }
    close(ready[1]); SEE(read(ready[0], buffer, 1)); close(master); SEE(waitpid(child, &status, 0) == child); SEE(WIFSIGNALED(status)); SEE(WTERMSIG(status)); SAY(open(name, O_RDWR));
    return 0;
}
