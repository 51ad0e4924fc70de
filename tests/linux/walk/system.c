/* The machine, its names, randomness, and what needs rights. */

WALK(uname) {
    struct utsname u;
    say("get", S(uname, &u));
    line("%s, more %d %d", u.sysname, u.nodename[0] != 0, u.release[0] >= '4');
}
WALK(sethostname) { say("without the right", S(sethostname, "x", 1L)); }
WALK(sysinfo) {
    struct sysinfo s;
    say("get", S(sysinfo, &s));
    line("memory %d, unit %d, processes %d", s.totalram * s.mem_unit >= 64 << 20, s.mem_unit > 0, s.procs > 0);
}
WALK(getrandom) {
    unsigned char a[64] = {0}, b[64] = {0};
    say("some", S(getrandom, a, 64L, 0));
    say("more", S(getrandom, b, 64L, GRND_NONBLOCK | GRND_RANDOM));
    line("different %d", memcmp(a, b, 64) != 0);
    say("unknown flag", S(getrandom, a, 64L, 16));
}
WALK(reboot) { say("without the right", S(reboot, 1, 2, 3, 0L)); }
WALK(mount) { say("without the right", S(mount, "none", "/proc", "proc", 0L, 0L)); }
WALK(umount2) { say("without the right", S(umount2, "/proc", 0)); }
