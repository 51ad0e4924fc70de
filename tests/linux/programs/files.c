/* Files and directories, below the directory that is given. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAILS(call, error) \
    do { \
        long answer_ = (call); \
        printf("%s %d\n", #error, answer_ == -1 && errno == (error)); \
    } while (0)

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IONBF, 0);
    char buffer[256] = "", where[300];
    struct stat st, st2;
    if (argc < 2 || chdir(argv[1])) return 1;
    umask(022);
    int fd = open("a", O_RDWR | O_CREAT | O_EXCL, 0666);
    printf("open %d", fd >= 0);
    printf(" write %zd\n", write(fd, "hello world", 11));
    FAILS(open("a", O_CREAT | O_EXCL | O_WRONLY, 0600), EEXIST);
    FAILS(open("missing", O_RDONLY), ENOENT);
    FAILS(open("a/b", O_RDONLY), ENOTDIR);
    FAILS(open("", O_RDONLY), ENOENT);
    fstat(fd, &st);
    printf("mode %o", st.st_mode & 07777);
    printf(" size %ld", (long)st.st_size);
    printf(" links %ld", (long)st.st_nlink);
    printf(" regular %d\n", S_ISREG(st.st_mode));
    printf("seek %ld", (long)lseek(fd, -5, SEEK_END));
    printf(" %ld", (long)read(fd, buffer, 100));
    printf(" %s\n", buffer);
    FAILS(lseek(fd, -50, SEEK_SET), EINVAL);
    struct iovec iov[2] = {{"AB", 2}, {"CDE", 3}}, in[2] = {{buffer, 3}, {buffer + 10, 5}};
    memset(buffer, 0, sizeof buffer);
    printf("pwritev %zd", pwritev(fd, iov, 2, 20));
    printf(" preadv %zd", preadv(fd, in, 2, 18));
    printf(" %s", buffer);
    printf(" %s\n", buffer + 10);
    printf("truncate %d", ftruncate(fd, 22));
    fstat(fd, &st);
    printf(" %ld\n", (long)st.st_size);
    int ap = open("a", O_WRONLY | O_APPEND);
    if (write(ap, "end", 3) != 3) return 1;
    stat("a", &st);
    printf("append %ld", (long)st.st_size);
    printf(" flags %d\n", (fcntl(ap, F_GETFL) & (O_APPEND | O_ACCMODE)) == (O_APPEND | O_WRONLY));
    FAILS(read(ap, buffer, 1), EBADF);
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 100);
    printf("dup %d", copy);
    printf(" %d", fcntl(copy, F_GETFD));
    printf(" %d\n", fcntl(fd, F_GETFD));
    FAILS(dup2(555, 5), EBADF);
    FAILS(close(555), EBADF);
    printf("link %d", link("a", "b"));
    stat("b", &st2);
    printf(" %d %ld\n", st.st_ino == st2.st_ino, (long)st2.st_nlink);
    printf("symlink %d", symlink("b", "s"));
    printf(" %zd", readlink("s", buffer, sizeof buffer));
    lstat("s", &st2);
    printf(" %c", buffer[0]);
    printf(" %d", S_ISLNK(st2.st_mode));
    printf(" %ld\n", (long)st2.st_size);
    FAILS(open("s", O_RDONLY | O_NOFOLLOW), ELOOP);
    FAILS(readlink("a", buffer, 9), EINVAL);
    if (symlink("loop2", "loop1") || symlink("loop1", "loop2")) return 1;
    FAILS(stat("loop1", &st2), ELOOP);
    if (symlink("made", "dangling")) return 1;
    close(open("dangling", O_CREAT | O_WRONLY, 0600));
    printf("through dangling %d\n", access("made", F_OK));
    printf("mkdir %d", mkdir("d", 0777));
    printf(" %d", mkdir("d/e", 0700));
    stat("d", &st2);
    printf(" %o\n", st2.st_mode & 0777);
    FAILS(mkdir("d", 0700), EEXIST);
    FAILS(rmdir("d"), ENOTEMPTY);
    FAILS(unlink("d"), EISDIR);
    FAILS(rmdir("a"), ENOTDIR);
    int dir = open("d", O_RDONLY | O_DIRECTORY);
    int inner = openat(dir, "f", O_CREAT | O_WRONLY, 0640);
    printf("openat %d", inner >= 0);
    printf(" unlinkat %d", unlinkat(dir, "e", AT_REMOVEDIR));
    printf(" %d\n", access("d/f", R_OK));
    FAILS(openat(fd, "x", O_RDONLY), ENOTDIR);
    FAILS(openat(dir, "../missing", O_RDONLY), ENOENT);
    printf("dotdot %d\n", faccessat(dir, "../a", F_OK, 0));
    printf("rename %d", rename("d/f", "g"));
    printf(" %d", rename("g", "b"));
    printf(" %d\n", access("g", F_OK));
    FAILS(rename("missing", "x"), ENOENT);
    FAILS(rename("d", "a"), ENOTDIR);
    FAILS(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE), EEXIST);
    printf("exchange %d\n", renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE));
    printf("chmod %d", chmod("b", 0751) | fchmod(fd, 0751));
    fstat(fd, &st2);
    printf(" %o\n", st2.st_mode & 07777);
    struct timespec times[2] = {{1000000000, 5}, {1100000000, 7}};
    printf("utimens %d", utimensat(AT_FDCWD, "b", times, 0));
    stat("b", &st2);
    printf(" %ld.%ld %ld.%ld\n", (long)st2.st_atim.tv_sec, st2.st_atim.tv_nsec, (long)st2.st_mtim.tv_sec, st2.st_mtim.tv_nsec);
    struct statx sx;
    printf("statx %d", statx(AT_FDCWD, "b", 0, STATX_BASIC_STATS, &sx));
    printf(" %ld", (long)sx.stx_mtime.tv_sec);
    printf(" %d\n", sx.stx_mode == st2.st_mode);
    struct dirent **names;
    int n = scandir(".", &names, NULL, by_name);
    for (int i = 0; i < n; i++) printf("%s/%d ", names[i]->d_name, names[i]->d_type);
    printf("\n");
    DIR *d = opendir(".");
    int count = 0;
    while (readdir(d)) count++;
    rewinddir(d);
    while (readdir(d)) count--;
    printf("rewind %d\n", count);
    closedir(d);
    if (mkdir("many", 0755)) return 1;
    for (int i = 0; i < 500; i++) {
        sprintf(where, "many/a-rather-long-file-name-%d", i);
        close(open(where, O_CREAT | O_WRONLY, 0600));
    }
    d = opendir("many");
    struct dirent *e;
    while ((e = readdir(d))) if (e->d_name[0] != '.') count += unlinkat(dirfd(d), e->d_name, 0) == 0;
    closedir(d);
    printf("many %d", count);
    printf(" %d\n", rmdir("many"));
    printf("getcwd %d", getcwd(where, sizeof where) != NULL);
    printf(" %d", chdir("d") == 0 && getcwd(buffer, sizeof buffer) && !strcmp(buffer + strlen(where), "/d"));
    printf(" %d", chdir(".."));
    printf(" %d\n", fchdir(dir) == 0 && access("../a", F_OK) == 0 && chdir("..") == 0);
    FAILS(chdir("a"), ENOTDIR);
    errno = 0;
    printf("erange %d", getcwd(buffer, 2) == NULL);
    printf(" %d\n", errno == ERANGE);
    int out = open("copy", O_RDWR | O_CREAT | O_TRUNC, 0600);
    off_t from = 6;
    printf("sendfile %zd", sendfile(out, fd, &from, 100));
    printf(" %ld", (long)from);
    loff_t a = 0, b = 100;
    printf(" %zd", copy_file_range(fd, &a, out, &b, 5, 0));
    fstat(out, &st2);
    printf(" %ld\n", (long)st2.st_size);
    int available = -1;
    lseek(fd, 5, SEEK_SET);
    printf("fionread %d", ioctl(fd, FIONREAD, &available));
    printf(" %d\n", available);
    struct winsize ws;
    FAILS(ioctl(fd, TIOCGWINSZ, &ws), ENOTTY);
    printf("tty %d\n", isatty(fd));
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 2, .l_len = 4};
    printf("lock %d", fcntl(fd, F_SETLK, &lock));
    pid_t pid = fork();
    if (pid == 0) {
        struct flock probe = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 3, .l_len = 1};
        int fd2 = open("b", O_RDWR);
        int busy = fcntl(fd2, F_SETLK, &probe) == -1 && (errno == EAGAIN || errno == EACCES);
        fcntl(fd2, F_GETLK, &probe);
        printf(" busy %d", busy);
        printf(" owner %d", probe.l_type == F_WRLCK && probe.l_pid == getppid());
        fflush(stdout);
        _exit(0);
    }
    fflush(stdout);
    waitpid(pid, NULL, 0);
    printf("\nflock %d\n", flock(fd, LOCK_EX | LOCK_NB));
    int second = open("b", O_RDONLY);
    FAILS(flock(second, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    int nowhere = open(".", O_TMPFILE | O_RDWR, 0600);
    printf("tmpfile %d\n", nowhere >= 0 && write(nowhere, "x", 1) == 1);
    printf("mkfifo %d", mkfifo("fifo", 0600));
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        int w = open("fifo", O_WRONLY);
        _exit(write(w, "fifo text", 9) != 9);
    }
    int r = open("fifo", O_RDONLY);
    memset(buffer, 0, sizeof buffer);
    n = read(r, buffer, sizeof buffer);
    printf(" %d", n);
    printf(" %s", buffer);
    printf(" %d\n", (int)read(r, buffer, 9));
    waitpid(pid, NULL, 0);
    FAILS(truncate("missing", 0), ENOENT);
    FAILS(open("d", O_WRONLY), EISDIR);
    char longer[5000];
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = 0;
    FAILS(open(longer, O_RDONLY), ENAMETOOLONG);
    longer[300] = 0;
    FAILS(open(longer, O_RDONLY), ENAMETOOLONG);
    FAILS(open((char *)1, O_RDONLY), EFAULT);
    FAILS(read(fd, (char *)1, 10), EFAULT);
    FAILS(stat("a", (struct stat *)1), EFAULT);
    printf("null %zd", write(open("/dev/null", O_WRONLY), "x", 1));
    int zero = open("/dev/zero", O_RDONLY);
    memset(buffer, 1, 10);
    printf(" zero %zd", read(zero, buffer, 10));
    printf(" %d", buffer[9]);
    int full = open("/dev/full", O_WRONLY);
    printf(" full %d\n", write(full, "x", 1) == -1 && errno == ENOSPC);
    stat("/dev/null", &st2);
    printf("dev %d", S_ISCHR(st2.st_mode));
    printf(" %lx\n", (long)st2.st_rdev);
    sprintf(where, "/proc/self/fd/%d", fd);
    int again = open(where, O_RDONLY);
    printf("again %zd", read(again, buffer, 5));
    printf(" %.5s\n", buffer);
    struct statfs fs;
    printf("statfs %d", statfs(".", &fs));
    printf(" %d\n", fs.f_bsize > 0);
    return 0;
}
