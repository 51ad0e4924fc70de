/* Files, folders, names and attributes. */

WALK(setxattr) {
    char value[20] = "";
    close(file_of("f", ""));
    say("set", S(setxattr, "f", "user.a", "one", 3L, 0));
    say("create again", S(setxattr, "f", "user.a", "two", 3L, XATTR_CREATE));
    say("replace", S(setxattr, "f", "user.a", "second", 6L, XATTR_REPLACE));
    say("replace what is not there", S(setxattr, "f", "user.b", "x", 1L, XATTR_REPLACE));
    say("get", getxattr("f", "user.a", value, 20));
    line("value %s", value);
}
WALK(lsetxattr) {
    char value[20] = "";
    close(file_of("f", ""));
    if (symlink("f", "l")) return;
    say("on a link", S(lsetxattr, "l", "user.a", "one", 3L, 0));
    say("on a file", S(lsetxattr, "f", "user.a", "one", 3L, 0));
    say("get", getxattr("f", "user.a", value, 20));
}
WALK(fsetxattr) {
    char value[20] = "";
    int fd = file_of("f", "");
    say("set", S(fsetxattr, fd, "user.a", "one", 3L, 0));
    say("get", getxattr("f", "user.a", value, 20));
    line("value %s", value);
}
WALK(getxattr) {
    char value[20] = "";
    close(file_of("f", ""));
    setxattr("f", "user.a", "one", 3, 0);
    say("size", S(getxattr, "f", "user.a", 0L, 0L));
    say("get", S(getxattr, "f", "user.a", value, 20L));
    line("value %s", value);
    say("too small", S(getxattr, "f", "user.a", value, 2L));
    say("missing", S(getxattr, "f", "user.b", value, 20L));
}
WALK(lgetxattr) {
    char value[20] = "";
    close(file_of("f", ""));
    if (symlink("f", "l")) return;
    setxattr("f", "user.a", "one", 3, 0);
    say("of a file", S(lgetxattr, "f", "user.a", value, 20L));
    say("of a link", S(lgetxattr, "l", "user.a", value, 20L));
}
WALK(fgetxattr) {
    char value[20] = "";
    int fd = file_of("f", "");
    setxattr("f", "user.a", "one", 3, 0);
    say("get", S(fgetxattr, fd, "user.a", value, 20L));
    line("value %s", value);
}
WALK(listxattr) {
    char names[64] = "";
    close(file_of("f", ""));
    setxattr("f", "user.a", "one", 3, 0);
    say("size", S(listxattr, "f", 0L, 0L));
    say("list", S(listxattr, "f", names, 64L));
    line("first %s", names);
    say("too small", S(listxattr, "f", names, 2L));
}
WALK(llistxattr) {
    char names[64] = "";
    close(file_of("f", ""));
    if (symlink("f", "l")) return;
    setxattr("f", "user.a", "one", 3, 0);
    say("of a link", S(llistxattr, "l", names, 64L));
    say("of a file", S(llistxattr, "f", names, 64L));
}
WALK(flistxattr) {
    char names[64] = "";
    int fd = file_of("f", "");
    setxattr("f", "user.a", "one", 3, 0);
    say("list", S(flistxattr, fd, names, 64L));
    line("first %s", names);
}
WALK(removexattr) {
    close(file_of("f", ""));
    setxattr("f", "user.a", "one", 3, 0);
    say("remove", S(removexattr, "f", "user.a"));
    say("again", S(removexattr, "f", "user.a"));
    say("list", listxattr("f", 0, 0));
}
WALK(lremovexattr) {
    close(file_of("f", ""));
    setxattr("f", "user.a", "one", 3, 0);
    say("remove", S(lremovexattr, "f", "user.a"));
    say("list", listxattr("f", 0, 0));
}
WALK(fremovexattr) {
    int fd = file_of("f", "");
    setxattr("f", "user.a", "one", 3, 0);
    say("remove", S(fremovexattr, fd, "user.a"));
    say("list", listxattr("f", 0, 0));
}
WALK(getcwd) {
    char before[4096], after[4096];
    long length = S(getcwd, before, 4096L);
    int home = open(".", O_RDONLY);
    mkdir("inner", 0755);
    if (chdir("inner")) return;
    line("longer by %ld", S(getcwd, after, 4096L) - length);
    line("ends with %s", strrchr(after, '/'));
    say("too small", S(getcwd, after, 3L));
    rmdir("../inner");
    say("removed", S(getcwd, after, 4096L));
    fchdir(home);
    char name[201], link[5000];
    memset(name, 'd', 200);
    name[200] = 0;
    for (int i = 0; i < 25; i++)
        if (mkdir(name, 0755) || chdir(name)) line("cannot enter %d", i);
    say("deep", S(getcwd, link, 5000L));
    say("link to it", S(readlinkat, AT_FDCWD, "/proc/self/cwd", link, 5000));
    say("make something there", mkdir("x", 0755) ? -errno : 0);
    say("up and down", S(faccessat, AT_FDCWD, "../x", F_OK));
    say("up", S(faccessat, AT_FDCWD, "../..", F_OK));
}
WALK(openat) {
    mkdir("d", 0755);
    int folder = S(openat, AT_FDCWD, "d", O_RDONLY | O_DIRECTORY);
    int fd = S(openat, folder, "f", O_CREAT | O_EXCL | O_RDWR, 0640);
    struct stat st;
    fstat(fd, &st);
    line("mode %o", st.st_mode);
    say("exclusive", S(openat, folder, "f", O_CREAT | O_EXCL | O_RDWR, 0640));
    say("write", write(fd, "12345", 5));
    int append = S(openat, folder, "f", O_WRONLY | O_APPEND);
    say("append", write(append, "6", 1));
    line("text %s", text_of("d/f"));
    close(S(openat, folder, "f", O_WRONLY | O_TRUNC));
    say("cut", size_of("d/f"));
    say("access times of another's folder", S(openat, AT_FDCWD, "/", O_RDONLY | O_NOATIME));
    good("of my file", S(openat, folder, "f", O_RDONLY | O_NOATIME));
    say("a folder directly", S(openat, AT_FDCWD, "d", O_RDONLY | O_DIRECT));
    int nameless = S(openat, folder, ".", O_TMPFILE | O_RDWR, 0600);
    say("nameless", write(nameless, "x", 1));
    fstat(nameless, &st);
    line("links %ld", (long)st.st_nlink);
    int path = S(openat, folder, "f", O_PATH);
    say("read of a path", S(read, path, &st, 1L));
    line("close on exec %d", fcntl(S(openat, folder, "f", O_CLOEXEC), F_GETFD));
}
WALK(openat2) {
    mkdir("d", 0755);
    close(file_of("f", "outer"));
    close(file_of("d/f", "inner"));
    if (symlink("../f", "d/out") || symlink("/f", "d/root")) return;
    int folder = open("d", O_RDONLY | O_DIRECTORY);
    char text[8] = "";
    struct open_how how = {.flags = O_RDONLY};
    say("plain", read(S(openat2, folder, "out", &how, sizeof how), text, 5));
    line("text %s", text);
    how.resolve = RESOLVE_BENEATH;
    say("beneath, outside", S(openat2, folder, "out", &how, sizeof how));
    say("beneath", read(S(openat2, folder, "f", &how, sizeof how), text, 5));
    how.resolve = RESOLVE_IN_ROOT;
    say("in root", read(S(openat2, folder, "root", &how, sizeof how), text, 5));
    line("text %s", text);
    how.resolve = RESOLVE_NO_SYMLINKS;
    say("no links", S(openat2, folder, "out", &how, sizeof how));
    how.flags = O_CREAT | O_WRONLY; how.mode = 0600; how.resolve = 0;
    good("create", S(openat2, folder, "new", &how, sizeof how));
}
WALK(close) {
    int fd = file_of("f", ""), other = dup(fd);
    say("close", S(close, fd));
    say("again", S(close, fd));
    say("the other is open", write(other, "x", 1));
}
WALK(close_range) {
    int fd = file_of("f", "");
    dup2(fd, 60); dup2(fd, 61); dup2(fd, 70);
    say("on exec", S(close_range, 60, 61, CLOSE_RANGE_CLOEXEC));
    line("flags %d %d", fcntl(60, F_GETFD), fcntl(70, F_GETFD));
    say("close", S(close_range, 60, 65, 0));
    say("60 is", fcntl(60, F_GETFD));
    say("70 is", fcntl(70, F_GETFD));
}
WALK(dup) {
    int fd = file_of("f", "hello");
    char c = 0;
    int other = S(dup, fd);
    line("next number %d", other - fd);
    lseek(other, 2, SEEK_SET);
    say("shares the offset", read(fd, &c, 1));
    line("byte %c", c);
}
WALK(dup3) {
    int fd = file_of("f", "hello"), other = file_of("g", "");
    say("over another", S(dup3, fd, other, O_CLOEXEC) == other);
    line("close on exec %d", fcntl(other, F_GETFD));
    say("write", write(other, "J", 1));
    line("text %s", text_of("f"));
    say("same", S(dup3, fd, fd, 0));
}
WALK(fcntl) {
    int fd = file_of("f", "hello"), ends[2];
    say("duplicate", S(fcntl, fd, F_DUPFD, 90L));
    say("duplicate, on exec", S(fcntl, fd, F_DUPFD_CLOEXEC, 90L));
    line("flags %d %d", fcntl(90, F_GETFD), fcntl(91, F_GETFD));
    say("set", S(fcntl, 90, F_SETFD, 1L));
    line("flags %d", fcntl(90, F_GETFD));
    say("status", S(fcntl, fd, F_GETFL) & O_ACCMODE);
    say("append", S(fcntl, fd, F_SETFL, (long)O_APPEND));
    if (write(fd, "!", 1) != 1) return;
    line("text %s", text_of("f"));
    if (pipe(ends)) return;
    say("pipe size", S(fcntl, ends[0], F_SETPIPE_SZ, 8192L));
    say("is", S(fcntl, ends[1], F_GETPIPE_SZ));
    pid_t other = fork();
    if (!other) _exit(-S(fcntl, ends[0], F_SETFL, (long)O_NONBLOCK));
    line("not blocking, set by a child %d", ended(other));
    line("flag %d", !!(fcntl(ends[0], F_GETFL) & O_NONBLOCK));
    char c;
    say("read", S(read, ends[0], &c, 1L));
    struct flock lock = {F_WRLCK, SEEK_SET, 1, 2};
    say("lock", S(fcntl, fd, F_SETLK, &lock));
    pid_t child = fork();
    if (!child) {
        struct flock other = {F_RDLCK, SEEK_SET, 0, 0};
        int opened = open("f", O_RDWR);
        say("child gets", S(fcntl, opened, F_GETLK, &other));
        line("kind %d start %ld length %ld the parent's %d", other.l_type, (long)other.l_start, (long)other.l_len,
             other.l_pid == getppid());
        other = (struct flock){F_RDLCK, SEEK_SET, 0, 0};
        say("child locks", S(fcntl, opened, F_SETLK, &other));
        other = (struct flock){F_WRLCK, SEEK_SET, 3, 1};
        say("child locks the rest", S(fcntl, opened, F_OFD_SETLK, &other));
        _exit(0);
    }
    ended(child);
    uid_t owners[2] = {9, 9};
    say("owner's users", S(fcntl, ends[0], 17, owners)); /* F_GETOWNER_UIDS */
    line("nobody %d %d", owners[0], owners[1]);
    say("owner", S(fcntl, ends[0], F_SETOWN, (long)getpid()));
    line("owner is me %d", fcntl(ends[0], F_GETOWN) == getpid());
    say("owner's users", S(fcntl, ends[0], 17, owners));
    line("me %d %d", owners[0] == getuid(), owners[1] == geteuid());
    line("flags %x %x %x", fcntl(ends[0], F_GETFL), fcntl(ends[1], F_GETFL), !!(fcntl(open("f", O_NOFOLLOW), F_GETFL) & O_NOFOLLOW));
    say("seals of a pipe", S(fcntl, ends[0], F_ADD_SEALS, 0L));
    int memory = memfd_create("m", MFD_ALLOW_SEALING);
    say("seal", S(fcntl, memory, F_ADD_SEALS, (long)F_SEAL_WRITE));
    say("seals", S(fcntl, memory, F_GET_SEALS));
    say("write", S(write, memory, "x", 1L));
}
WALK(ioctl) {
    int ends[2], fd = file_of("f", "hello"), count = -1, on = 1;
    if (pipe(ends) || write(ends[1], "abc", 3) != 3) return;
    say("bytes in a pipe", S(ioctl, ends[0], FIONREAD, &count));
    line("count %d", count);
    lseek(fd, 2, SEEK_SET);
    say("bytes in a file", S(ioctl, fd, FIONREAD, &count));
    line("count %d", count);
    say("close on exec", S(ioctl, fd, FIOCLEX));
    line("flag %d", fcntl(fd, F_GETFD));
    say("not on exec", S(ioctl, fd, FIONCLEX));
    line("flag %d", fcntl(fd, F_GETFD));
    say("not blocking", S(ioctl, ends[0], FIONBIO, &on));
    line("flag %d", !!(fcntl(ends[0], F_GETFL) & O_NONBLOCK));
    say("signals", S(ioctl, ends[0], FIOASYNC, &on));
    line("flag %d", !!(fcntl(ends[0], F_GETFL) & O_ASYNC));
    int pair[2], owner = getpid();
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    say("owner", S(ioctl, pair[0], 0x8902, &owner)); /* SIOCSPGRP */
    line("is me %d", fcntl(pair[0], F_GETOWN) == getpid());
    say("terminal?", S(ioctl, fd, TCGETS, (char[64]){}));
    struct winsize size;
    say("size?", S(ioctl, ends[0], TIOCGWINSZ, &size));
}
WALK(flock) {
    int fd = file_of("f", ""), other = open("f", O_RDONLY);
    say("exclusive", S(flock, fd, LOCK_EX));
    say("the other shared", S(flock, other, LOCK_SH | LOCK_NB));
    say("to shared", S(flock, fd, LOCK_SH));
    say("the other shared", S(flock, other, LOCK_SH | LOCK_NB));
    say("unlock", S(flock, fd, LOCK_UN));
    say("the other exclusive", S(flock, other, LOCK_EX | LOCK_NB));
}
WALK(mknodat) {
    struct stat st;
    say("fifo", S(mknodat, AT_FDCWD, "fifo", S_IFIFO | 0600, 0L));
    stat("fifo", &st);
    line("mode %o", st.st_mode);
    int reader = open("fifo", O_RDONLY | O_NONBLOCK), writer = open("fifo", O_WRONLY);
    char c = 0;
    if (write(writer, "x", 1) == 1) say("read", read(reader, &c, 1));
    say("file", S(mknodat, AT_FDCWD, "file", S_IFREG | 0604, 0L));
    stat("file", &st);
    line("mode %o", st.st_mode);
    say("socket", S(mknodat, AT_FDCWD, "socket", S_IFSOCK | 0600, 0L));
    stat("socket", &st);
    line("mode %o", st.st_mode);
    say("device", S(mknodat, AT_FDCWD, "device", S_IFCHR | 0600, 0x103L));
    say("again", S(mknodat, AT_FDCWD, "fifo", S_IFIFO | 0600, 0L));
}
WALK(mkdirat) {
    struct stat st;
    say("make", S(mkdirat, AT_FDCWD, "d", 01750));
    stat("d", &st);
    line("mode %o links %ld", st.st_mode, (long)(st.st_nlink > 0));
    int folder = open("d", O_RDONLY);
    say("inside", S(mkdirat, folder, "e/", 0700));
    say("again", S(mkdirat, AT_FDCWD, "d", 0700));
    line("there %d", access("d/e", F_OK));
}
WALK(unlinkat) {
    mkdir("d", 0755);
    int fd = file_of("d/f", "hello"), folder = open("d", O_RDONLY);
    char text[6] = "";
    say("folder as file", S(unlinkat, AT_FDCWD, "d", 0));
    say("folder that is not empty", S(unlinkat, AT_FDCWD, "d", AT_REMOVEDIR));
    say("file as folder", S(unlinkat, folder, "f", AT_REMOVEDIR));
    say("file", S(unlinkat, folder, "f", 0));
    say("still open", read(fd, text, 5));
    line("text %s", text);
    say("folder", S(unlinkat, AT_FDCWD, "d", AT_REMOVEDIR));
    say("again", S(unlinkat, AT_FDCWD, "d", AT_REMOVEDIR));
}
WALK(symlinkat) {
    char text[16] = "";
    mkdir("d", 0755);
    close(file_of("f", "hello"));
    int folder = open("d", O_RDONLY);
    say("make", S(symlinkat, "../f", folder, "l"));
    say("read it", readlinkat(folder, "l", text, 15));
    line("%s leads to %s", text, text_of("d/l"));
    say("again", S(symlinkat, "x", folder, "l"));
}
WALK(linkat) {
    struct stat st;
    char name[40];
    close(file_of("f", "hello"));
    if (symlink("f", "s")) return;
    say("link", S(linkat, AT_FDCWD, "f", AT_FDCWD, "g", 0));
    stat("f", &st);
    line("links %ld", (long)st.st_nlink);
    say("link to the link", S(linkat, AT_FDCWD, "s", AT_FDCWD, "t", 0));
    lstat("t", &st);
    line("is a link %d", S_ISLNK(st.st_mode));
    say("followed", S(linkat, AT_FDCWD, "s", AT_FDCWD, "u", AT_SYMLINK_FOLLOW));
    lstat("u", &st);
    line("is a link %d, links %ld", S_ISLNK(st.st_mode), (long)st.st_nlink);
    int nameless = open(".", O_TMPFILE | O_RDWR, 0600);
    if (write(nameless, "new", 3) != 3) return;
    sprintf(name, "/proc/self/fd/%d", nameless);
    say("named later", S(linkat, AT_FDCWD, name, AT_FDCWD, "n", AT_SYMLINK_FOLLOW));
    line("text %s", text_of("n"));
    say("folder", S(linkat, AT_FDCWD, ".", AT_FDCWD, "d", 0));
}
WALK(renameat2) {
    close(file_of("a", "A"));
    close(file_of("b", "B"));
    mkdir("d", 0755);
    say("no replace", S(renameat2, AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE));
    say("exchange", S(renameat2, AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE));
    line("a %s", text_of("a"));
    say("replace", S(renameat2, AT_FDCWD, "a", AT_FDCWD, "b", 0));
    line("b %s", text_of("b"));
    line("a %s", text_of("a"));
    say("into a folder", S(renameat2, AT_FDCWD, "b", AT_FDCWD, "d/c", 0));
    line("c %s", text_of("d/c"));
    say("folder over file", S(renameat2, AT_FDCWD, "d", AT_FDCWD, "d/c", 0));
}
WALK(statfs) {
    struct statfs s = {0};
    say("here", S(statfs, ".", &s));
    line("names %ld, block size %d, blocks %d", (long)s.f_namelen, s.f_bsize > 0, s.f_blocks > 0);
    say("proc", S(statfs, "/proc", &s));
    line("kind %lx", (long)s.f_type);
}
WALK(fstatfs) {
    struct statfs s = {0};
    int fd = file_of("f", "");
    say("here", S(fstatfs, fd, &s));
    line("names %ld, block size %d, blocks %d", (long)s.f_namelen, s.f_bsize > 0, s.f_blocks > 0);
    int ends[2];
    if (pipe(ends)) return;
    say("pipe", S(fstatfs, ends[0], &s));
    line("kind %lx", (long)s.f_type);
}
WALK(truncate) {
    close(file_of("f", "hello"));
    say("cut", S(truncate, "f", 2L));
    line("text %s", text_of("f"));
    say("extend", S(truncate, "f", 100L));
    say("size", size_of("f"));
}
WALK(ftruncate) {
    int fd = file_of("f", "hello");
    say("cut", S(ftruncate, fd, 2L));
    line("text %s", text_of("f"));
    say("extend", S(ftruncate, fd, 100L));
    say("size", size_of("f"));
    say("for reading", S(ftruncate, open("f", O_RDONLY), 1L));
}
WALK(fallocate) {
    int fd = file_of("f", "0123456789");
    say("more", S(fallocate, fd, 0, 0L, 8192L));
    say("size", size_of("f"));
    say("kept", S(fallocate, fd, FALLOC_FL_KEEP_SIZE, 0L, 16384L));
    say("size", size_of("f"));
    say("hole", S(fallocate, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2L, 3L));
    char text[6];
    pread(fd, text, 6, 1);
    line("text %d%d%d%d%d%d", text[0], text[1], text[2], text[3], text[4], text[5]);
}
WALK(faccessat) {
    close(file_of("f", ""));
    chmod("f", 0400);
    say("read", S(faccessat, AT_FDCWD, "f", R_OK));
    say("write", S(faccessat, AT_FDCWD, "f", W_OK));
    say("execute", S(faccessat, AT_FDCWD, "f", X_OK));
    say("there", S(faccessat, AT_FDCWD, "g", F_OK));
}
WALK(faccessat2) {
    close(file_of("f", ""));
    if (symlink("gone", "l")) return;
    chmod("f", 0200);
    say("read", S(faccessat2, AT_FDCWD, "f", R_OK, AT_EACCESS));
    say("write", S(faccessat2, AT_FDCWD, "f", W_OK, AT_EACCESS));
    say("link", S(faccessat2, AT_FDCWD, "l", F_OK, AT_SYMLINK_NOFOLLOW));
    say("followed", S(faccessat2, AT_FDCWD, "l", F_OK, 0));
    say("descriptor", S(faccessat2, open("f", O_PATH), "", W_OK, AT_EMPTY_PATH));
}
WALK(chdir) {
    mkdir("d", 0755);
    say("enter", S(chdir, "d"));
    close(file_of("f", "hello"));
    say("leave", S(chdir, ".."));
    line("text %s", text_of("d/f"));
    say("a file", S(chdir, "d/f"));
}
WALK(fchdir) {
    mkdir("d", 0755);
    int folder = open("d", O_PATH);
    say("enter", S(fchdir, folder));
    close(file_of("f", "hello"));
    say("up", S(chdir, ".."));
    line("text %s", text_of("d/f"));
    say("a file", S(fchdir, open("d/f", O_RDONLY)));
}
WALK(chroot) {
    say("without the right", S(chroot, "."));
    say("missing", S(chroot, "missing"));
}
WALK(fchmod) {
    struct stat st;
    int fd = file_of("f", "");
    say("change", S(fchmod, fd, 0604));
    fstat(fd, &st);
    line("mode %o", st.st_mode);
}
WALK(fchmodat) {
    struct stat st;
    close(file_of("f", ""));
    if (symlink("f", "l")) return;
    say("change", S(fchmodat, AT_FDCWD, "l", 0641));
    stat("f", &st);
    line("mode %o", st.st_mode);
}
WALK(fchmodat2) {
    struct stat st;
    close(file_of("f", ""));
    if (symlink("f", "l")) return;
    say("file", S(fchmodat2, AT_FDCWD, "f", 0640, AT_SYMLINK_NOFOLLOW));
    say("link", S(fchmodat2, AT_FDCWD, "l", 0600, AT_SYMLINK_NOFOLLOW));
    say("descriptor", S(fchmodat2, open("f", O_PATH), "", 0604, AT_EMPTY_PATH));
    stat("f", &st);
    line("mode %o", st.st_mode);
}
WALK(fchownat) {
    struct stat st;
    close(file_of("f", ""));
    chmod("f", 06711);
    say("to myself", S(fchownat, AT_FDCWD, "f", getuid(), getgid(), 0));
    stat("f", &st);
    line("mode %o, mine %d", st.st_mode, st.st_uid == getuid());
    say("to nobody else", S(fchownat, AT_FDCWD, "f", 12345, -1, 0));
    say("nothing", S(fchownat, AT_FDCWD, "f", -1, -1, 0));
}
WALK(fchown) {
    struct stat st;
    int fd = file_of("f", "");
    say("to myself", S(fchown, fd, getuid(), -1));
    fstat(fd, &st);
    line("mine %d", st.st_uid == getuid());
    say("to nobody else", S(fchown, fd, 12345, -1));
}
WALK(getdents64) {
    mkdir("d", 0755);
    close(file_of("d/f", ""));
    mkdir("d/e", 0755);
    if (symlink("f", "d/l")) return;
    int fd = open("d", O_RDONLY | O_DIRECTORY), kinds[4] = {0};
    char buffer[1024];
    long got = S(getdents64, fd, buffer, 1024L);
    line("bytes %ld", got);
    for (long at = 0; at < got; at += *(unsigned short *)(buffer + at + 16)) {
        unsigned char kind = buffer[at + 18];
        kinds[kind == DT_DIR ? 0 : kind == DT_REG ? 1 : kind == DT_LNK ? 2 : 3]++;
    }
    line("folders %d files %d links %d others %d", kinds[0], kinds[1], kinds[2], kinds[3]);
    say("end", S(getdents64, fd, buffer, 1024L));
    say("back", lseek(fd, 0, SEEK_SET));
    say("too small", S(getdents64, fd, buffer, 10L));
    good("again", S(getdents64, fd, buffer, 1024L));
}
WALK(readlinkat) {
    char text[16] = "";
    if (symlink("target", "l")) return;
    say("read", S(readlinkat, AT_FDCWD, "l", text, 15));
    say("cut", S(readlinkat, AT_FDCWD, "l", text, 3));
    int path = open("l", O_PATH | O_NOFOLLOW);
    say("descriptor", S(readlinkat, path, "", text, 15));
    line("text %s", text);
    say("not a link", S(readlinkat, AT_FDCWD, ".", text, 15));
}
WALK(newfstatat) {
    struct stat st;
    close(file_of("f", "hello"));
    chmod("f", 0640);
    if (symlink("f", "l")) return;
    say("stat", S(newfstatat, AT_FDCWD, "l", &st, 0));
    line("mode %o size %ld links %ld mine %d", st.st_mode, (long)st.st_size, (long)st.st_nlink, st.st_uid == getuid());
    say("link", S(newfstatat, AT_FDCWD, "l", &st, AT_SYMLINK_NOFOLLOW));
    line("mode %o size %ld", st.st_mode, (long)st.st_size);
    say("null device", S(newfstatat, AT_FDCWD, "/dev/null", &st, 0));
    line("mode %o device %lx", st.st_mode & S_IFMT, (long)st.st_rdev);
}
WALK(fstat) {
    struct stat st;
    int ends[2];
    if (pipe(ends)) return;
    say("file", S(fstat, file_of("f", "hello"), &st));
    line("mode %o size %ld blocks %d", st.st_mode, (long)st.st_size, st.st_blocks >= 0);
    say("pipe", S(fstat, ends[0], &st));
    line("mode %o", st.st_mode);
    say("folder", S(fstat, open(".", O_RDONLY), &st));
    line("mode %o", st.st_mode & S_IFMT);
}
WALK(statx) {
    struct statx st;
    close(file_of("f", "hello"));
    say("stat", S(statx, AT_FDCWD, "f", 0, STATX_BASIC_STATS, &st));
    line("mask %d mode %o size %ld links %d", (st.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS, st.stx_mode,
         (long)st.stx_size, st.stx_nlink);
    say("descriptor", S(statx, open("f", O_PATH), "", AT_EMPTY_PATH, STATX_SIZE, &st));
    line("size %ld", (long)st.stx_size);
    say("bad flags", S(statx, AT_FDCWD, "f", 0x80000, STATX_SIZE, &st));
}
WALK(utimensat) {
    struct stat st;
    struct timespec times[2] = {{1000, 5}, {2000, 7}};
    close(file_of("f", ""));
    if (symlink("f", "l")) return;
    say("set", S(utimensat, AT_FDCWD, "f", times, 0));
    stat("f", &st);
    line("times %ld.%ld %ld.%ld", st.st_atim.tv_sec, st.st_atim.tv_nsec, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    times[0].tv_nsec = UTIME_OMIT; times[1].tv_sec = 3000;
    say("one", S(utimensat, AT_FDCWD, "f", times, 0));
    stat("f", &st);
    line("times %ld %ld", st.st_atim.tv_sec, st.st_mtim.tv_sec);
    say("link", S(utimensat, AT_FDCWD, "l", times, AT_SYMLINK_NOFOLLOW));
    lstat("l", &st);
    line("time %ld", st.st_mtim.tv_sec);
    say("now", S(utimensat, open("f", O_RDONLY), 0L, 0L, 0));
    stat("f", &st);
    line("later %d", st.st_mtim.tv_sec > 3000);
}
WALK(umask) {
    struct stat st;
    S(umask, 027);
    say("before", S(umask, 0137));
    close(open("f", O_CREAT | O_WRONLY, 0777));
    stat("f", &st);
    line("mode %o", st.st_mode);
    mkdir("d", 0777);
    stat("d", &st);
    line("mode %o", st.st_mode);
}
