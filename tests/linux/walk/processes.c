/* Processes and threads: making, running, ending, waiting; who they are and what they may use. */

static char stack[65536] __attribute__((aligned(16)));

WALK(clone) {
    int tid = 0;
    pid_t child = S(clone, (long)SIGCHLD | CLONE_PARENT_SETTID, 0L, &tid, 0L, 0L);
    if (!child) _exit(7);
    line("end %d, number told %d", ended(child), tid == child);
    line("no signal sent %d", pending());
    note(SIGUSR1, 0);
    child = S(clone, (long)SIGUSR1, 0L, 0L, 0L, 0L);
    if (!child) _exit(3);
    int status, got;
    say("not a child of the usual kind", S(wait4, child, &status, WNOHANG, 0L));
    do got = waitpid(child, &status, __WCLONE); while (got == -1 && errno == EINTR);
    line("signal %d, end %d", took, WEXITSTATUS(status));
    int fd = -1;
    child = S(clone, (long)SIGCHLD | CLONE_PIDFD, 0L, &fd, 0L, 0L);
    if (!child) _exit(0);
    struct pollfd ready = {fd, POLLIN};
    line("pidfd ready %d, on exec %d", poll(&ready, 1, -1), fcntl(fd, F_GETFD));
    line("end %d", ended(child));
    say("handlers without memory", S(clone, (long)CLONE_SIGHAND, 0L, 0L, 0L, 0L));
    say("thread without handlers", S(clone, (long)CLONE_THREAD | CLONE_VM, 0L, 0L, 0L, 0L));
    volatile int shared = 1;
    child = vfork();
    if (!child) { shared = 5; _exit(2); }
    line("vfork %d, memory %d", ended(child), shared);
}
WALK(clone3) {
    uint64_t arguments[8] = {0}; /* flags pidfd child_tid parent_tid exit_signal stack stack_size tls */
    int tid = 0, fd = -1;
    arguments[0] = CLONE_PIDFD | CLONE_PARENT_SETTID;
    arguments[1] = (long)&fd; arguments[3] = (long)&tid; arguments[4] = SIGCHLD;
    note(SIGUSR1, 0);
    pid_t child = S(clone3, arguments, sizeof arguments);
    if (!child) _exit(9);
    siginfo_t info = {0};
    line("number told %d, pidfd %d", tid == child, fd >= 0);
    say("wait", waitid(P_PIDFD, fd, &info, WEXITED));
    line("end %d", info.si_status);
    arguments[0] = 0x100000000; /* CLONE_CLEAR_SIGHAND */
    child = S(clone3, arguments, sizeof arguments);
    if (!child) { raise(SIGUSR1); _exit(0); }
    line("handlers cleared %d", ended(child));
    say("short", S(clone3, arguments, 8L));
}
WALK(set_tid_address) {
    static int word;
    line("my number %d", S(set_tid_address, &word) == S(gettid));
}
static void *get_tid(void *out) { *(long *)out = S(gettid); return 0; }
WALK(gettid) {
    pthread_t thread;
    long tid = 0;
    line("first thread %d", S(gettid) == getpid());
    pthread_create(&thread, 0, get_tid, &tid);
    pthread_join(thread, 0);
    line("another %d", tid > 0 && tid != getpid());
}
WALK(getpid) {
    int me = S(getpid), ends[2], seen = 0;
    if (pipe(ends)) return;
    pid_t child = fork();
    if (!child) { int mine = S(getpid); _exit(write(ends[1], &mine, 4) != 4); }
    line("end %d", ended(child));
    if (read(ends[0], &seen, 4) == 4) line("the child's is what fork told %d, other than mine %d", seen == child, seen != me);
}
WALK(getppid) {
    int me = getpid();
    pid_t child = fork();
    if (!child) _exit(S(getppid) == me);
    line("the child's is me %d", ended(child));
}
WALK(execve) {
    
    char *arguments[] = {"again", "execve", 0}, *environment[] = {"AGAIN=yes", 0};
    say("missing", S(execve, "missing", arguments, environment));
    say("folder", S(execve, "/proc", arguments, environment));
    close(file_of("f", "text"));
    say("not executable", S(execve, "f", arguments, environment));
    chmod("f", 0755);
    say("no program", S(execve, "f", arguments, environment));
    int script = open("s", O_CREAT | O_WRONLY, 0755);
    dprintf(script, "#!/proc/self/exe again one\n");
    pid_t child = fork();
    if (!child) _exit(-S(execve, "s", arguments, environment));
    line("open for writing %s", strerrorname_np(ended(child)));
    close(script);
    int from = open("/proc/self/exe", O_RDONLY), to = open("p", O_CREAT | O_WRONLY, 0755), ends[2];
    while (sendfile(to, from, 0, 1 << 20) > 0) ;
    close(to);
    if (pipe2(ends, O_CLOEXEC)) return;
    child = fork();
    if (!child) _exit(-S(execve, "p", ((char *[]){"again", "wait", 0}), ((char *[]){"AGAIN=quiet", 0})));
    close(ends[1]);
    if (read(ends[0], &to, 1)) return;
    say("write to what runs", open("p", O_WRONLY) < 0 ? -errno : 0);
    say("cut it", S(truncate, "p", 5L));
    say("read it", open("p", O_RDONLY) < 0 ? -errno : 0);
    say("remove it", unlink("p"));
    kill(child, SIGTERM);
    line("end %d", ended(child));
    block(SIGUSR1);
    note(SIGUSR2, 0);
    signal(SIGHUP, SIG_IGN);
    fcntl(open(".", O_RDONLY), F_DUPFD, 40);
    fcntl(open(".", O_RDONLY), F_DUPFD_CLOEXEC, 41);
    child = fork();
    if (!child) _exit(-S(execve, "s", arguments, environment));
    line("end %d", ended(child));
}
WALK(execveat) {
    char *arguments[] = {"again", "execveat", 0}, *environment[] = {"AGAIN=yes", 0};
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    pid_t child = fork();
    if (!child) _exit(-S(execveat, self, "", arguments, environment, AT_EMPTY_PATH));
    line("end %d", ended(child));
    say("unknown flag", S(execveat, self, "", arguments, environment, 1));
    say("missing", S(execveat, AT_FDCWD, "missing", arguments, environment, 0));
}
/* What the program does when `execve` or `execveat` has started it again. */
static int again(int count, char **arguments) {
    if (!strcmp(arguments[count - 1], "wait")) pause();
    if (!strcmp(environ[0], "AGAIN=quiet")) return 4;
    struct sigaction two, hangup;
    uint64_t set = 0;
    current = arguments[count - 1];
    for (int i = 0; i < count; i++) line("argument %s", strcmp(arguments[i], "s") ? arguments[i] : "the script");
    S(rt_sigprocmask, 0, 0L, &set, 8L);
    sigaction(SIGUSR2, 0, &two);
    sigaction(SIGHUP, 0, &hangup);
    line("environment %s %d", environ[0], environ[1] == 0);
    line("blocked %d, handler %d, ignored %d", !!(set & bit(SIGUSR1)), two.sa_handler != SIG_DFL, hangup.sa_handler == SIG_IGN);
    line("kept %d, closed %d", fcntl(40, F_GETFD), fcntl(41, F_GETFD));
    return 5;
}
static void *leave(void *word) {
    S(exit, 3);
    *(int *)word = 1;
    return 0;
}
WALK(exit) {
    int word = 0;
    pid_t child = fork();
    if (!child) {
        pthread_t thread;
        pthread_create(&thread, 0, leave, &word);
        pthread_join(thread, 0);
        S(exit, 40 + word);
    }
    line("end %d", ended(child));
}
WALK(exit_group) {
    pid_t child = fork();
    if (!child) {
        pthread_t thread;
        pthread_create(&thread, 0, (void *(*)(void *))pause, 0);
        S(exit_group, 0x1234);
    }
    line("end %d", ended(child));
}
WALK(wait4) {
    int status = 0;
    struct rusage usage = {0};
    say("no child", S(wait4, -1, &status, 0, 0L));
    pid_t child = fork();
    if (!child) { pause(); _exit(0); }
    say("not yet", S(wait4, child, &status, WNOHANG, 0L));
    kill(child, SIGSTOP);
    line("mine %d", S(wait4, child, &status, WUNTRACED, 0L) == child);
    line("status %x", status);
    kill(child, SIGCONT);
    line("mine %d", S(wait4, -1, &status, WCONTINUED, 0L) == child);
    line("status %x", status);
    kill(child, SIGTERM);
    line("mine %d", S(wait4, 0, &status, 0, &usage) == child);
    line("status %x, time %d", status, usage.ru_utime.tv_sec >= 0);
    child = fork();
    if (!child) { setpgid(0, 0); _exit(200); }
    line("of its group or gone %d", S(wait4, child, &status, 0, 0L) == child);
    line("status %x", status);
}
WALK(waitid) {
    siginfo_t info = {0};
    pid_t child = fork();
    if (!child) _exit(77);
    say("look", S(waitid, P_PID, child, &info, WEXITED | WNOWAIT, 0L));
    line("signal %d code %d status %d child %d", info.si_signo, info.si_code, info.si_status, info.si_pid == child);
    info.si_pid = 1;
    say("take", S(waitid, P_ALL, 0, &info, WEXITED, 0L));
    line("child %d", info.si_pid == child);
    say("none left", S(waitid, P_ALL, 0, &info, WEXITED, 0L));
    child = fork();
    if (!child) { signal(SIGQUIT, SIG_DFL); struct rlimit none = {0, 0}; setrlimit(RLIMIT_CORE, &none); raise(SIGQUIT); }
    say("killed", S(waitid, P_PID, child, &info, WEXITED, 0L));
    line("code %d status %d", info.si_code & 2, info.si_status);
}
WALK(pidfd_open) {
    pid_t child = fork();
    if (!child) _exit(0);
    int fd = S(pidfd_open, child, O_NONBLOCK);
    struct pollfd ready = {fd, POLLIN};
    line("ready %d", poll(&ready, 1, -1));
    line("end %d", ended(child));
    say("of nobody", S(pidfd_open, 4000000, 0));
    say("unknown flag", S(pidfd_open, getpid(), 1));
    say("read", S(read, fd, &ready, 4L));
}
WALK(pidfd_send_signal) {
    pid_t child = fork();
    if (!child) { pause(); _exit(0); }
    int fd = syscall(SYS_pidfd_open, child, 0);
    say("nothing", S(pidfd_send_signal, fd, 0, 0L, 0));
    say("end it", S(pidfd_send_signal, fd, SIGTERM, 0L, 0));
    line("end %d", ended(child));
    say("gone", S(pidfd_send_signal, fd, 0, 0L, 0));
}
WALK(pidfd_getfd) {
    int me = syscall(SYS_pidfd_open, getpid(), 0), fd = file_of("f", "hello");
    int other = S(pidfd_getfd, me, fd, 0);
    char c = 0;
    lseek(fd, 1, SEEK_SET);
    say("shares the offset", read(other, &c, 1));
    line("byte %c, on exec %d", c, fcntl(other, F_GETFD));
    say("closed", S(pidfd_getfd, me, 999, 0));
}
WALK(process_mrelease) {
    pid_t child = fork();
    if (!child) { pause(); _exit(0); }
    int fd = syscall(SYS_pidfd_open, child, 0);
    say("flags", S(process_mrelease, fd, 1));
    say("it lives", S(process_mrelease, fd, 0));
    kill(child, SIGKILL);
    line("end %d", ended(child));
    say("gone", S(process_mrelease, fd, 0));
    say("no process", S(process_mrelease, open(".", O_RDONLY), 0));
}
WALK(kcmp) {
    int fd = file_of("f", "hello"), other = dup(fd), third = open("f", O_RDONLY), me = getpid();
    say("same", S(kcmp, me, me, 0, (long)fd, (long)other));
    line("different %d", S(kcmp, me, me, 0, (long)fd, (long)third) > 0);
    say("memory", S(kcmp, me, me, 1, 0L, 0L));
}
WALK(setpgid) {
    int ends[2], answers[2];
    char byte = 0;
    if (pipe2(ends, O_CLOEXEC) || pipe2(answers, O_CLOEXEC)) return;
    pid_t child = fork();
    if (!child) {
        if (read(ends[0], &byte, 1) != 1) _exit(1);
        byte = getpgid(0) == getpid();
        setpriority(PRIO_PROCESS, 0, 1); /* what it says of itself does not take back what was said of it */
        if (write(answers[1], &byte, 1) != 1) _exit(1);
        execve("/proc/self/exe", (char *[]){"again", "wait", 0}, (char *[]){"AGAIN=quiet", 0});
        _exit(1);
    }
    close(answers[1]);
    say("the child's", S(setpgid, child, child));
    line("is %d", getpgid(child) == child);
    if (write(ends[1], &byte, 1) != 1 || read(answers[0], &byte, 1) != 1) return;
    line("the child knows %d", byte);
    line("executed %ld", (long)read(answers[0], &byte, 1));
    say("back", S(setpgid, child, getpgid(0)));
    line("is still %d", getpgid(child) == child);
    kill(child, SIGTERM);
    line("end %d", ended(child));
    child = fork();
    if (!child) { pause(); _exit(0); }
    say("another child's", S(setpgid, child, child));
    say("back", S(setpgid, child, getpgid(0)));
    line("is %d", getpgid(child) == getpgid(0));
    kill(child, SIGTERM);
    line("end %d", ended(child));
    child = fork();
    if (!child) {
        pid_t stranger = fork();
        if (!stranger) { setsid(); if (write(ends[1], &byte, 1) != 1) _exit(1); pause(); _exit(0); }
        if (read(ends[0], &byte, 1) != 1) _exit(1);
        say("one of another session", S(setpgid, stranger, 0));
        say("to that session's group", S(setpgid, 0, stranger));
        kill(stranger, SIGKILL);
        _exit(0);
    }
    line("end %d", ended(child));
    say("nobody's", S(setpgid, 4000000, 0));
    say("no group", S(setpgid, 0, -1));
}
WALK(getpgid) {
    line("mine %d", S(getpgid, 0) == S(getpgid, getpid()));
    say("nobody's", S(getpgid, 4000000));
}
WALK(setsid) {
    pid_t child = fork();
    if (!child) {
        int session = S(setsid);
        line("mine %d", session == getpid() && getpgid(0) == session && getsid(0) == session);
        say("again", S(setsid));
        _exit(0);
    }
    ended(child);
}
WALK(getsid) {
    pid_t child = fork();
    int mine = S(getsid, 0);
    if (!child) _exit(S(getsid, getppid()) == mine);
    line("the parent's is mine %d", ended(child));
    say("nobody's", S(getsid, 4000000));
}
/* Users: whoever runs the walk has no rights to become another. */
static void ids(const char *what, long r, int (*get)(uid_t *, uid_t *, uid_t *)) {
    uid_t a, b, c;
    get(&a, &b, &c);
    line("%s %s, all mine %d", what, answer(r), a == b && b == c && (a == getuid() || a == getgid()));
}
WALK(setuid) { ids("myself", S(setuid, getuid()), getresuid); ids("another", S(setuid, 12345), getresuid); }
WALK(setgid) { ids("myself", S(setgid, getgid()), getresgid); ids("another", S(setgid, 12345), getresgid); }
WALK(setreuid) { ids("myself", S(setreuid, getuid(), -1), getresuid); ids("another", S(setreuid, 12345, -1), getresuid); }
WALK(setregid) { ids("myself", S(setregid, -1, getgid()), getresgid); ids("another", S(setregid, -1, 12345), getresgid); }
WALK(setresuid) { ids("nothing", S(setresuid, -1, -1, -1), getresuid); ids("another", S(setresuid, -1, 12345, -1), getresuid); }
WALK(setresgid) { ids("nothing", S(setresgid, -1, -1, -1), getresgid); ids("another", S(setresgid, -1, -1, 12345), getresgid); }
WALK(setfsuid) { line("before %d", S(setfsuid, -1) == geteuid()); line("another %d", S(setfsuid, 12345) == geteuid());
                 line("still %d", S(setfsuid, -1) == geteuid()); }
WALK(setfsgid) { line("before %d", S(setfsgid, -1) == getegid()); line("another %d", S(setfsgid, 12345) == getegid());
                 line("still %d", S(setfsgid, -1) == getegid()); }
WALK(getuid) { struct stat st; fstat(file_of("f", ""), &st); line("owns what it makes %d", S(getuid) == st.st_uid); }
WALK(geteuid) { struct stat st; fstat(file_of("f", ""), &st); line("owns what it makes %d", S(geteuid) == st.st_uid); }
WALK(getgid) { struct stat st; fstat(file_of("f", ""), &st); line("owns what it makes %d", S(getgid) == st.st_gid); }
WALK(getegid) { struct stat st; fstat(file_of("f", ""), &st); line("owns what it makes %d", S(getegid) == st.st_gid); }
WALK(getresuid) { uid_t a[3]; say("get", S(getresuid, a, a + 1, a + 2)); line("%d", a[0] == getuid() && a[1] == geteuid()); }
WALK(getresgid) { gid_t a[3]; say("get", S(getresgid, a, a + 1, a + 2)); line("%d", a[0] == getgid() && a[1] == getegid()); }
WALK(getgroups) {
    gid_t groups[64];
    long count = S(getgroups, 0, 0L);
    line("as many %d", S(getgroups, 64, groups) == count);
    say("negative", S(getgroups, -1, groups));
}
WALK(setgroups) { gid_t group = getgid(); say("without the right", S(setgroups, 1, &group)); }
WALK(capget) {
    struct __user_cap_header_struct head = {0x20080522, 0};
    struct __user_cap_data_struct data[2] = {{9, 9, 9}};
    say("get", S(capget, &head, data));
    line("effective %x permitted %x", data[0].effective, data[0].permitted);
    head.version = 1;
    say("which version", S(capget, &head, 0L));
    line("version %x", head.version);
}
WALK(capset) {
    struct __user_cap_header_struct head = {0x20080522, 0};
    struct __user_cap_data_struct data[2] = {{0}};
    say("nothing", S(capset, &head, data));
    data[0].effective = data[0].permitted = 1 << CAP_SYS_ADMIN;
    say("more", S(capset, &head, data));
}
WALK(prctl) {
    char name[17] = "";
    int value = -1;
    say("name", S(prctl, PR_SET_NAME, "a name that is too long", 0L, 0L, 0L));
    say("get it", S(prctl, PR_GET_NAME, name, 0L, 0L, 0L));
    line("%s, %.15s", name, text_of("/proc/self/comm"));
    say("death signal", S(prctl, PR_SET_PDEATHSIG, (long)SIGUSR1, 0L, 0L, 0L));
    S(prctl, PR_GET_PDEATHSIG, &value, 0L, 0L, 0L);
    line("is %d", value);
    say("no new rights", S(prctl, PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L));
    say("is", S(prctl, PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L));
    line("shown %d", strstr(text_of("/proc/self/status"), "NoNewPrivs:\t1") != 0);
    say("subreaper", S(prctl, PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L));
    S(prctl, PR_GET_CHILD_SUBREAPER, &value, 0L, 0L, 0L);
    line("is %d", value);
    pid_t child = fork();
    if (!child) {
        pid_t orphan = fork();
        if (!orphan) { usleep(5000); _exit(6); }
        _exit(0);
    }
    line("child %d", ended(child));
    line("orphan %d", wait(&value) > 0 ? WEXITSTATUS(value) : -1);
    say("slack", S(prctl, PR_SET_TIMERSLACK, 1000L, 0L, 0L, 0L));
    say("is", S(prctl, PR_GET_TIMERSLACK, 0L, 0L, 0L, 0L));
    say("no huge pages", S(prctl, PR_SET_THP_DISABLE, 1L, 0L, 0L, 0L));
    say("is", S(prctl, PR_GET_THP_DISABLE, 0L, 0L, 0L, 0L));
    say("ambient rights", S(prctl, PR_CAP_AMBIENT, (long)PR_CAP_AMBIENT_IS_SET, 5L, 0L, 0L));
    say("raise one", S(prctl, PR_CAP_AMBIENT, (long)PR_CAP_AMBIENT_RAISE, 5L, 0L, 0L));
    say("clear them", S(prctl, PR_CAP_AMBIENT, (long)PR_CAP_AMBIENT_CLEAR_ALL, 0L, 0L, 0L));
    for (int i = 0; i < 4; i++) {
        static const long zero[] = {PR_GET_TIMING, PR_GET_SECUREBITS, PR_MCE_KILL_GET, PR_TASK_PERF_EVENTS_DISABLE};
        say("asked", S(prctl, zero[i], 0L, 0L, 0L, 0L));
    }
    say("rights for good", S(prctl, PR_CAPBSET_DROP, 5L, 0L, 0L, 0L));
    say("dumpable", S(prctl, PR_SET_DUMPABLE, 1L, 0L, 0L, 0L));
    say("is", S(prctl, PR_GET_DUMPABLE, 0L, 0L, 0L, 0L));
    say("dumpable", S(prctl, PR_SET_DUMPABLE, 0L, 0L, 0L, 0L));
    say("is", S(prctl, PR_GET_DUMPABLE, 0L, 0L, 0L, 0L));
    say("no such thing", S(prctl, 9999, 0L, 0L, 0L, 0L));
}
WALK(personality) {
    line("linux %d", S(personality, 0xffffffffL) == 0);
    say("no randomness", S(personality, 0x40000L));
    say("is", S(personality, 0xffffffffL));
}
/* Limits and accounts. */
WALK(getrlimit) {
    struct rlimit limit;
    say("get", S(getrlimit, RLIMIT_NOFILE, &limit));
    line("sound %d", limit.rlim_cur > 0 && limit.rlim_cur <= limit.rlim_max);
}
WALK(setrlimit) {
    struct rlimit limit = {10, 20}, more = {10, 30};
    say("set", S(setrlimit, RLIMIT_NOFILE, &limit));
    int last = -1, fd;
    while ((fd = dup(1)) >= 0) last = fd;
    line("last %d, %s", last, strerrorname_np(errno));
    say("more", S(setrlimit, RLIMIT_NOFILE, &more));
    limit = (struct rlimit){100, 100};
    note(SIGXFSZ, 0);
    say("file size", S(setrlimit, RLIMIT_FSIZE, &limit));
    close(last);
    fd = open("f", O_CREAT | O_RDWR, 0644);
    say("up to it", pwrite(fd, (char[200]){}, 200, 0));
    say("beyond", S(pwrite64, fd, "x", 1L, 100L));
    line("signal %d", took);
    limit = (struct rlimit){1, 1};
    say("processes", S(setrlimit, RLIMIT_NPROC, &limit));
    fd = fork();
    if (!fd) _exit(0);
    line("fork %s", fd < 0 ? strerrorname_np(errno) : "works");
}
WALK(prlimit64) {
    uint64_t new[2] = {5, 9}, old[2];
    say("set", S(prlimit64, 0, RLIMIT_CORE, new, 0L));
    say("get", S(prlimit64, getpid(), RLIMIT_CORE, 0L, old));
    line("%ld %ld", (long)old[0], (long)old[1]);
    say("of nobody", S(prlimit64, 4000000, RLIMIT_CORE, 0L, old));
    new[0] = 10;
    say("soft above hard", S(prlimit64, 0, RLIMIT_CORE, new, 0L));
}
/* Work until that shows: the host's kernel may count time by its ticks. */
static void work(void) {
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    do {
        for (volatile long i = 0; i < 1000000; i++);
        getrusage(RUSAGE_SELF, &after);
    } while (!timercmp(&after.ru_utime, &before.ru_utime, >));
}
WALK(getrusage) {
    struct rusage before, after, children;
    S(getrusage, RUSAGE_SELF, &before);
    pid_t child = fork();
    if (!child) { work(); _exit(0); }
    work();
    line("end %d", ended(child));
    say("mine", S(getrusage, RUSAGE_SELF, &after));
    line("more %d, memory %d", timercmp(&after.ru_utime, &before.ru_utime, >), after.ru_maxrss > 0);
    say("children's", S(getrusage, RUSAGE_CHILDREN, &children));
    line("more %d", children.ru_utime.tv_sec + children.ru_utime.tv_usec > 0);
    say("the thread's", S(getrusage, RUSAGE_THREAD, &after));
    say("nobody's", S(getrusage, 7, &after));
}
WALK(times) {
    struct tms t = {-1, -1, -1, -1};
    good("ticks", S(times, &t));
    line("sound %d", t.tms_utime >= 0 && t.tms_stime >= 0 && t.tms_cutime >= 0);
}
/* Scheduling. */
WALK(sched_yield) { say("yield", S(sched_yield)); }
WALK(sched_setscheduler) {
    struct sched_param none = {0}, some = {5};
    say("batch", S(sched_setscheduler, 0, SCHED_BATCH, &none));
    say("is", sched_getscheduler(0));
    pid_t child = fork();
    if (!child) _exit(sched_getscheduler(0));
    line("in a child %d", ended(child));
    say("priority", S(sched_setscheduler, 0, SCHED_BATCH, &some));
    say("no such policy", S(sched_setscheduler, 0, 77, &none));
}
WALK(sched_getscheduler) { say("usual", S(sched_getscheduler, 0)); say("nobody's", S(sched_getscheduler, 4000000)); }
WALK(sched_setparam) { struct sched_param p = {0}; say("0", S(sched_setparam, 0, &p)); p.sched_priority = 3; say("3", S(sched_setparam, 0, &p)); }
WALK(sched_getparam) { struct sched_param p = {9}; say("get", S(sched_getparam, 0, &p)); line("%d", p.sched_priority); }
WALK(sched_setattr) {
    struct { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t a, b, c; uint32_t d, e; }
        attr = {56, SCHED_OTHER, 0, 4, 0}, got = {0};
    say("nice", S(sched_setattr, 0, &attr, 0));
    say("is", getpriority(PRIO_PROCESS, 0));
    attr.policy = SCHED_IDLE;
    say("idle", S(sched_setattr, 0, &attr, 0));
    say("get", S(sched_getattr, 0, &got, 56, 0));
    line("policy %d", got.policy);
}
WALK(sched_getattr) {
    struct { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t a, b, c; uint32_t d, e; } got = {0};
    say("get", S(sched_getattr, 0, &got, 48, 0));
    line("size %d policy %d nice %d", got.size, got.policy, got.nice);
    say("too small", S(sched_getattr, 0, &got, 47, 0));
}
WALK(sched_setaffinity) {
    unsigned long set[16] = {0}, none[16] = {0};
    long size = S(sched_getaffinity, 0, 128L, set);
    say("what it has", S(sched_setaffinity, 0, size, set));
    say("none", S(sched_setaffinity, 0, 128L, none));
}
WALK(sched_getaffinity) {
    unsigned long set[16] = {0};
    line("whole words %d", S(sched_getaffinity, 0, 128L, set) % 8 == 0);
    line("some %d", set[0] != 0);
    say("odd size", S(sched_getaffinity, 0, 7L, set));
}
WALK(sched_get_priority_max) { for (int i = 0; i < 7; i++) say("policy", S(sched_get_priority_max, i)); }
WALK(sched_get_priority_min) { for (int i = 0; i < 7; i++) say("policy", S(sched_get_priority_min, i)); }
WALK(sched_rr_get_interval) { struct timespec t; say("get", S(sched_rr_get_interval, 0, &t)); say("nobody's", S(sched_rr_get_interval, 4000000, &t)); }
WALK(setpriority) {
    say("lower", S(setpriority, PRIO_PROCESS, 0, 5));
    say("raw", S(getpriority, PRIO_PROCESS, 0));
    say("higher", S(setpriority, PRIO_PROCESS, 0, 1));
    pid_t child = fork();
    if (!child) _exit(getpriority(PRIO_PROCESS, 0));
    line("in a child %d", ended(child));
    say("too low", S(setpriority, PRIO_PROCESS, 0, 100));
    say("raw", S(getpriority, PRIO_PROCESS, 0));
}
WALK(getpriority) { say("raw", S(getpriority, PRIO_PROCESS, 0)); say("nobody's", S(getpriority, PRIO_PROCESS, 4000000)); }
WALK(ioprio_set) {
    say("best effort", S(ioprio_set, 1, 0, 2 << 13 | 5));
    say("is", S(ioprio_get, 1, 0));
    say("idle", S(ioprio_set, 1, 0, 3 << 13));
    say("is", S(ioprio_get, 1, 0));
    say("no such class", S(ioprio_set, 1, 0, 5 << 13));
}
WALK(ioprio_get) { good("mine", S(ioprio_get, 1, 0)); say("nobody's", S(ioprio_get, 1, 4000000)); }
WALK(getcpu) {
    unsigned cpu = -1, node = -1;
    say("get", S(getcpu, &cpu, &node, 0L));
    line("sound %d", cpu < 4096 && node < 64);
}
WALK(unshare) { say("nothing", S(unshare, 0)); say("files", S(unshare, CLONE_FILES)); say("unknown", S(unshare, 1)); }
WALK(ptrace) { say("nobody", S(ptrace, 16L, 4000000L, 0L, 0L)); }
/* Threads that wait for each other. */
WALK(set_robust_list) {
    static struct { void *next; long offset; void *pending; } head = {&head, 0, 0};
    void *got = 0;
    size_t size = 0;
    say("set", S(set_robust_list, &head, 24L));
    S(get_robust_list, 0, &got, &size);
    line("is %d, size %ld", got == &head, (long)size);
    say("odd size", S(set_robust_list, &head, 20L));
}
static pthread_mutex_t robust;
static void *die_with_it(void *unused) { pthread_mutex_lock(&robust); return 0; }
WALK(get_robust_list) {
    pthread_mutexattr_t attr;
    pthread_t thread;
    void *head = 0;
    size_t size = 0;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&robust, &attr);
    say("get", S(get_robust_list, 0, &head, &size));
    line("size %ld", (long)size);
    pthread_create(&thread, 0, die_with_it, 0);
    pthread_join(thread, 0);
    line("owner died %s", strerrorname_np(pthread_mutex_lock(&robust)));
}
static uint32_t word, second;
static void *wake_later(void *target) {
    usleep(2000);
    __atomic_store_n((uint32_t *)target, 7, __ATOMIC_SEQ_CST);
    S(futex, target, FUTEX_WAKE, 1, 0L, 0L, 0);
    return 0;
}
/* What a wait answered that may have begun only when it was over already. */
static long waited(long r, long late) { return r == -EAGAIN ? late : r; }
WALK(futex) {
    pthread_t thread;
    say("another value", S(futex, &word, FUTEX_WAIT, 1, 0L, 0L, 0));
    say("time-out", S(futex, &word, FUTEX_WAIT, 0, &moment, 0L, 0));
    say("nobody waits", S(futex, &word, FUTEX_WAKE, 1, 0L, 0L, 0));
    pthread_create(&thread, 0, wake_later, &word);
    say("waited", waited(S(futex, &word, FUTEX_WAIT, 0, 0L, 0L, 0), 0));
    pthread_join(thread, 0);
    line("word %d", word);
    uint32_t *shared = mmap(0, PAGE, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child = fork();
    if (!child) { wake_later(shared); _exit(0); }
    say("shared", waited(S(futex, shared, FUTEX_WAIT, 0, 0L, 0L, 0), 0));
    line("child %d", ended(child));
    line("word %d", *shared);
    say("odd address", S(futex, (char *)&word + 1, FUTEX_WAKE, 1, 0L, 0L, 0));
    word = 0;
    say("lock", S(futex, &word, FUTEX_LOCK_PI, 0, 0L, 0L, 0));
    line("mine %d", word == S(gettid));
    say("unlock", S(futex, &word, FUTEX_UNLOCK_PI, 0, 0L, 0L, 0));
    word = 3; second = 10;
    say("wake and add", S(futex, &word, FUTEX_WAKE_OP, 1, 1L, &second, FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_EQ, 10)));
    line("second %d", second);
}
WALK(futex_waitv) {
    struct { uint64_t value, address; uint32_t flags, unused; } waits[2] = {{0, (long)&word, 2}, {0, (long)&second, 2}};
    struct timespec past = {0, 1};
    pthread_t thread;
    say("time-out", S(futex_waitv, waits, 2, 0, &past, CLOCK_MONOTONIC));
    pthread_create(&thread, 0, wake_later, &second);
    say("the second", waited(S(futex_waitv, waits, 2, 0, 0L, 0), 1));
    pthread_join(thread, 0);
    say("another value", S(futex_waitv, waits, 2, 0, 0L, 0));
    say("none", S(futex_waitv, waits, 0, 0, 0L, 0));
    say("many", S(futex_waitv, waits, 129, 0, 0L, 0));
    waits[0].flags = 1;
    say("another size", S(futex_waitv, waits, 2, 0, 0L, 0));
    waits[0].flags = 2; waits[0].unused = 1;
    say("reserved", S(futex_waitv, waits, 2, 0, 0L, 0));
    uint32_t *shared = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    waits[0].unused = 0; waits[0].address = (long)shared; waits[1].value = second;
    pid_t child = fork();
    if (!child) { while (S(futex, shared, FUTEX_WAKE, 1, 0L, 0L, 0) < 1) usleep(1000); _exit(0); }
    say("another process wakes", S(futex_waitv, waits, 2, 0, 0L, 0));
    line("it ends with %d", ended(child));
    pthread_create(&thread, 0, wake_later, &second);
    say("its own", waited(S(futex_waitv, waits, 2, 0, 0L, 0), 1));
    pthread_join(thread, 0);
    say("nobody waits", S(futex, shared, FUTEX_WAKE, 1, 0L, 0L, 0));
}
WALK(rseq) {
    static char area[64] __attribute__((aligned(64)));
    say("odd place", S(rseq, area + 1, 32, 0, 0x53053053));
    say("unknown flag", S(rseq, area, 32, 4, 0x53053053));
}
WALK(membarrier) {
    line("known %d", (S(membarrier, 0, 0, 0) & 0x19) == 0x19);
    say("not registered", S(membarrier, 8, 0, 0));
    say("register", S(membarrier, 16, 0, 0));
    say("private", S(membarrier, 8, 0, 0));
    say("unknown", S(membarrier, 3, 0, 0));
}
