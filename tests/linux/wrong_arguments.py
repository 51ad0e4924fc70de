"""A generator of system calls with wrong arguments: one C source that compiles on any architecture of Linux.

Every argument of a call is drawn from the values of its kind, good ones among them; the program makes each call and prints
its error, or `ok`. Run natively it says what Linux answers; a guest must print the same.
"""

from __future__ import annotations

from .batteries import battery

KINDS: dict[str, dict[str, str]] = {
    "fd": {
        "minus": "-1", "far": "9999", "file": "file", "readonly": "readonly", "writeonly": "writeonly", "append": "append",
        "folder": "folder", "pipe_r": "pipes[0]", "pipe_w": "pipes[1]", "path": "path_file", "path_folder": "path_folder",
        "null": "null", "memfd": "memory", "proc": "proc", "high": "(1L << 32 | file)",
    },
    "at": {"cwd": "AT_FDCWD", "minus": "-1", "folder": "folder", "file": "file", "path_folder": "path_folder"},
    "path": {
        "null": "0", "bad": "1", "kernel": "-4096L", "empty": '""', "missing": '"missing"', "file": '"file"',
        "slash": '"file/"', "below": '"file/x"', "folder": '"folder"', "folder_slash": '"folder/"', "link": '"link"',
        "loop": '"loop"', "dangling": '"dangling"', "dot": '"."', "dotdot": '".."', "root": '"/"', "long": "long_name",
        "too_long": "too_long", "dir_link": '"dir_link"', "dir_link_slash": '"dir_link/"', "new_slash": '"fresh/"',
        "deep": '"nothing/here"', "dot_end": '"folder/."', "full": '"full"', "name": '"folder/inner"',
    },
    "buffer": {"good": "buffer", "null": "0", "bad": "1", "kernel": "-4096L", "readonly": "constant", "edge": "edge"},
    "count": {"zero": "0", "some": "8", "page": "4096", "minus": "-1", "int": "0x7fffffff"},
    "offset": {"zero": "0", "some": "5", "minus": "-1", "least": "1L << 63", "most": "0x7fffffffffffffff"},
    "length": {"zero": "0", "some": "10", "minus": "-1", "page": "4096"},
    "flags": {"zero": "0", "one": "1", "two": "2", "four": "4", "all": "-1", "odd": "1 << 30", "empty_path": "0x1000",
              "nofollow": "0x100", "removedir": "0x200", "follow": "0x400"},
    "mode": {"zero": "0", "usual": "0644", "high": "01000000", "all": "-1", "fifo": "S_IFIFO | 0600", "dir": "S_IFDIR | 0700"},
    "open": {"read": "O_RDONLY", "write": "O_WRONLY", "creat_excl": "O_CREAT | O_EXCL | O_RDWR", "dir": "O_DIRECTORY",
             "nofollow": "O_NOFOLLOW", "path": "O_PATH", "path_nofollow": "O_PATH | O_NOFOLLOW", "three": "3",
             "tmpfile_r": "O_TMPFILE", "tmpfile": "O_TMPFILE | O_RDWR", "creat_dir": "O_CREAT | O_DIRECTORY",
             "trunc_dir": "O_TRUNC | O_DIRECTORY", "unknown": "1 << 30", "dir_nofollow": "O_DIRECTORY | O_NOFOLLOW",
             "creat": "O_CREAT | O_WRONLY"},
    "how": {"good": "how", "null": "0", "bad_flags": "how + 1", "bad_mode": "how + 2", "bad_resolve": "how + 3",
            "beneath": "how + 4", "in_root": "how + 5", "no_links": "how + 6", "no_magic": "how + 7", "both": "how + 8"},
    "how_size": {"good": "24", "short": "16", "more": "32", "zero": "0", "huge": "8192"},
    "iov": {"good": "vectors", "null": "0", "bad": "1", "minus": "vectors + 2", "bad_buffer": "vectors + 4"},
    "iov_count": {"zero": "0", "one": "1", "two": "2", "minus": "-1", "many": "1025"},
    "whence": {"set": "0", "cur": "1", "end": "2", "data": "3", "hole": "4", "bad": "5", "minus": "-1"},
    "times": {"null": "0", "good": "times", "bad": "1", "bad_ns": "times + 2", "omit": "times + 4"},
    "attribute": {"user": '"user.test"', "empty": '""', "long": "too_long", "plain": '"test"', "other": '"user.other"',
                  "null": "0", "unknown": '"what.ever"'},
    "xsize": {"zero": "0", "some": "3", "too_big": "65537", "minus": "-1"},
    "advice": {"normal": "0", "dontneed": "4", "bad": "77", "minus": "-1"},
    "lock": {"get": "F_GETLK", "set": "F_SETLK", "get_ofd": "F_OFD_GETLK", "set_ofd": "F_OFD_SETLK"},
    "flock": {"good": "&lock", "null": "0", "bad_type": "&bad_type", "bad_whence": "&bad_whence", "bad_start": "&bad_start"},
    "operation": {"shared": "1 | 4", "exclusive": "2 | 4", "unlock": "8", "zero": "0", "bad": "64", "both": "3 | 4"},
    "falloc": {"zero": "0", "keep": "1", "punch": "2", "punch_keep": "3", "bad": "1 << 20", "zero_range": "16", "all": "-1"},
    "command": {"getfd": "F_GETFD", "getfl": "F_GETFL", "bad": "9999", "pipe_size": "F_GETPIPE_SZ",
                "seals": "F_GET_SEALS", "getlease": "F_GETLEASE", "getsig": "F_GETSIG", "minus": "-1"},
    "request": {"tcgets": "0x5401", "winsz": "0x5413", "fionread": "0x541b", "bad": "0x12345678", "zero": "0",
                "cloexec": "0x5451", "nonblock": "0x5421", "pgrp": "0x540f", "blocksize": "2"},
    "area": {"good": "area", "odd": "area + 1", "hole": "area + 8 * 4096", "last": "area + 7 * 4096", "null": "0",
             "kernel": "-4096L"},
    "area_length": {"zero": "0", "page": "4096", "odd": "5", "over": "16 * 4096", "minus": "-1"},
    "prot": {"read": "1", "write": "3", "none": "0", "bad": "64", "down": "0x01000001", "up": "0x02000001",
             "both": "0x03000001"},
    "sync": {"async": "1", "invalidate": "2", "sync": "4", "both": "5", "zero": "0", "bad": "8"},
    "madvice": {str(n): str(n) for n in (0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 16, 17, 18, 19, 20, 22, 23, 99)},
    "mlock2": {"zero": "0", "onfault": "1", "bad": "2", "all": "-1"},
    "kind": {"shared": "1", "private": "2", "both": "3", "none": "0", "anonymous": "0x22", "shared_anonymous": "0x21",
             "fixed_odd": "0x12", "validate_sync": "0x80003"},
    "mapped": {"zero": "0", "page": "4096", "minus": "-1", "huge": "1L << 62"},
    "mapped_offset": {"zero": "0", "odd": "5", "most": "0x7ffffffffffff000", "minus": "-4096L"},
    "resource": {"nofile": "7", "bad": "16", "minus": "-1"},
    "rename": {"zero": "0", "noreplace": "1", "exchange": "2", "both": "3", "bad": "8", "all": "-1"},
    "memfd": {"zero": "0", "sealing": "2", "bad": "0x4000", "all": "-1"},
    "remap": {"zero": "0", "fixed": "2", "dontunmap": "4", "fixed_dontunmap": "6", "bad": "8"},
    "zero": {"zero": "0"},
    "range": {"none": "900", "after": "950", "before": "800"},
}  # fmt: skip
"""For each kind of argument its values: a name for the output, and C text."""
KINDS["own_fd"] = {name: text for name, text in KINDS["fd"].items() if name not in ("null", "proc")}
KINDS["own"] = {name: text for name, text in KINDS["path"].items() if name not in ("root", "dotdot")}
"""What belongs to the test alone: calls that change an inode may be tried on nothing else."""

CALLS: dict[str, str] = {
    "read": "fd buffer count", "write": "fd buffer count", "pread64": "fd buffer count offset",
    "pwrite64": "fd buffer length offset", "readv": "fd iov iov_count", "writev": "fd iov iov_count",
    "preadv": "fd iov iov_count offset zero", "pwritev": "fd iov iov_count offset zero", "lseek": "fd offset whence",
    "ftruncate": "fd length", "truncate": "path length", "fallocate": "fd falloc offset length", "fsync": "fd",
    "fdatasync": "fd", "sync_file_range": "fd offset length flags", "fadvise64": "fd offset length advice",
    "readahead": "fd offset count", "getdents64": "fd buffer count", "flock": "own_fd operation", "fcntl": "fd command count",
    "fcntl.lock": "own_fd lock flock", "ioctl": "fd request buffer", "dup": "fd", "dup3": "fd range flags", "fstat": "fd buffer",
    "fstatfs": "fd buffer", "statfs": "path buffer", "fchdir": "at", "chdir": "own", "openat": "at own open mode",
    "openat2": "at own how how_size", "newfstatat": "at path buffer flags", "statx": "at path flags flags buffer",
    "faccessat": "at own flags", "faccessat2": "at own flags flags", "readlinkat": "at path buffer count",
    "mkdirat": "at path mode", "mknodat": "at path mode zero", "unlinkat": "at path flags", "symlinkat": "path at path",
    "linkat": "at path at path flags", "renameat2": "at path at path rename", "fchmodat": "at own mode",
    "fchmodat2": "at own mode flags", "fchmod": "own_fd mode", "fchownat": "at own zero zero flags", "fchown": "own_fd zero zero",
    "utimensat": "at own times flags", "setxattr": "own attribute buffer xsize flags", "getxattr": "own attribute buffer xsize",
    "fsetxattr": "own_fd attribute buffer xsize flags", "fgetxattr": "fd attribute buffer xsize",
    "listxattr": "own buffer xsize",
    "flistxattr": "fd buffer xsize", "lsetxattr": "own attribute buffer xsize flags", "removexattr": "own attribute",
    "fremovexattr": "own_fd attribute", "getcwd": "buffer count", "memfd_create": "attribute memfd",
    "sendfile": "fd own_fd buffer count", "copy_file_range": "fd zero fd zero count flags", "close_range": "range range flags",
    "mprotect": "area area_length prot", "munmap": "area area_length", "madvise": "area area_length madvice",
    "msync": "area area_length sync", "mlock": "area area_length", "mlock2": "area area_length mlock2",
    "munlock": "area area_length", "mincore": "area area_length buffer", "mmap": "zero mapped prot kind fd mapped_offset",
    "mremap": "area area_length area_length remap area", "getrlimit": "resource buffer", "getrandom": "buffer count flags",
}  # fmt: skip
"""System calls by name (what follows a dot only distinguishes two uses) and the kinds of their arguments."""

HEAD = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/openat2.h>
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

static char too_long[5000], long_name[300];
static char *buffer, *edge, *area;
static const char constant[8192] = "x";
static int file, readonly, writeonly, append, folder, path_file, path_folder, null, memory, event, proc, pipes[2];
static struct iovec vectors[8];
static struct timespec times[6] = {{1, 2}, {3, 4}, {1, 2000000000}, {3, 4}, {1, (1 << 30) - 2}, {3, (1 << 30) - 2}};
static struct flock lock = {F_RDLCK}, bad_type = {77}, bad_whence = {F_RDLCK, 9}, bad_start = {F_RDLCK, SEEK_SET, -5};
static struct open_how how[9] = {
    {O_RDONLY}, {1L << 40}, {O_RDONLY, 0600}, {O_RDONLY, 0, 1 << 20}, {O_RDONLY, 0, RESOLVE_BENEATH},
    {O_RDONLY, 0, RESOLVE_IN_ROOT}, {O_RDONLY, 0, RESOLVE_NO_SYMLINKS},
    {O_RDONLY, 0, RESOLVE_NO_MAGICLINKS}, {O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT},
};

static void make(const char *name) { close(open(name, O_CREAT | O_WRONLY, 0644)); }
static void prepare(void) {
    memset(too_long, 'a', sizeof too_long - 1);
    memset(long_name, 'b', sizeof long_name - 1);
    mkdir("folder", 0755); mkdir("full", 0755); make("full/x"); make("folder/inner"); make("file"); truncate("file", 100);
    symlink("file", "link"); symlink("loop", "loop"); symlink("gone", "dangling"); symlink("folder", "dir_link");
    file = open("file", O_RDWR); readonly = open("file", O_RDONLY); writeonly = open("file", O_WRONLY);
    append = open("file", O_RDWR | O_APPEND);
    folder = open("folder", O_RDONLY | O_DIRECTORY); path_file = open("file", O_PATH); path_folder = open("folder", O_PATH);
    null = open("/dev/null", O_RDWR); memory = memfd_create("m", MFD_ALLOW_SEALING); event = eventfd(0, EFD_NONBLOCK);
    proc = open("/proc/self/maps", O_RDONLY); pipe2(pipes, O_NONBLOCK);
    char *pages = mmap(0, 4 * 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(pages + 3 * 4096, 4096);
    buffer = pages; edge = pages + 3 * 4096 - 4;
    area = mmap((void *)0x1000000000, 8 * 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    for (int i = 0; i < 8; i++) vectors[i] = (struct iovec){buffer, 8};
    vectors[2].iov_len = -1; vectors[4].iov_base = (void *)1; vectors[5].iov_base = (void *)1;
    signal(SIGPIPE, SIG_IGN);
}
static void try(const char *what, int closes, long number, long a, long b, long c, long d, long e, long f) {
    errno = 0;
    memset(buffer, 0, 4096);
    long r = syscall(number, a, b, c, d, e, f);
    printf("%s: %s\n", what, r == -1 ? strerrorname_np(errno) : "ok");
    if (closes == 1 && r > 2) close(r);
    if (closes == 2 && r != -1) munmap((void *)r, 4096);
}
int main(int argc, char **argv) {
    if (argc < 2 || chdir(argv[1])) return 1;
    setvbuf(stdout, 0, _IOLBF, 0);
    umask(022);
    char home[20];
"""
OPENS = ("openat", "openat2", "dup", "memfd_create", "dup3")


def undo(call: str, label: str) -> int:
    """See `batteries.Undo`: 1 closes a descriptor, 2 takes a mapping away."""
    return 2 if call == "mmap" else int(call in OPENS or label.startswith("fcntl dup"))


def source(seed: int, samples: int) -> str:
    """The C source."""
    return battery(seed, samples, CALLS, KINDS, HEAD, undo, "0755")
