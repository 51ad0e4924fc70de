/* Every system call with arguments that make no sense. The process must live, and say so. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Those that end or stop the process, or wait, or take its memory, its stack or its output, when they do what they are told. */
static const short without[] = {
    SYS_exit, SYS_exit_group, SYS_kill, SYS_tkill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo,
    SYS_rt_sigreturn, SYS_clone, SYS_clone3, SYS_close, SYS_close_range, SYS_dup3, SYS_munmap, SYS_mremap, SYS_mmap,
    SYS_mprotect, SYS_madvise, SYS_brk, SYS_ppoll, SYS_pselect6, SYS_epoll_pwait, SYS_futex, SYS_rt_sigsuspend,
    SYS_set_robust_list, SYS_set_tid_address, SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_setitimer, SYS_prctl, SYS_read,
    SYS_readv, SYS_preadv2, SYS_setuid, SYS_setgid, SYS_setresuid, SYS_setresgid, SYS_setreuid, SYS_setregid,
    SYS_setgroups, SYS_rt_sigtimedwait, SYS_setpgid, SYS_setsid, SYS_sigaltstack, SYS_chroot, SYS_fcntl,
    SYS_semop, SYS_semtimedop, SYS_msgsnd, SYS_msgrcv,
};

int main(void) {
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page + 4096, 4096);
    char *read_only = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned long values[] = {0, 1, 2, 8, -1, -100, 4096, 0x7fffffff, 0x80000000, 0x123456789abcdef0, 1UL << 63,
                              (unsigned long)page, (unsigned long)page + 4090, (unsigned long)read_only, 1UL << 38};
    unsigned long random = 88172645463325252UL;
    for (int number = 0; number < 470; number++) {
        int skip = 0;
        for (unsigned i = 0; i < sizeof without / sizeof *without; i++) skip |= without[i] == number;
        if (skip) continue;
        for (int round = 0; round < 40; round++) {
            unsigned long a[6];
            for (int i = 0; i < 6; i++) {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                a[i] = values[random % (sizeof values / sizeof *values)];
            }
            if (a[0] <= 2) a[0] = 77; /* leave the standard streams alone */
            memset(page, 0, 4096);
            long answer = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
            if (answer == -1 && (errno < 1 || errno > 133)) printf("call %d: errno %d\n", number, errno);
        }
    }
    printf("alive\n");
    return 0;
}
