/* Links to links, nameless files, names of what was renamed or removed, times, attributes, holes, openat2. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <linux/falloc.h>
#include <linux/openat2.h>

static const char *answer(long r) { return r == -1 ? strerrorname_np(errno) : "ok"; }
#define SAY(call) do { errno = 0; long r_ = (long)(call); printf("%d: %s\n", __LINE__, answer(r_)); } while (0)
#define SEE(value) printf("%d: %ld\n", __LINE__, (long)(value))
static char top[300];
static void name_of(int fd) {
    char link[40], text[400];
    sprintf(link, "/proc/self/fd/%d", fd);
    int n = readlink(link, text, sizeof text - 1);
    text[n < 0 ? 0 : n] = 0;
    printf("name %s\n", strncmp(text, top, strlen(top)) ? text : text + strlen(top));
}
static long open2(int at, const char *path, unsigned long flags, unsigned long resolve) {
    struct open_how how = {flags, 0, resolve};
    long fd = syscall(SYS_openat2, at, path, &how, sizeof how);
    if (fd >= 0) close(fd);
    return fd;
}

int main(int argc, char **argv) {
    struct stat a, b;
    struct statx sx;
    char text[400];
    if (argc < 2 || chdir(argv[1]) || !getcwd(top, sizeof top)) return 1;
    setvbuf(stdout, NULL, _IONBF, 0);
    umask(022);

    /* Hard links to symbolic links. */
    symlink("target", "sl"); SAY(linkat(AT_FDCWD, "sl", AT_FDCWD, "sl2", 0)); lstat("sl", &a); lstat("sl2", &b); SEE(a.st_ino == b.st_ino); SEE(b.st_nlink); SEE(S_ISLNK(b.st_mode));
    SAY(linkat(AT_FDCWD, "sl", AT_FDCWD, "sl3", AT_SYMLINK_FOLLOW)); close(open("target", O_CREAT | O_WRONLY, 0600)); SAY(linkat(AT_FDCWD, "sl", AT_FDCWD, "sl3", AT_SYMLINK_FOLLOW)); lstat("sl3", &a); SEE(S_ISREG(a.st_mode));
    mkdir("dir", 0755); SAY(link("dir", "dir2"));

    /* Times of a link and of what it leads to. */
    struct timespec old[2] = {{1000000000, 1}, {1000000000, 2}}, omit[2] = {{0, UTIME_OMIT}, {1234567890, 5}}, now[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
    SAY(utimensat(AT_FDCWD, "sl", old, AT_SYMLINK_NOFOLLOW)); lstat("sl", &a); stat("sl", &b); SEE(a.st_mtim.tv_sec); SEE(a.st_mtim.tv_nsec); SEE(b.st_mtime != 1000000000);
    SAY(utimensat(AT_FDCWD, "sl", old, 0)); SAY(utimensat(AT_FDCWD, "sl", omit, 0)); stat("target", &b); SEE(b.st_atime); SEE(b.st_mtime); SAY(utimensat(AT_FDCWD, "target", now, 0)); stat("target", &b); SEE(b.st_atime > 1234567890); SEE(b.st_mtime);
    int target = open("target", O_RDWR), path = open("sl", O_PATH | O_NOFOLLOW);
    SAY(futimens(target, old)); fstat(target, &b); SEE(b.st_atime); SAY(utimensat(path, "", omit, AT_EMPTY_PATH)); lstat("sl", &a); SEE(a.st_mtime);
    SAY(fchownat(path, "", getuid(), getgid(), AT_EMPTY_PATH)); SAY(fchmodat(AT_FDCWD, "sl", 0600, AT_SYMLINK_NOFOLLOW)); SAY(syscall(452, target, "", 0640, AT_EMPTY_PATH)); fstat(target, &b); SEE(b.st_mode & 07777);

    /* Files without a name, and names for them later. */
    int t = open(".", O_TMPFILE | O_RDWR, 0640); SEE(t >= 0); fstat(t, &a); SEE(a.st_nlink); SEE(a.st_mode & 07777); SEE(write(t, "nameless", 8));
    sprintf(text, "/proc/self/fd/%d", t); SAY(linkat(AT_FDCWD, text, AT_FDCWD, "named", AT_SYMLINK_FOLLOW)); stat("named", &b); SEE(b.st_size); SEE(a.st_ino == b.st_ino); SAY(linkat(AT_FDCWD, text, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
    int again = open(text, O_RDONLY); SEE(read(again, text, 100)); SAY(write(again, "x", 1));
    int e = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0640); sprintf(text, "/proc/self/fd/%d", e); SAY(linkat(AT_FDCWD, text, AT_FDCWD, "never", AT_SYMLINK_FOLLOW));
    sprintf(text, "/proc/self/fd/%d", target); SAY(linkat(AT_FDCWD, text, AT_FDCWD, "by_fd", AT_SYMLINK_FOLLOW)); SAY(linkat(target, "", AT_FDCWD, "by_empty", AT_EMPTY_PATH)); stat("by_empty", &a); SEE(a.st_nlink);
    int memory = memfd_create("memory", MFD_ALLOW_SEALING); sprintf(text, "/proc/self/fd/%d", memory); SAY(linkat(AT_FDCWD, text, AT_FDCWD, "no", AT_SYMLINK_FOLLOW)); name_of(memory); SAY(fchmod(memory, 0400));
    SAY(ftruncate(memory, 100)); SAY(fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW)); SEE(fcntl(memory, F_GET_SEALS)); SAY(ftruncate(memory, 50)); SAY(ftruncate(memory, 150)); SAY(fcntl(target, F_GET_SEALS));

    /* What was renamed or removed has its new name, or none. */
    int f = open("before", O_CREAT | O_RDWR, 0644), d = open("dir", O_RDONLY | O_DIRECTORY);
    name_of(f); rename("before", "after"); name_of(f); rename("dir", "moved"); name_of(d); unlink("after"); name_of(f); fstat(f, &a); SEE(a.st_nlink);
    mkdir("here", 0755); chdir("here"); rename("../here", "../there"); printf("%s\n", getcwd(text, sizeof text) + strlen(top)); SAY(rmdir("../there")); SAY(syscall(SYS_getcwd, text, sizeof text)); SAY(open("new", O_CREAT | O_WRONLY, 0600)); chdir(top);
    SAY(rename("named", "by_fd")); SAY(renameat2(AT_FDCWD, "by_fd", AT_FDCWD, "sl", RENAME_EXCHANGE)); lstat("by_fd", &a); SEE(S_ISLNK(a.st_mode)); SAY(rename("moved", "moved/inside")); SAY(rename("moved/", "again/")); SAY(rename("sl", "again/x/y"));

    /* openat2. */
    mkdir("again/deep", 0755); symlink("../../sl", "again/deep/up"); symlink("/etc", "again/deep/abs"); symlink("deep", "again/in"); close(open("again/deep/f", O_CREAT | O_WRONLY, 0600));
    int g = open("again", O_RDONLY | O_DIRECTORY);
    SAY(open2(g, "deep/f", O_RDONLY, RESOLVE_BENEATH)); SAY(open2(g, "deep/../deep/f", O_RDONLY, RESOLVE_BENEATH)); SAY(open2(g, "../sl", O_RDONLY, RESOLVE_BENEATH)); SAY(open2(g, "deep/up", O_RDONLY, RESOLVE_BENEATH)); SAY(open2(g, "deep/abs", O_RDONLY, RESOLVE_BENEATH)); SAY(open2(g, "/etc", O_RDONLY, RESOLVE_BENEATH));
    SAY(open2(g, "/deep/f", O_RDONLY, RESOLVE_IN_ROOT)); SAY(open2(g, "../../deep/f", O_RDONLY, RESOLVE_IN_ROOT)); SAY(open2(g, "deep/abs", O_RDONLY, RESOLVE_IN_ROOT)); SAY(open2(g, "in/f", O_RDONLY, RESOLVE_NO_SYMLINKS)); SAY(open2(g, "in/f", O_RDONLY, RESOLVE_NO_MAGICLINKS)); SAY(open2(g, "in", O_PATH | O_NOFOLLOW, RESOLVE_NO_SYMLINKS));
    SAY(open2(AT_FDCWD, "/proc/self/exe", O_RDONLY, RESOLVE_NO_MAGICLINKS)); SAY(open2(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0)); SAY(open2(g, "/proc", O_RDONLY, RESOLVE_NO_XDEV)); SAY(open2(g, "deep/f", O_RDONLY, RESOLVE_NO_XDEV)); SAY(open2(g, "deep/new", O_CREAT | O_WRONLY, RESOLVE_BENEATH));

    /* Attributes. */
    SAY(setxattr("target", "user.one", "value", 5, XATTR_CREATE)); SAY(setxattr("target", "user.one", "other", 5, XATTR_CREATE)); SAY(setxattr("target", "user.two", "x", 1, XATTR_REPLACE)); SEE(getxattr("target", "user.one", text, 100)); SEE(getxattr("target", "user.one", text, 0)); SAY(getxattr("target", "user.one", text, 2)); SEE(flistxattr(target, text, 100)); printf("%s\n", text);
    SAY(fsetxattr(target, "user.two", "", 0, 0)); SAY(fremovexattr(target, "user.one")); SAY(getxattr("target", "user.one", text, 100)); SAY(lsetxattr("by_fd", "user.x", "y", 1, 0)); SAY(setxattr("again", "user.dir", "y", 1, 0)); SAY(setxattr("target", "nothing", "y", 1, 0));

    /* Room and holes. */
    int h = open("holes", O_CREAT | O_RDWR, 0644);
    SAY(fallocate(h, 0, 0, 1 << 20)); fstat(h, &a); SEE(a.st_size); SEE(a.st_blocks >= 2048); memset(text, 'x', sizeof text); SEE(pwrite(h, text, 100, 5000)); SAY(fallocate(h, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096)); SEE(pread(h, text, 1, 5000)); SEE(text[0]);
    SAY(fallocate(h, FALLOC_FL_KEEP_SIZE, 1 << 20, 1 << 20)); fstat(h, &a); SEE(a.st_size); SAY(fallocate(h, FALLOC_FL_PUNCH_HOLE, 0, 1)); SAY(fallocate(h, 0, -1, 1)); SAY(fallocate(h, 0, 0, 0)); SAY(ftruncate(h, 0)); SAY(ftruncate(h, 1 << 20)); SEE(lseek(h, 0, SEEK_HOLE)); SAY(lseek(h, 0, SEEK_DATA)); SAY(lseek(h, 2 << 20, SEEK_DATA));

    /* statx, access, flags. */
    SAY(statx(AT_FDCWD, "sl", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &sx)); SEE(sx.stx_mask & STATX_BASIC_STATS); SEE(sx.stx_btime.tv_sec > 1700000000); SAY(statx(h, "", AT_EMPTY_PATH, STATX_SIZE, &sx)); SEE(sx.stx_size); SAY(statx(h, "", 0, STATX_SIZE, &sx));
    SAY(faccessat(AT_FDCWD, "by_fd", F_OK, AT_SYMLINK_NOFOLLOW)); SAY(open("by_fd", O_NOFOLLOW)); SAY(open("by_fd", O_NOFOLLOW | O_PATH)); SAY(open("target", O_DIRECTORY)); SAY(open("again", O_CREAT, 0600)); SAY(open("x/", O_CREAT, 0600)); SAY(mkdir("made/", 0700)); SAY(symlink("x", "y/")); SAY(mknod("z/", S_IFREG | 0600, 0)); SAY(rmdir("again/.")); SAY(rmdir("again/..")); SAY(unlink("again/deep/.")); SAY(rmdir(".")); SAY(rename("target", ".")); SAY(unlink("by_fd/"));
    int p = open("target", O_PATH); SAY(read(p, text, 1)); SAY(fchmod(p, 0600)); SAY(fcntl(p, F_GETFL)); SAY(ioctl(p, FIONREAD, text)); SAY(fstat(p, &a)); SEE(a.st_ino == b.st_ino || 1); SAY(mmap(0, 4096, 1, MAP_PRIVATE, p, 0)); SAY(dup(p)); SAY(lseek(p, 0, 0)); SAY(fsync(p)); SAY(flock(p, 1)); SAY(ftruncate(p, 0));
    SEE(fcntl(target, F_GETFL) & O_APPEND); SAY(fcntl(target, F_SETFL, O_APPEND)); SEE(fcntl(target, F_GETFL) & O_APPEND); SAY(fcntl(target, F_SETOWN, getpid())); SEE(fcntl(target, F_GETOWN) == getpid()); SAY(fcntl(target, F_SETSIG, 99)); SAY(fcntl(target, 9999)); SAY(fcntl(target, F_SETPIPE_SZ, 4096)); SEE(fcntl(target, 1027, dup(target))); SEE(fcntl(target, 1027, h));
    return 0;
}
