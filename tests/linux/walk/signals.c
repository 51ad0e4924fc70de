/* Signals, timers and clocks. */

WALK(rt_sigaction) {
    struct sigaction old;
    note(SIGUSR1, SA_RESETHAND | 0x20000400);
    sigaction(SIGUSR1, 0, &old);
    line("flags %x", old.sa_flags & ~0x04000000);
    raise(SIGUSR1);
    line("signal %d", took);
    sigaction(SIGUSR1, 0, &old);
    line("back to default %d", old.sa_handler == SIG_DFL);
    say("kill cannot be caught", S(rt_sigaction, SIGKILL, &old, 0L, 8L));
    say("size", S(rt_sigaction, SIGUSR1, 0L, 0L, 4L));
    block(SIGUSR2);
    raise(SIGUSR2);
    line("pending %d", pending());
    signal(SIGUSR2, SIG_IGN);
    line("ignored %d", pending());
}
WALK(rt_sigprocmask) {
    uint64_t set = bit(SIGUSR1), old = 0;
    note(SIGUSR1, 0);
    say("block", S(rt_sigprocmask, SIG_BLOCK, &set, 0L, 8L));
    raise(SIGUSR1);
    line("held %d", took);
    say("unblock", S(rt_sigprocmask, SIG_UNBLOCK, &set, &old, 8L));
    line("come %d, old %d", took, old == set);
    set = -1;
    say("all", S(rt_sigprocmask, SIG_SETMASK, &set, 0L, 8L));
    S(rt_sigprocmask, 0, 0L, &old, 8L);
    line("but two %lx", (long)~old);
}
WALK(rt_sigpending) {
    uint64_t set = -1;
    block(SIGTERM);
    say("none", S(rt_sigpending, &set, 8L));
    line("%lx", (long)set);
    kill(getpid(), SIGTERM);
    say("one", S(rt_sigpending, &set, 8L));
    line("%lx", (long)set);
}
WALK(rt_sigsuspend) {
    uint64_t none = 0, mask = 0;
    note(SIGUSR1, 0);
    block(SIGUSR1);
    raise(SIGUSR1);
    say("wait", S(rt_sigsuspend, &none, 8L));
    S(rt_sigprocmask, 0, 0L, &mask, 8L);
    line("signal %d, still blocked %d", took, mask == bit(SIGUSR1));
}
WALK(rt_sigtimedwait) {
    uint64_t set = bit(SIGUSR1) | bit(SIGRTMIN);
    siginfo_t info = {0};
    block(SIGUSR1);
    block(SIGRTMIN);
    say("nothing", S(rt_sigtimedwait, &set, &info, &zero_time, 8L));
    say("for a time", S(rt_sigtimedwait, &set, &info, &moment, 8L));
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 3});
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 4});
    raise(SIGUSR1);
    say("first", S(rt_sigtimedwait, &set, &info, 0L, 8L));
    say("second", S(rt_sigtimedwait, &set, &info, 0L, 8L));
    line("value %d code %d", info.si_value.sival_int, info.si_code);
    say("third", S(rt_sigtimedwait, &set, &info, 0L, 8L));
    line("value %d", info.si_value.sival_int);
}
WALK(rt_sigqueueinfo) {
    siginfo_t info = {.si_code = SI_QUEUE};
    info.si_value.sival_int = 55;
    note(SIGUSR1, 0);
    say("to me", S(rt_sigqueueinfo, getpid(), SIGUSR1, &info));
    line("signal %d value %d", took, taken.si_value.sival_int);
    pid_t parent = getpid(), child = fork();
    if (!child) {
        info.si_value.sival_int = 66;
        info.si_pid = 77;
        _exit(-S(rt_sigqueueinfo, parent, SIGUSR1, &info));
    }
    line("end %d", ended(child));
    line("value %d code %d", taken.si_value.sival_int, taken.si_code);
    say("nobody", S(rt_sigqueueinfo, 4000000, SIGUSR1, &info));
}
WALK(rt_tgsigqueueinfo) {
    siginfo_t info = {.si_code = SI_QUEUE};
    info.si_value.sival_int = 55;
    note(SIGUSR1, 0);
    say("to me", S(rt_tgsigqueueinfo, getpid(), getpid(), SIGUSR1, &info));
    line("signal %d value %d", took, taken.si_value.sival_int);
}
static int depth_of(void) { char here; static char *first; if (!first) first = &here; return first - &here; }
WALK(rt_sigreturn) {
    uint64_t mask = 0;
    note(SIGUSR1, SA_NODEFER);
    raise(SIGUSR1);
    S(rt_sigprocmask, 0, 0L, &mask, 8L);
    line("went on after signal %d, mask %lx", took, (long)mask);
}
static void on_other_stack(int number) {
    stack_t now;
    S(sigaltstack, 0L, &now);
    line("on it %d", now.ss_flags == SS_ONSTACK);
    say("change it there", S(sigaltstack, &(stack_t){.ss_flags = SS_DISABLE}, 0L));
}
WALK(sigaltstack) {
    stack_t other = {pages(16), 0, 16 * PAGE}, old;
    say("set", S(sigaltstack, &other, &old));
    line("none before %d", old.ss_flags == SS_DISABLE);
    struct sigaction action = {.sa_handler = on_other_stack, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, 0);
    raise(SIGUSR1);
    other.ss_size = 100;
    say("too small", S(sigaltstack, &other, 0L));
}
WALK(kill) {
    note(SIGUSR1, 0);
    say("myself", S(kill, getpid(), SIGUSR1));
    line("signal %d code %d from me %d", took, taken.si_code, taken.si_pid == getpid());
    pid_t child = fork();
    if (!child) { pause(); _exit(0); }
    say("is there", S(kill, child, 0));
    say("end it", S(kill, child, SIGKILL));
    line("end %d", ended(child));
    say("is there", S(kill, child, 0));
    say("no such signal", S(kill, getpid(), 65));
    /* A stop and a continuation that wait put each other out. */
    block(SIGTSTP);
    block(SIGCONT);
    note(SIGCONT, 0);
    raise(SIGTSTP);
    line("pending %d", pending());
    raise(SIGCONT);
    line("pending %d", pending());
    raise(SIGTSTP);
    line("pending %d", pending());
    child = fork();
    if (!child) { kill(getppid(), SIGCONT); _exit(0); }
    line("end %d", ended(child));
    line("pending %d", pending());
}
WALK(tkill) {
    note(SIGUSR1, 0);
    say("myself", S(tkill, gettid(), SIGUSR1));
    line("signal %d code %d", took, taken.si_code);
    say("nobody", S(tkill, 4000000, SIGUSR1));
}
static void *wait_for_usr1(void *done) {
    uint64_t set = bit(SIGUSR1);
    S(rt_sigtimedwait, &set, 0L, 0L, 8L);
    *(int *)done = 1;
    return 0;
}
WALK(tgkill) {
    pthread_t thread;
    int done = 0, tid;
    block(SIGUSR1);
    pthread_create(&thread, 0, wait_for_usr1, &done);
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *entry;
    while ((entry = readdir(tasks))) if (atoi(entry->d_name) && atoi(entry->d_name) != getpid()) tid = atoi(entry->d_name);
    say("a thread", S(tgkill, getpid(), tid, SIGUSR1));
    pthread_join(thread, 0);
    line("got it %d, I %d", done, pending());
    say("another's thread", S(tgkill, getppid(), tid, SIGUSR1));
}
/* Timers. */
WALK(setitimer) {
    struct itimerval soon = {{0, 0}, {0, 2000}}, far = {{1, 2}, {1000, 0}}, old;
    uint64_t none = 0;
    note(SIGALRM, 0);
    note(SIGVTALRM, 0);
    note(SIGPROF, 0);
    say("far", S(setitimer, ITIMER_REAL, &far, 0L));
    block(SIGALRM);
    say("soon", S(setitimer, ITIMER_REAL, &soon, &old));
    line("old %d", old.it_value.tv_sec >= 999 && old.it_interval.tv_usec == 2);
    S(rt_sigsuspend, &none, 8L);
    line("signal %d", took);
    say("virtual", S(setitimer, ITIMER_VIRTUAL, &soon, 0L));
    while (took != SIGVTALRM) ;
    line("signal %d", took);
    say("profile", S(setitimer, ITIMER_PROF, &soon, 0L));
    while (took != SIGPROF) ;
    line("signal %d", took);
}
WALK(getitimer) {
    struct itimerval far = {{1, 2}, {1000, 0}}, got;
    say("none", S(getitimer, ITIMER_REAL, &got));
    line("%ld", got.it_value.tv_sec);
    setitimer(ITIMER_REAL, &far, 0);
    say("far", S(getitimer, ITIMER_REAL, &got));
    line("left %d, interval %ld", got.it_value.tv_sec >= 999, got.it_interval.tv_usec);
}
WALK(timer_create) {
    int timer = -1;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    say("create", S(timer_create, CLOCK_MONOTONIC, &event, &timer));
    line("number %d", timer);
    say("second", S(timer_create, CLOCK_REALTIME, 0L, &timer));
    line("number %d", timer);
    say("no such clock", S(timer_create, 77, 0L, &timer));
}
WALK(timer_settime) {
    int timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    event.sigev_value.sival_int = 9;
    struct itimerspec soon = {{0, 0}, {0, MS}}, far = {{0, 0}, {1000, 0}}, old;
    note(SIGUSR1, 0);
    S(timer_create, CLOCK_MONOTONIC, &event, &timer);
    say("far", S(timer_settime, timer, 0, &far, 0L));
    block(SIGUSR1);
    say("soon", S(timer_settime, timer, 0, &soon, &old));
    line("old %d", old.it_value.tv_sec == 999);
    uint64_t none = 0;
    S(rt_sigsuspend, &none, 8L);
    line("signal %d code %d value %d", took, taken.si_code, taken.si_value.sival_int);
    say("absolute, past", S(timer_settime, timer, TIMER_ABSTIME, &soon, 0L));
    S(rt_sigsuspend, &none, 8L);
    say("no such timer", S(timer_settime, 77, 0, &soon, 0L));
}
WALK(timer_gettime) {
    int timer;
    struct itimerspec set = {{3, 4}, {1000, 0}}, got;
    S(timer_create, CLOCK_REALTIME, 0L, &timer);
    S(timer_settime, timer, 0, &set, 0L);
    say("get", S(timer_gettime, timer, &got));
    line("left %d, interval %ld.%ld", got.it_value.tv_sec == 999, got.it_interval.tv_sec, got.it_interval.tv_nsec);
}
WALK(timer_getoverrun) {
    int timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerspec often = {{0, MS}, {0, MS}}, off = {0};
    uint64_t set = bit(SIGUSR1);
    block(SIGUSR1);
    S(timer_create, CLOCK_MONOTONIC, &event, &timer);
    S(timer_settime, timer, 0, &often, 0L);
    usleep(20000);
    S(rt_sigtimedwait, &set, 0L, 0L, 8L);
    line("many %d", S(timer_getoverrun, timer) > 5);
}
WALK(timer_delete) {
    int timer;
    S(timer_create, CLOCK_MONOTONIC, 0L, &timer);
    say("delete", S(timer_delete, timer));
    say("again", S(timer_delete, timer));
}
/* Clocks. */
WALK(clock_gettime) {
    struct timespec t;
    for (int clock = 0; clock < 13; clock++)
        if (clock < 8 || clock > 9) say("clock", S(clock_gettime, clock, &t)); /* those two need an alarm of the board */
    long before = now_of(CLOCK_MONOTONIC);
    usleep(2000);
    line("moves %d", now_of(CLOCK_MONOTONIC) - before >= 2 * MS);
    say("a process's", S(clock_gettime, ~(long)getpid() << 3 | 2, &t));
}
WALK(clock_settime) { struct timespec t = {1000, 0}; say("without the right", S(clock_settime, CLOCK_REALTIME, &t));
                      say("steady", S(clock_settime, CLOCK_MONOTONIC, &t)); }
WALK(clock_getres) {
    struct timespec t = {5, 5};
    say("real", S(clock_getres, CLOCK_REALTIME, &t));
    line("%ld.%ld", t.tv_sec, t.tv_nsec);
    say("process", S(clock_getres, CLOCK_PROCESS_CPUTIME_ID, &t));
    line("%ld.%ld", t.tv_sec, t.tv_nsec);
    say("no such clock", S(clock_getres, 77, &t));
}
static void nothing(int number) {}
/* Interrupt the parent every 20 ms from 2 ms on until it is ended. */
static pid_t disturb(void) {
    struct itimerval often = {{0, 20000}, {0, 2000}};
    signal(SIGALRM, nothing);
    return setitimer(ITIMER_REAL, &often, 0);
}
WALK(nanosleep) {
    struct timespec long_time = {50, 0}, left = {0};
    long before = now_of(CLOCK_MONOTONIC);
    say("sleep", S(nanosleep, &moment, &left));
    line("slept %d", now_of(CLOCK_MONOTONIC) - before >= 2 * MS);
    disturb();
    say("interrupted", S(nanosleep, &long_time, &left));
    line("left %ld", left.tv_sec);
    long_time.tv_nsec = 1000000000;
    say("odd", S(nanosleep, &long_time, &left));
}
WALK(clock_nanosleep) {
    struct timespec past = {0, 1}, left = {0}, long_time = {50, 0};
    long before = now_of(CLOCK_MONOTONIC);
    say("for a time", S(clock_nanosleep, CLOCK_MONOTONIC, 0, &moment, 0L));
    line("slept %d", now_of(CLOCK_MONOTONIC) - before >= 2 * MS);
    say("until a time that is past", S(clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &past, 0L));
    disturb();
    say("interrupted", S(clock_nanosleep, CLOCK_REALTIME, 0, &long_time, &left));
    line("left %ld", left.tv_sec);
    struct itimerval off = {0};
    setitimer(ITIMER_REAL, &off, 0);
    say("by a thread's time", S(clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &moment, 0L));
}
static volatile int stop;
static void *busy(void *unused) { while (!stop) ; return 0; }
WALK(clock_nanosleep_cpu) {
    pthread_t thread;
    pthread_create(&thread, 0, busy, 0);
    long before = now_of(CLOCK_PROCESS_CPUTIME_ID);
    say("for a time of the process", S(clock_nanosleep, CLOCK_PROCESS_CPUTIME_ID, 0, &moment, 0L));
    line("used %d", now_of(CLOCK_PROCESS_CPUTIME_ID) - before >= 2 * MS);
    before = now_of(CLOCK_PROCESS_CPUTIME_ID) + 2 * MS;
    struct timespec until = {before / 1000000000, before % 1000000000};
    say("until", S(clock_nanosleep, CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME, &until, 0L));
    line("used %d", now_of(CLOCK_PROCESS_CPUTIME_ID) >= before);
    stop = 1;
    pthread_join(thread, 0);
    disturb();
    say("nobody works", S(clock_nanosleep, CLOCK_PROCESS_CPUTIME_ID, 0, &moment, 0L));
}
WALK(gettimeofday) {
    struct timeval t;
    say("get", S(gettimeofday, &t, 0L));
    long now = now_of(CLOCK_REALTIME) / 1000;
    line("same %d", now - (t.tv_sec * 1000000 + t.tv_usec) < 10000000);
}
WALK(settimeofday) { struct timeval t = {1000, 0}; say("without the right", S(settimeofday, &t, 0L)); }
WALK(adjtimex) {
    struct timex t = {.modes = ADJ_FREQUENCY};
    say("without the right", S(adjtimex, &t));
    t.modes = 0;
    good("look", S(adjtimex, &t));
    line("time %d, tick %ld", t.time.tv_sec > 1000000000, t.tick);
}
WALK(clock_adjtime) {
    struct timex t = {.modes = 0};
    good("look", S(clock_adjtime, CLOCK_REALTIME, &t));
    line("tick %ld", t.tick);
    say("another clock", S(clock_adjtime, CLOCK_MONOTONIC, &t));
    say("no clock", S(clock_adjtime, 99, &t));
    t.modes = ADJ_FREQUENCY;
    say("without the right", S(clock_adjtime, CLOCK_REALTIME, &t));
}
