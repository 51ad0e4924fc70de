/* Reading, writing, moving bytes, and waiting for files. */

WALK(read) {
    char text[16] = "";
    int fd = file_of("f", "hello"), ends[2];
    say("some", S(read, fd, text, 3L));
    say("rest", S(read, fd, text + 3, 10L));
    line("text %s", text);
    say("end", S(read, fd, text, 10L));
    if (pipe(ends)) return;
    close(ends[1]);
    say("no writer", S(read, ends[0], text, 1L));
    say("folder", S(read, open(".", O_RDONLY), text, 1L));
}
WALK(write) {
    int fd = file_of("f", "hello"), ends[2];
    say("write", S(write, fd, "JE", 2L));
    line("text %s", text_of("f"));
    say("for reading", S(write, open("f", O_RDONLY), "x", 1L));
    if (pipe(ends)) return;
    close(ends[0]);
    note(SIGPIPE, 0);
    say("no reader", S(write, ends[1], "x", 1L));
    line("signal %d", took);
    say("nothing", S(write, fd, "x", 0L));
}
WALK(readv) {
    char a[3] = "", b[8] = "";
    struct iovec parts[2] = {{a, 2}, {b, 7}};
    int fd = file_of("f", "hello");
    say("read", S(readv, fd, parts, 2L));
    line("parts %s %s", a, b);
}
WALK(writev) {
    struct iovec parts[3] = {{"ab", 2}, {"", 0}, {"cde", 3}};
    int fd = file_of("f", "");
    say("write", S(writev, fd, parts, 3L));
    line("text %s", text_of("f"));
}
WALK(pread64) {
    char text[8] = "";
    int fd = file_of("f", "hello");
    say("read", S(pread64, fd, text, 3L, 2L));
    line("text %s, offset %ld", text, (long)lseek(fd, 0, SEEK_CUR));
    say("after the end", S(pread64, fd, text, 3L, 20L));
    int ends[2];
    if (!pipe(ends)) say("pipe", S(pread64, ends[0], text, 1L, 0L));
}
WALK(pwrite64) {
    int fd = file_of("f", "hello");
    say("write", S(pwrite64, fd, "XY", 2L, 4L));
    line("text %s, offset %ld", text_of("f"), (long)lseek(fd, 0, SEEK_CUR));
}
WALK(preadv) {
    char a[3] = "", b[8] = "";
    struct iovec parts[2] = {{a, 2}, {b, 7}};
    say("read", S(preadv, file_of("f", "hello"), parts, 2L, 1L, 0L));
    line("parts %s %s", a, b);
}
WALK(pwritev) {
    struct iovec parts[2] = {{"ab", 2}, {"cde", 3}};
    say("write", S(pwritev, file_of("f", "hello"), parts, 2L, 3L, 0L));
    line("text %s", text_of("f"));
}
WALK(preadv2) {
    char a[3] = "", b[8] = "";
    struct iovec parts[2] = {{a, 2}, {b, 7}};
    int fd = file_of("f", "hello");
    say("at an offset", S(preadv2, fd, parts, 2L, 1L, 0L, 0L));
    line("parts %s %s", a, b);
    say("at the file's", S(preadv2, fd, parts, 1L, -1L, -1L, 0L));
    line("offset %ld", (long)lseek(fd, 0, SEEK_CUR));
    say("unknown flag", S(preadv2, fd, parts, 1L, 0L, 0L, 1L << 20));
    int ends[2];
    if (!pipe(ends)) say("would block", S(preadv2, ends[0], parts, 1L, -1L, -1L, 8L));
}
WALK(pwritev2) {
    struct iovec parts[2] = {{"ab", 2}, {"cde", 3}};
    int fd = file_of("f", "hello");
    say("append", S(pwritev2, fd, parts, 2L, 0L, 0L, 16L));
    line("text %s", text_of("f"));
    say("to disk", S(pwritev2, fd, parts, 1L, 0L, 0L, 2L));
    line("text %s", text_of("f"));
    say("unknown flag", S(pwritev2, fd, parts, 1L, 0L, 0L, 1L << 20));
}
WALK(lseek) {
    int fd = file_of("f", "hello"), ends[2];
    say("set", S(lseek, fd, 2L, SEEK_SET));
    say("from here", S(lseek, fd, 1L, SEEK_CUR));
    say("from the end", S(lseek, fd, 10L, SEEK_END));
    say("before the start", S(lseek, fd, -1L, SEEK_SET));
    say("data", S(lseek, fd, 1L, SEEK_DATA));
    say("hole", S(lseek, fd, 1L, SEEK_HOLE));
    if (!pipe(ends)) say("pipe", S(lseek, ends[0], 0L, SEEK_SET));
}
WALK(sendfile) {
    int from = file_of("f", "hello"), to = file_of("g", "");
    long at = 1;
    say("from an offset", S(sendfile, to, from, &at, 3L));
    line("text %s, offsets %ld %ld", text_of("g"), at, (long)lseek(from, 0, SEEK_CUR));
    say("from the file's", S(sendfile, to, from, 0L, 100L));
    line("text %s", text_of("g"));
}
WALK(copy_file_range) {
    int from = file_of("f", "hello"), to = file_of("g", "12345678");
    long at = 1, target = 3;
    say("copy", S(copy_file_range, from, &at, to, &target, 3L, 0L));
    line("text %s, offsets %ld %ld", text_of("g"), at, target);
    say("at the files'", S(copy_file_range, from, 0L, to, 0L, 100L, 0L));
    line("text %s", text_of("g"));
    say("end", S(copy_file_range, from, 0L, to, 0L, 100L, 0L));
}
WALK(splice) {
    int ends[2], from = file_of("f", "hello"), to = file_of("g", "");
    long at = 1;
    if (pipe(ends)) return;
    say("into a pipe", S(splice, from, &at, ends[1], 0L, 3L, 0L));
    say("out of it", S(splice, ends[0], 0L, to, 0L, 10L, 0L));
    line("text %s, offset %ld", text_of("g"), at);
    say("empty", S(splice, ends[0], 0L, to, 0L, 10L, SPLICE_F_NONBLOCK));
    say("two files", S(splice, from, 0L, to, 0L, 10L, 0L));
}
WALK(tee) {
    int a[2], b[2];
    char text[8] = "";
    if (pipe(a) || pipe(b) || write(a[1], "hello", 5) != 5) return;
    say("copy", S(tee, a[0], b[1], 3L, 0L));
    say("copied", read(b[0], text, 8));
    line("text %s", text);
    say("still there", read(a[0], text, 8));
    line("text %s", text);
}
WALK(vmsplice) {
    int ends[2];
    char text[8] = "";
    struct iovec parts[2] = {{"hel", 3}, {"lo", 2}}, into[1] = {{text, 8}};
    if (pipe(ends)) return;
    say("in", S(vmsplice, ends[1], parts, 2L, 0L));
    say("out", S(vmsplice, ends[0], into, 1L, 0L));
    line("text %s", text);
}
WALK(pipe2) {
    int ends[2], packets[2];
    char text[16] = "";
    say("pipe", S(pipe2, ends, O_CLOEXEC | O_NONBLOCK));
    line("flags %d %d", fcntl(ends[0], F_GETFD), !!(fcntl(ends[1], F_GETFL) & O_NONBLOCK));
    say("empty", S(read, ends[0], text, 1L));
    say("packets", S(pipe2, packets, O_DIRECT));
    if (write(packets[1], "ab", 2) != 2 || write(packets[1], "c", 1) != 1) return;
    say("first", read(packets[0], text, 16));
    say("second", read(packets[0], text, 16));
    say("unknown flag", S(pipe2, ends, 1));
}
WALK(sync) { say("all", S(sync)); }
WALK(syncfs) { say("one", S(syncfs, file_of("f", "hello"))); }
WALK(fsync) {
    int ends[2];
    say("file", S(fsync, file_of("f", "hello")));
    say("folder", S(fsync, open(".", O_RDONLY)));
    if (!pipe(ends)) say("pipe", S(fsync, ends[1]));
}
WALK(fdatasync) {
    int ends[2];
    say("file", S(fdatasync, file_of("f", "hello")));
    if (!pipe(ends)) say("pipe", S(fdatasync, ends[1]));
}
WALK(sync_file_range) {
    int ends[2];
    say("file", S(sync_file_range, file_of("f", "hello"), 0L, 4L, 7));
    if (!pipe(ends)) say("pipe", S(sync_file_range, ends[1], 0L, 4L, 7));
}
WALK(readahead) {
    int ends[2];
    say("file", S(readahead, file_of("f", "hello"), 0L, 4L));
    if (!pipe(ends)) say("pipe", S(readahead, ends[1], 0L, 4L));
}
WALK(fadvise64) {
    int fd = file_of("f", "hello");
    for (int advice = 0; advice < 7; advice++) say("advice", S(fadvise64, fd, 0L, 0L, advice));
}
/* Polling. */

static void *write_soon(void *fd) {
    usleep(3000);
    if (write(*(int *)fd, "x", 1) != 1) line("write failed");
    return 0;
}
WALK(ppoll) {
    int ends[2];
    pthread_t thread;
    if (pipe(ends)) return;
    struct pollfd polls[3] = {{ends[0], POLLIN}, {ends[1], POLLOUT}, {999, POLLIN}};
    say("three", S(ppoll, polls, 3L, &zero_time, 0L, 8L));
    line("events %x %x %x", polls[0].revents, polls[1].revents, polls[2].revents);
    struct timespec limit = {0, 2 * MS};
    say("time-out", S(ppoll, polls, 1L, &limit, 0L, 8L));
    line("left %ld", limit.tv_nsec);
    pthread_create(&thread, 0, write_soon, &ends[1]);
    say("waited", S(ppoll, polls, 1L, 0L, 0L, 8L));
    line("events %x", polls[0].revents);
    pthread_join(thread, 0);
    note(SIGUSR1, 0);
    block(SIGUSR1);
    raise(SIGUSR1);
    uint64_t none = 0;
    say("a signal", S(ppoll, 0L, 0L, 0L, &none, 8L));
    line("signal %d, hung up", took);
    close(ends[1]);
    say("hang-up", S(ppoll, polls, 1L, 0L, 0L, 8L));
    line("events %x", polls[0].revents);
}
WALK(pselect6) {
    int ends[2];
    if (pipe(ends)) return;
    fd_set in, out;
    FD_ZERO(&in); FD_ZERO(&out);
    FD_SET(ends[0], &in); FD_SET(ends[1], &out);
    say("two", S(pselect6, 20, &in, &out, 0L, &zero_time, 0L));
    line("sets %d %d", FD_ISSET(ends[0], &in), FD_ISSET(ends[1], &out));
    if (write(ends[1], "x", 1) != 1) return;
    FD_SET(ends[0], &in);
    say("readable", S(pselect6, 20, &in, 0L, 0L, 0L, 0L));
    line("set %d", FD_ISSET(ends[0], &in));
    struct timespec limit = {0, 2 * MS};
    say("time-out", S(pselect6, 0, 0L, 0L, 0L, &limit, 0L));
    line("left %ld", limit.tv_nsec);
    FD_SET(900, &in);
    say("closed", S(pselect6, 901, &in, 0L, 0L, 0L, 0L));
}
WALK(epoll_create1) {
    int fd = S(epoll_create1, EPOLL_CLOEXEC);
    line("flags %d", fcntl(fd, F_GETFD));
    say("unknown flag", S(epoll_create1, 1));
}
WALK(epoll_ctl) {
    int ends[2], set = epoll_create1(0);
    struct epoll_event e = {EPOLLIN, {.u64 = 77}}, got[4];
    if (pipe(ends)) return;
    say("add", S(epoll_ctl, set, EPOLL_CTL_ADD, ends[0], &e));
    say("again", S(epoll_ctl, set, EPOLL_CTL_ADD, ends[0], &e));
    if (write(ends[1], "x", 1) != 1) return;
    say("wait", epoll_wait(set, got, 4, 0));
    line("data %ld events %x", (long)got[0].data.u64, got[0].events);
    e.events = EPOLLOUT;
    say("modify", S(epoll_ctl, set, EPOLL_CTL_MOD, ends[0], &e));
    say("wait", epoll_wait(set, got, 4, 0));
    say("delete", S(epoll_ctl, set, EPOLL_CTL_DEL, ends[0], 0L));
    say("modify", S(epoll_ctl, set, EPOLL_CTL_MOD, ends[0], &e));
    say("file", S(epoll_ctl, set, EPOLL_CTL_ADD, file_of("f", ""), &e));
    say("itself", S(epoll_ctl, set, EPOLL_CTL_ADD, set, &e));
}
WALK(epoll_pwait) {
    int set = epoll_create1(0), event = eventfd(3, 0);
    struct epoll_event e = {EPOLLIN | EPOLLET, {.u64 = 5}}, got[4];
    epoll_ctl(set, EPOLL_CTL_ADD, event, &e);
    say("edge", S(epoll_pwait, set, got, 4, 0, 0L, 8L));
    line("data %ld events %x", (long)got[0].data.u64, got[0].events);
    say("no edge", S(epoll_pwait, set, got, 4, 2, 0L, 8L));
    uint64_t one = 1, none = 0;
    if (write(event, &one, 8) != 8) return;
    say("edge", S(epoll_pwait, set, got, 4, -1, 0L, 8L));
    note(SIGUSR1, 0);
    block(SIGUSR1);
    raise(SIGUSR1);
    say("a signal", S(epoll_pwait, set, got, 4, -1, &none, 8L));
    line("signal %d", took);
}
WALK(epoll_pwait2) {
    int set = epoll_create1(0), event = eventfd(3, 0);
    struct epoll_event e = {EPOLLIN | EPOLLONESHOT, {.u64 = 5}}, got[4];
    epoll_ctl(set, EPOLL_CTL_ADD, event, &e);
    say("once", S(epoll_pwait2, set, got, 4, &zero_time, 0L, 8L));
    line("data %ld events %x", (long)got[0].data.u64, got[0].events);
    say("no more", S(epoll_pwait2, set, got, 4, &moment, 0L, 8L));
}
WALK(eventfd2) {
    uint64_t value = 5;
    int fd = S(eventfd2, 2, EFD_NONBLOCK | EFD_CLOEXEC);
    say("add", write(fd, &value, 8));
    say("take", read(fd, &value, 8));
    line("value %ld", (long)value);
    say("empty", S(read, fd, &value, 8L));
    int semaphore = S(eventfd2, 2, EFD_SEMAPHORE);
    say("one", read(semaphore, &value, 8));
    line("value %ld", (long)value);
    value = -1;
    say("too much", S(write, fd, &value, 8L));
}
WALK(signalfd4) {
    uint64_t set = bit(SIGUSR1) | bit(SIGUSR2);
    struct signalfd_siginfo info = {0};
    block(SIGUSR1);
    block(SIGUSR2);
    int fd = S(signalfd4, -1, &set, 8L, SFD_NONBLOCK | SFD_CLOEXEC);
    line("flags %d %d", fcntl(fd, F_GETFD), !!(fcntl(fd, F_GETFL) & O_NONBLOCK));
    say("empty", S(read, fd, &info, 128L));
    kill(getpid(), SIGUSR1);
    say("read", S(read, fd, &info, 128L));
    line("signal %d code %d from me %d", info.ssi_signo, info.ssi_code, info.ssi_pid == getpid());
    set = bit(SIGUSR2);
    say("change", S(signalfd4, fd, &set, 8L, 0) == fd);
    kill(getpid(), SIGUSR1);
    say("another's", S(read, fd, &info, 128L));
    line("pending %d", pending());
}
WALK(timerfd_create) {
    int fd = S(timerfd_create, CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    uint64_t count;
    line("flags %d %d", fcntl(fd, F_GETFD), !!(fcntl(fd, F_GETFL) & O_NONBLOCK));
    say("not set", S(read, fd, &count, 8L));
    say("no such clock", S(timerfd_create, 77, 0));
}
WALK(timerfd_settime) {
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    uint64_t count = 0;
    struct itimerspec once = {{0, 0}, {0, MS}}, old, far = {{0, 0}, {1000, 0}}, past = {{0, 0}, {0, 1}};
    say("far", S(timerfd_settime, fd, 0, &far, 0L));
    say("soon", S(timerfd_settime, fd, 0, &once, &old));
    line("old %d", old.it_value.tv_sec == 999);
    say("wait", S(read, fd, &count, 8L));
    line("count %ld", (long)count);
    say("absolute, past", S(timerfd_settime, fd, TFD_TIMER_ABSTIME, &past, 0L));
    say("ready", S(read, fd, &count, 8L));
    line("count %ld", (long)count);
}
WALK(timerfd_gettime) {
    int fd = timerfd_create(CLOCK_REALTIME, 0);
    struct itimerspec set = {{5, 6}, {1000, 0}}, got;
    timerfd_settime(fd, 0, &set, 0);
    say("get", S(timerfd_gettime, fd, &got));
    line("interval %ld.%ld left %d", got.it_interval.tv_sec, got.it_interval.tv_nsec, got.it_value.tv_sec == 999);
}
/* Watching files. */
WALK(inotify_init1) {
    int fd = S(inotify_init1, IN_NONBLOCK | IN_CLOEXEC);
    char buffer[100];
    line("flags %d %d", !!(fcntl(fd, F_GETFL) & O_NONBLOCK), fcntl(fd, F_GETFD));
    say("nothing", S(read, fd, buffer, 100L));
}
/* The events that are there, as masks and names. */
static void events_of(int fd) {
    char buffer[2048] __attribute__((aligned(8)));
    long got = read(fd, buffer, sizeof buffer);
    if (got < 0) line("no events");
    for (long at = 0; at < got;) {
        struct inotify_event *e = (void *)(buffer + at);
        line("event %x %s, cookie %d", e->mask, e->len ? e->name : "-", e->cookie != 0);
        at += sizeof *e + e->len;
    }
}
WALK(inotify_add_watch) {
    int fd = inotify_init1(IN_NONBLOCK);
    mkdir("d", 0755);
    mkdir("d/e", 0755);
    good("watch", S(inotify_add_watch, fd, "d", IN_ALL_EVENTS & ~(IN_OPEN | IN_CLOSE | IN_ACCESS)));
    close(file_of("d/f", "hello"));
    chmod("d/f", 0600);
    rename("d/f", "d/g");
    unlink("d/g");
    rmdir("d/e");
    events_of(fd);
    rmdir("d");
    events_of(fd);
}
WALK(inotify_rm_watch) {
    int fd = inotify_init1(IN_NONBLOCK);
    int watch = inotify_add_watch(fd, ".", IN_CREATE);
    say("remove", S(inotify_rm_watch, fd, watch));
    events_of(fd);
    close(file_of("f", ""));
    events_of(fd);
    say("again", S(inotify_rm_watch, fd, watch));
}
