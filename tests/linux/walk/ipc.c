/* System V shared memory, semaphores and messages. */

/* The head of a table of /proc/sysvipc. */
static void head_of(const char *name) {
    char *text = text_of(name);
    text[strcspn(text, "\n")] = 0;
    line("%s", text);
}
static int touched(volatile char *at) {
    pid_t child = fork();
    if (!child) { signal(SIGSEGV, SIG_DFL); _exit(*at); }
    return ended(child);
}
WALK(shmget) {
    key_t key = 0x51000000 | (getpid() & 0xffffff);
    int id = S(shmget, key, 5000L, IPC_CREAT | IPC_EXCL | 0600);
    good("create", id);
    say("exclusive", S(shmget, key, 5000L, IPC_CREAT | IPC_EXCL | 0600));
    line("same %d", S(shmget, key, 100L, 0) == id);
    say("too large", S(shmget, key, 9000L, 0));
    int nobody = S(shmget, IPC_PRIVATE, 100L, 0600), another = S(shmget, IPC_PRIVATE, 100L, 0600);
    line("private ones differ %d", nobody != another);
    say("size 0", S(shmget, IPC_PRIVATE, 0L, 0600));
    shmctl(id, IPC_RMID, 0); shmctl(nobody, IPC_RMID, 0); shmctl(another, IPC_RMID, 0);
    say("removed", S(shmget, key, 100L, 0));
}
WALK(shmat) {
    int id = shmget(IPC_PRIVATE, 5000, 0600);
    char *a = (char *)S(shmat, id, 0L, 0), *b = (char *)S(shmat, id, 0L, SHM_RDONLY);
    strcpy(a, "hello");
    line("twice %s, zero after it %d", b, a[8191]);
    pid_t child = fork();
    if (!child) { strcpy(a, "child"); _exit(0); }
    line("end %d, %s", ended(child), b);
    child = fork();
    if (!child) { signal(SIGSEGV, SIG_DFL); b[0] = 1; _exit(0); }
    line("read only %d", ended(child));
    char *fixed = pages(2);
    say("taken", S(shmat, id, fixed, 0));
    line("over it %d", (char *)S(shmat, id, fixed, SHM_REMAP) == fixed);
    line("rounded %d, %s", (char *)S(shmat, id, (munmap(fixed, 2 * PAGE), fixed + 5), SHM_RND) == fixed, fixed);
    say("odd place", S(shmat, id, fixed + 5, 0));
    say("no such segment", S(shmat, 0x7ffffff, 0L, 0));
    struct shmid_ds ds;
    shmctl(id, IPC_RMID, 0);
    say("removed, but attached", S(shmat, id, 0L, 0) < 0);
    shmctl(id, IPC_STAT, &ds);
    line("attached %ld, mode %o", (long)ds.shm_nattch, ds.shm_perm.mode);
}
WALK(shmdt) {
    int id = shmget(IPC_PRIVATE, 5000, 0600);
    struct shmid_ds ds;
    char *a = shmat(id, 0, 0);
    shmctl(id, IPC_STAT, &ds);
    line("attached %ld", (long)ds.shm_nattch);
    say("detach", S(shmdt, a));
    line("touch %d", touched(a));
    shmctl(id, IPC_STAT, &ds);
    line("attached %ld", (long)ds.shm_nattch);
    say("again", S(shmdt, a));
    a = shmat(id, 0, 0);
    pid_t child = fork();
    if (!child) { shmctl(id, IPC_STAT, &ds); _exit(ds.shm_nattch); }
    line("after a fork %d", ended(child));
    child = fork();
    if (!child) { kill(getpid(), SIGKILL); }
    line("end %d", ended(child));
    shmctl(id, IPC_STAT, &ds);
    line("attached %ld", (long)ds.shm_nattch);
    child = fork();
    if (!child) { execve("/proc/self/exe", (char *[]){"again", "attached", 0}, (char *[]){"AGAIN=quiet", 0}); _exit(1); }
    line("end %d", ended(child));
    shmctl(id, IPC_STAT, &ds);
    line("attached %ld, last by a child %d", (long)ds.shm_nattch, ds.shm_lpid == child);
    shmctl(id, IPC_RMID, 0);
    shmdt(a);
    say("gone", shmctl(id, IPC_STAT, &ds) ? -errno : 0);
}
WALK(shmctl) {
    int id = shmget(IPC_PRIVATE, 5000, 0640);
    struct shmid_ds ds = {0};
    say("stat", S(shmctl, id, IPC_STAT, &ds));
    line("size %ld mode %o mine %d by me %d times %d %d %d", (long)ds.shm_segsz, ds.shm_perm.mode, ds.shm_perm.uid == getuid(),
         ds.shm_cpid == getpid(), ds.shm_atime == 0, ds.shm_dtime == 0, ds.shm_ctime != 0);
    ds.shm_perm.mode = 0600;
    say("set", S(shmctl, id, IPC_SET, &ds));
    say("stat", S(shmctl, id, IPC_STAT, &ds));
    line("mode %o", ds.shm_perm.mode);
    struct shminfo limits;
    good("limits", S(shmctl, 0, IPC_INFO, &limits));
    line("%lx %ld %ld", (long)limits.shmmax, (long)limits.shmmin, (long)limits.shmmni);
    say("lock", S(shmctl, id, SHM_LOCK, 0L));
    shmctl(id, IPC_STAT, &ds);
    line("mode %o", ds.shm_perm.mode);
    head_of("/proc/sysvipc/shm");
    say("remove", S(shmctl, id, IPC_RMID, 0L));
    say("again", S(shmctl, id, IPC_RMID, 0L));
    say("no such command", S(shmctl, id, 99, 0L));
}
WALK(semget) {
    key_t key = 0x52000000 | (getpid() & 0xffffff);
    int id = S(semget, key, 3, IPC_CREAT | IPC_EXCL | 0600);
    good("create", id);
    say("exclusive", S(semget, key, 3, IPC_CREAT | IPC_EXCL | 0600));
    line("same %d", S(semget, key, 2, 0) == id);
    say("too many", S(semget, key, 4, 0));
    say("none", S(semget, IPC_PRIVATE, 0, 0600));
    semctl(id, 0, IPC_RMID);
    say("removed", S(semget, key, 1, 0));
}
WALK(semctl) {
    int id = semget(IPC_PRIVATE, 3, 0640);
    unsigned short values[3] = {4, 5, 6}, got[3] = {0};
    struct semid_ds ds = {0};
    say("set one", S(semctl, id, 1, SETVAL, 9L));
    say("get", S(semctl, id, 1, GETVAL));
    line("by me %d", S(semctl, id, 1, GETPID) == getpid());
    say("set all", S(semctl, id, 0, SETALL, values));
    say("get all", S(semctl, id, 0, GETALL, got));
    line("%d %d %d", got[0], got[1], got[2]);
    say("waiting", S(semctl, id, 0, GETNCNT));
    say("waiting for 0", S(semctl, id, 0, GETZCNT));
    say("stat", S(semctl, id, 0, IPC_STAT, &ds));
    line("count %ld mode %o mine %d times %d %d", (long)ds.sem_nsems, ds.sem_perm.mode, ds.sem_perm.uid == getuid(),
         ds.sem_otime == 0, ds.sem_ctime != 0);
    say("too great", S(semctl, id, 1, SETVAL, 32768L));
    say("no such semaphore", S(semctl, id, 3, GETVAL));
    head_of("/proc/sysvipc/sem");
    say("remove", S(semctl, id, 0, IPC_RMID));
    say("again", S(semctl, id, 0, IPC_RMID));
}
WALK(semop) {
    int id = semget(IPC_PRIVATE, 2, 0600);
    struct sembuf up = {0, 2, 0}, down = {0, -1, 0}, try = {0, -2, IPC_NOWAIT}, zero = {1, 0, 0};
    struct sembuf both[2] = {{0, -1, IPC_NOWAIT}, {1, -1, IPC_NOWAIT}}, undo = {1, 1, SEM_UNDO};
    say("up", S(semop, id, &up, 1L));
    say("down", S(semop, id, &down, 1L));
    say("would wait", S(semop, id, &try, 1L));
    say("both or none", S(semop, id, both, 2L));
    say("value", semctl(id, 0, GETVAL));
    say("is 0", S(semop, id, &zero, 1L));
    pid_t child = fork();
    if (!child) { S(semop, id, &undo, 1L); _exit(semctl(id, 1, GETVAL)); }
    int end = ended(child);
    line("in the child %d, undone %d", end, semctl(id, 1, GETVAL));
    child = fork();
    if (!child) { S(semop, id, &undo, 1L); kill(getpid(), SIGKILL); }
    end = ended(child);
    line("killed %d, undone %d", end, semctl(id, 1, GETVAL));
    child = fork();
    if (!child) { usleep(3000); up.sem_num = 1; S(semop, id, &up, 1L); _exit(0); }
    down.sem_num = 1;
    say("waited", S(semop, id, &down, 1L));
    end = ended(child);
    line("end %d, value %d", end, semctl(id, 1, GETVAL));
    child = fork();
    if (!child) { while (semctl(id, 0, GETNCNT) == 0) usleep(1000); semctl(id, 0, IPC_RMID); _exit(0); }
    down = (struct sembuf){0, -5, 0};
    say("removed meanwhile", S(semop, id, &down, 1L));
    line("end %d", ended(child));
    say("no such set", S(semop, id, &down, 1L));
}
WALK(semtimedop) {
    int id = semget(IPC_PRIVATE, 1, 0600);
    struct sembuf down = {0, -1, 0}, far = {5, 1, 0};
    say("time-out", S(semtimedop, id, &down, 1L, &moment));
    say("no such semaphore", S(semtimedop, id, &far, 1L, &moment));
    disturb();
    say("a signal", S(semtimedop, id, &down, 1L, 0L));
    semctl(id, 0, IPC_RMID);
}
struct message { long kind; char text[16]; };
WALK(msgget) {
    key_t key = 0x53000000 | (getpid() & 0xffffff);
    int id = S(msgget, key, IPC_CREAT | IPC_EXCL | 0600);
    good("create", id);
    say("exclusive", S(msgget, key, IPC_CREAT | IPC_EXCL | 0600));
    line("same %d", S(msgget, key, 0) == id);
    msgctl(id, IPC_RMID, 0);
    say("removed", S(msgget, key, 0));
}
WALK(msgsnd) {
    int id = msgget(IPC_PRIVATE, 0600);
    struct message m = {3, "hello"};
    say("send", S(msgsnd, id, &m, 6L, 0));
    m.kind = 0;
    say("no kind", S(msgsnd, id, &m, 6L, 0));
    m.kind = 1;
    say("too long", S(msgsnd, id, &m, 100000L, 0));
    struct msqid_ds ds;
    msgctl(id, IPC_STAT, &ds);
    ds.msg_qbytes = 512;
    msgctl(id, IPC_SET, &ds);
    int count = 0;
    while (S(msgsnd, id, &m, 16L, IPC_NOWAIT) == 0) count++;
    say("full", S(msgsnd, id, &m, 16L, IPC_NOWAIT));
    line("took %d", count);
    pid_t child = fork();
    if (!child) { usleep(3000); for (int i = 0; i < 3; i++) S(msgrcv, id, &m, 16L, 0L, 0); _exit(0); }
    say("waited", S(msgsnd, id, &m, 16L, 0));
    line("end %d", ended(child));
    msgctl(id, IPC_RMID, 0);
}
WALK(msgrcv) {
    int id = msgget(IPC_PRIVATE, 0600);
    struct message m = {0}, two = {2, "two"}, five = {5, "five"}, three = {3, "three"};
    msgsnd(id, &five, 5, 0); msgsnd(id, &two, 4, 0); msgsnd(id, &three, 6, 0); msgsnd(id, &two, 4, 0);
    say("this kind", S(msgrcv, id, &m, 16L, 2L, 0));
    line("kind %ld %s", m.kind, m.text);
    say("least kind up to 4", S(msgrcv, id, &m, 16L, -4L, 0));
    line("kind %ld %s", m.kind, m.text);
    say("another kind", S(msgrcv, id, &m, 16L, 5L, MSG_EXCEPT));
    line("kind %ld %s", m.kind, m.text);
    say("too long", S(msgrcv, id, &m, 2L, 0L, 0));
    say("cut", S(msgrcv, id, &m, 2L, 0L, MSG_NOERROR));
    line("kind %ld %.2s", m.kind, m.text);
    say("none", S(msgrcv, id, &m, 2L, 0L, IPC_NOWAIT));
    pid_t child = fork();
    if (!child) { usleep(3000); msgsnd(id, &five, 5, 0); _exit(0); }
    say("waited", S(msgrcv, id, &m, 16L, 0L, 0));
    line("end %d, kind %ld %s", ended(child), m.kind, m.text);
    disturb();
    say("a signal", S(msgrcv, id, &m, 16L, 0L, 0));
    msgctl(id, IPC_RMID, 0);
}
WALK(msgctl) {
    int id = msgget(IPC_PRIVATE, 0620);
    struct msqid_ds ds = {0};
    struct message m = {3, "hello"};
    msgsnd(id, &m, 6, 0);
    say("stat", S(msgctl, id, IPC_STAT, &ds));
    line("messages %ld bytes %ld of %ld, mode %o, by me %d, times %d %d", (long)ds.msg_qnum, (long)ds.__msg_cbytes,
         (long)ds.msg_qbytes, ds.msg_perm.mode, ds.msg_lspid == getpid(), ds.msg_stime != 0, ds.msg_rtime == 0);
    ds.msg_qbytes = 6;
    say("less room", S(msgctl, id, IPC_SET, &ds));
    say("full", S(msgsnd, id, &m, 1L, IPC_NOWAIT));
    ds.msg_qbytes = 100000;
    say("more than allowed", S(msgctl, id, IPC_SET, &ds));
    struct msginfo limits;
    good("limits", S(msgctl, 0, IPC_INFO, (void *)&limits));
    line("%d %d", limits.msgmax, limits.msgmnb);
    head_of("/proc/sysvipc/msg");
    say("remove", S(msgctl, id, IPC_RMID, 0L));
    say("gone", S(msgsnd, id, &m, 1L, IPC_NOWAIT));
}
