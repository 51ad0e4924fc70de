/* A process that sleeps beside one that computes: its sleep ends. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(void) {
    pid_t child = fork();
    if (child == 0)
        for (volatile long i = 0;; i++) {}
    struct timespec short_time = {0, 2000000};
    int status;
    printf("slept %d", nanosleep(&short_time, NULL));
    printf(" still there %d", waitpid(child, &status, WNOHANG) == 0);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    printf(" ended by %d\n", WTERMSIG(status));
    return 0;
}
