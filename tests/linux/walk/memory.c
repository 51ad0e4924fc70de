/* Memory. */

/* The signal that touching this byte gives, or 0. */
static int touch(volatile char *at, int writing) {
    pid_t child = fork();
    if (!child) {
        signal(SIGSEGV, SIG_DFL);
        if (writing) *at = 1; else (void)*at;
        _exit(0);
    }
    return -ended(child);
}

WALK(brk) { /* printing takes memory of the heap, so it waits until all is as it was */
    char *before = (char *)syscall(SYS_brk, 0L), *after = (char *)syscall(SYS_brk, before + 3 * PAGE);
    after[-1] = 7;
    int byte = after[-1], there = touch(before + 2 * PAGE, 0);
    char *back = (char *)syscall(SYS_brk, before);
    int gone = touch(before + 2 * PAGE, 0);
    char *low = (char *)syscall(SYS_brk, 4096L);
    line("grown by %ld, byte %d, touch %d", (long)(after - before), byte, there);
    line("shrunk %d, touch %d, too low %d", back == before, gone, low == before);
}
WALK(mmap) {
    int fd = file_of("f", "hello");
    char *private = (char *)S(mmap, 0L, PAGE, 3L, (long)MAP_PRIVATE, (long)fd, 0L);
    char *shared = (char *)S(mmap, 0L, PAGE, 3L, (long)MAP_SHARED, (long)fd, 0L);
    private[0] = 'J';
    line("file %s", text_of("f"));
    shared[0] = 'Y';
    line("file %s, private %s", text_of("f"), private);
    char *none = (char *)S(mmap, 0L, PAGE, 0L, (long)MAP_PRIVATE | MAP_ANONYMOUS, -1L, 0L);
    line("no access %d", touch(none, 0));
    char *fixed = (char *)S(mmap, none, PAGE, 3L, (long)MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1L, 0L);
    line("replaced %d, zero %d", fixed == none, *fixed);
    say("not replaced", S(mmap, none, PAGE, 3L, (long)MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1L, 0L));
    int *both = (int *)S(mmap, 0L, PAGE, 3L, (long)MAP_SHARED | MAP_ANONYMOUS, -1L, 0L);
    pid_t child = fork();
    if (!child) { *both = 99; _exit(0); }
    ended(child);
    line("seen %d", *both);
    say("huge", S(mmap, 0L, 2L << 20, 3L, (long)MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1L, 0L));
}
WALK(munmap) {
    char *area = pages(3);
    say("middle", S(munmap, area + PAGE, PAGE));
    line("touch %d %d %d", touch(area, 1), touch(area + PAGE, 1), touch(area + 2 * PAGE, 1));
    say("again", S(munmap, area, 3 * PAGE));
    line("touch %d", touch(area, 1));
}
WALK(mprotect) {
    char *area = pages(2);
    say("read only", S(mprotect, area, PAGE, 1L));
    line("read %d write %d next %d", touch(area, 0), touch(area, 1), touch(area + PAGE, 1));
    say("back", S(mprotect, area, PAGE, 3L));
    line("write %d", touch(area, 1));
    munmap(area + PAGE, PAGE);
    say("over a hole", S(mprotect, area, 2 * PAGE, 1L));
}
WALK(pkey_mprotect) {
    char *area = pages(1);
    say("no key", S(pkey_mprotect, area, PAGE, 1L, -1));
    line("write %d", touch(area, 1));
    say("a key that nobody has", S(pkey_mprotect, area, PAGE, 1L, 14));
}
WALK(pkey_free) { say("a key that nobody has", S(pkey_free, 14)); }
WALK(mremap) {
    char *area = pages(3);
    strcpy(area, "hello");
    say("shrink", S(mremap, area, 3 * PAGE, PAGE, 0L) == (long)area);
    char *moved = (char *)S(mremap, area, PAGE, 100 * PAGE, (long)MREMAP_MAYMOVE);
    line("text %s, end %d", moved, moved[100 * PAGE - 1]);
    char *target = pages(4);
    char *fixed = (char *)S(mremap, moved, PAGE, PAGE, (long)MREMAP_MAYMOVE | MREMAP_FIXED, target);
    line("fixed %d %s, gone %d", fixed == target, fixed, touch(moved, 0));
    char *kept = (char *)S(mremap, fixed, PAGE, PAGE, (long)MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0L);
    line("kept %s, %d", kept, *fixed);
    int fd = file_of("f", "hello");
    char *shared = mmap(0, PAGE, 3, MAP_SHARED, fd, 0);
    char *again = (char *)S(mremap, shared, 0L, PAGE, (long)MREMAP_MAYMOVE);
    again[0] = 'J';
    line("twice %s", shared);
}
WALK(remap_file_pages) {
    int fd = file_of("f", "");
    if (ftruncate(fd, 2 * PAGE) || pwrite(fd, "one", 3, 0) != 3 || pwrite(fd, "two", 3, PAGE) != 3) return;
    char *area = mmap(0, 2 * PAGE, 3, MAP_SHARED, fd, 0);
    say("swap", S(remap_file_pages, area, PAGE, 0L, 1L, 0L));
    line("text %s %s", area, area + PAGE);
}
WALK(msync) {
    int fd = file_of("f", "hello");
    char *shared = mmap(0, PAGE, 3, MAP_SHARED, fd, 0);
    shared[0] = 'J';
    say("sync", S(msync, shared, PAGE, MS_SYNC));
    line("file %s", text_of("f"));
    say("async", S(msync, shared, PAGE, MS_ASYNC | MS_INVALIDATE));
    munmap(shared, PAGE);
    say("unmapped", S(msync, shared, PAGE, MS_SYNC));
}
/* A number of /proc/self/status, in KiB. */
static long status_of(const char *key) {
    char *at = strstr(text_of("/proc/self/status"), key);
    return at ? atol(at + strlen(key)) : -1;
}
WALK(mlock) {
    char *area = pages(2);
    say("lock", S(mlock, area, PAGE));
    line("locked %ld", status_of("VmLck:"));
    munmap(area, PAGE);
    line("locked %ld", status_of("VmLck:"));
    say("unmapped", S(mlock, area, PAGE));
}
WALK(mlock2) {
    char *area = pages(2);
    say("on fault", S(mlock2, area, 2 * PAGE, 1));
    line("locked %ld", status_of("VmLck:"));
    say("unknown flag", S(mlock2, area, PAGE, 2));
}
WALK(munlock) {
    char *area = pages(2);
    mlock(area, 2 * PAGE);
    say("unlock", S(munlock, area, PAGE));
    line("locked %ld", status_of("VmLck:"));
}
WALK(mlockall) {
    say("future", S(mlockall, MCL_FUTURE | MCL_ONFAULT));
    char *area = pages(3);
    line("locked %ld", status_of("VmLck:"));
    munmap(area, PAGE);
    say("nothing", S(mlockall, 0));
}
WALK(munlockall) {
    mlock(pages(3), 3 * PAGE);
    say("unlock", S(munlockall));
    line("locked %ld", status_of("VmLck:"));
}
WALK(mincore) {
    int fd = file_of("f", "hello");
    unsigned char in[2] = {9, 9};
    char *shared = mmap(0, PAGE, 3, MAP_SHARED, fd, 0), *area = pages(2);
    shared[0] = 1;
    area[0] = 1;
    say("file", S(mincore, shared, PAGE, in));
    line("in memory %d", in[0] & 1);
    say("memory", S(mincore, area, 1L, in));
    line("in memory %d", in[0] & 1);
    munmap(area, PAGE);
    say("unmapped", S(mincore, area, PAGE, in));
}
WALK(madvise) {
    char *area = pages(2);
    area[0] = 'x';
    say("will need", S(madvise, area, PAGE, MADV_WILLNEED));
    say("don't need", S(madvise, area, PAGE, MADV_DONTNEED));
    line("byte %d", area[0]);
    area[0] = 'x';
    say("wipe on fork", S(madvise, area, PAGE, MADV_WIPEONFORK));
    pid_t child = fork();
    if (!child) _exit(area[0]);
    line("in the child %d", ended(child));
    say("not in a child", S(madvise, area, PAGE, MADV_DONTFORK));
    line("touch %d", touch(area, 0));
    int fd = file_of("f", "hello");
    char *shared = mmap(0, PAGE, 3, MAP_SHARED, fd, 0);
    say("remove", S(madvise, shared, PAGE, MADV_REMOVE));
    say("no such advice", S(madvise, area, PAGE, 99));
}
WALK(process_madvise) {
    int me = syscall(SYS_pidfd_open, getpid(), 0);
    char *area = pages(4);
    struct iovec parts[2] = {{area, PAGE}, {area + 2 * PAGE, PAGE}};
    say("cold", S(process_madvise, me, parts, 2L, MADV_COLD, 0));
    say("page out", S(process_madvise, me, parts, 2L, MADV_PAGEOUT, 0));
    say("will need", S(process_madvise, me, parts, 1L, MADV_WILLNEED, 0));
    say("flags", S(process_madvise, me, parts, 1L, MADV_COLD, 1));
    say("no pidfd", S(process_madvise, 0, parts, 1L, MADV_COLD, 0));
    munmap(area, PAGE);
    say("unmapped", S(process_madvise, me, parts, 2L, MADV_COLD, 0));
}
WALK(mseal) {
    char *area = pages(2);
    say("seal", S(mseal, area, PAGE, 0L));
    say("protect", S(mprotect, area, PAGE, 1L));
    say("unmap", S(munmap, area, PAGE));
    say("map over it", S(mmap, area, PAGE, 3L, (long)MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1L, 0L));
    say("the next", S(munmap, area + PAGE, PAGE));
    area[0] = 1;
    say("read only may not be thrown away", S(madvise, area, PAGE, MADV_DONTNEED));
}
WALK(memfd_create) {
    struct stat st;
    char name[64], link[64] = "";
    int fd = S(memfd_create, "some name", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    line("close on exec %d", fcntl(fd, F_GETFD));
    say("write", write(fd, "hello", 5));
    fstat(fd, &st);
    line("size %ld links %ld mode %o", (long)st.st_size, (long)st.st_nlink, st.st_mode);
    sprintf(name, "/proc/self/fd/%d", fd);
    if (readlink(name, link, 63) < 0) return;
    line("name %s", link);
    line("seals %d", fcntl(fd, F_GET_SEALS));
    line("no seals %d", fcntl(S(memfd_create, "x", 0), F_GET_SEALS));
}
WALK(process_vm_readv) {
    char *area = pages(2), from[] = "hello", to[16] = "";
    struct iovec local[2] = {{to, 2}, {to + 2, 10}}, remote[2] = {{from, 3}, {from + 3, 3}};
    say("of myself", S(process_vm_readv, getpid(), local, 2L, remote, 2L, 0L));
    line("text %s", to);
    munmap(area + PAGE, PAGE);
    strcpy(area + PAGE - 3, "ab");
    remote[0] = (struct iovec){area + PAGE - 3, 10};
    local[0].iov_len = 12;
    say("to the end of what is mapped", S(process_vm_readv, getpid(), local, 1L, remote, 1L, 0L));
    remote[0] = (struct iovec){area + PAGE, 4};
    say("unmapped", S(process_vm_readv, getpid(), local, 1L, remote, 1L, 0L));
    say("flags", S(process_vm_readv, getpid(), local, 1L, remote, 1L, 1L));
    say("nobody", S(process_vm_readv, 4000000, local, 1L, remote, 1L, 0L));
    prctl(PR_SET_DUMPABLE, 1);
    int ends[2];
    if (pipe(ends)) return;
    pid_t child = fork();
    if (!child) {
        strcpy(from, "CHILD");
        if (write(ends[1], "x", 1) == 1) pause();
        _exit(0);
    }
    if (read(ends[0], to, 1) != 1) return;
    remote[0] = (struct iovec){from, 6};
    say("of a child", S(process_vm_readv, child, local, 1L, remote, 1L, 0L));
    line("text %s", to);
    kill(child, SIGKILL);
    line("child %d", ended(child));
}
WALK(process_vm_writev) {
    char from[] = "hello", to[16] = "";
    static const char constant[] = "constant";
    struct iovec local[1] = {{from, 6}}, remote[2] = {{to, 3}, {to + 3, 3}}, fixed = {(void *)constant, 3};
    say("to myself", S(process_vm_writev, getpid(), local, 1L, remote, 2L, 0L));
    line("text %s", to);
    say("read only", S(process_vm_writev, getpid(), local, 1L, &fixed, 1L, 0L));
    prctl(PR_SET_DUMPABLE, 1);
    int down[2], up[2];
    char *there = pages(1);
    if (pipe(down) || pipe(up)) return;
    pid_t child = fork();
    if (!child) {
        if (write(up[1], "x", 1) != 1 || read(down[0], from, 1) != 1) _exit(1);
        line("in the child %s", there);
        _exit(0);
    }
    if (read(up[0], to, 1) != 1) return;
    remote[0] = (struct iovec){there, 6};
    say("to a child", S(process_vm_writev, child, local, 1L, remote, 1L, 0L));
    if (write(down[1], "x", 1) != 1) return;
    line("child %d, here %s", ended(child), there);
}
