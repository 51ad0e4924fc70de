/* Unix sockets: names in the file tree and abstract ones, what is sent along with bytes, options, wrong calls. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *why(long answer) {
    static char text[4][32];
    static int turn;
    if (answer == -1) return strerrorname_np(errno);
    snprintf(text[turn = (turn + 1) % 4], 32, "%ld", answer);
    return text[turn];
}

/* An address: a path, or an abstract name if it starts with '@'. */
static socklen_t address(struct sockaddr_un *a, const char *name) {
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    size_t n = strlen(name);
    memcpy(a->sun_path, name, n < sizeof a->sun_path ? n : sizeof a->sun_path);
    if (name[0] == '@') { a->sun_path[0] = 0; return offsetof(struct sockaddr_un, sun_path) + n; }
    return offsetof(struct sockaddr_un, sun_path) + n + (n < sizeof a->sun_path);
}
static int bind_to(int s, const char *name) { struct sockaddr_un a; socklen_t n = address(&a, name); return bind(s, (void *)&a, n); }
static int connect_to(int s, const char *name) { struct sockaddr_un a; socklen_t n = address(&a, name); return connect(s, (void *)&a, n); }
static void show(const struct sockaddr_un *a, socklen_t n) {
    printf(" [%d", (int)n);
    for (socklen_t i = 2; i < n && i < sizeof *a; i++) { char c = ((const char *)a)[i]; printf("%s%c", i == 2 ? " " : "", c ? c : '@'); }
    printf("]");
}
static void names(int s) {
    struct sockaddr_un a;
    socklen_t n = sizeof a;
    int r = getsockname(s, (void *)&a, &n);
    if (r) printf(" %s", why(r)); else show(&a, n);
    n = sizeof a;
    r = getpeername(s, (void *)&a, &n);
    if (r) printf(" %s", why(r)); else show(&a, n);
}

static void conversation(int kind, const char *name) {
    printf("%s %d:", name[0] && strlen(name) > 60 ? "long" : name, kind);
    int server = socket(AF_UNIX, kind, 0), client = socket(AF_UNIX, kind, 0), peer = server;
    names(server);
    printf(" bind %s", why(bind_to(server, name)));
    names(server);
    printf(" again %s", why(bind_to(server, "other")));
    printf(" taken %s", why(bind_to(client, name)));
    if (kind != SOCK_DGRAM) printf(" early %s", why(connect_to(client, name)));
    if (kind != SOCK_DGRAM) printf(" listen %s", why(listen(server, 4)));
    printf(" connect %s", why(connect_to(client, name)));
    struct sockaddr_un from;
    socklen_t n = sizeof from;
    if (kind != SOCK_DGRAM) { peer = accept(server, (void *)&from, &n); show(&from, n); names(peer); }
    names(client);
    char text[20] = "";
    printf(" send %s", why(send(client, "hello", 5, 0)));
    n = sizeof from;
    printf(" receive %s", why(recvfrom(peer, text, sizeof text, 0, (void *)&from, &n)));
    printf(" %s %d", text, (int)n);
    struct ucred credentials;
    n = sizeof credentials;
    if (kind != SOCK_DGRAM) {
        getsockopt(client, SOL_SOCKET, SO_PEERCRED, &credentials, &n);
        printf(" peer is me %d", credentials.pid == getpid());
    }
    puts("");
    if (peer != server) close(peer);
    close(client);
    close(server);
    client = socket(AF_UNIX, kind, 0);
    printf("  afterwards %s", why(connect_to(client, name)));
    struct stat st;
    if (name[0] != '@') {
        printf(" is a socket %d", stat(name, &st) == 0 && S_ISSOCK(st.st_mode));
        printf(" open %s", why(open(name, O_RDWR)));
        server = socket(AF_UNIX, kind, 0);
        printf(" bind %s", why(bind_to(server, name)));
        printf(" unlink %s", why(unlink(name)));
        printf(" bind %s", why(bind_to(server, name)));
        close(server);
        printf(" missing %s", (unlink(name), why(connect_to(client, name))));
    }
    puts("");
    close(client);
}

static int send_with(int s, int kind, const void *data, size_t size) {
    char space[CMSG_SPACE(64)] = "";
    struct iovec io = {"c", 1};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = space, .msg_controllen = CMSG_SPACE(size)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = kind;
    c->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(c), data, size);
    return sendmsg(s, &m, 0);
}
static int receive_fds(int s, int *fds, int room, int flags, int *out_flags) {
    char space[CMSG_SPACE(64)], b;
    struct iovec io = {&b, 1};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = space, .msg_controllen = room};
    if (recvmsg(s, &m, flags) < 0) return -1;
    *out_flags = m.msg_flags;
    int count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
        if (c->cmsg_type == SCM_RIGHTS) {
            count = (c->cmsg_len - CMSG_LEN(0)) / 4;
            memcpy(fds, CMSG_DATA(c), 4 * count);
        }
    return count;
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    char buffer[256], path[300];
    int flags, got[4];
    if (argc > 1 && chdir(argv[1])) return 1;
    int kinds[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};
    mkdir("folder", 0755);
    static char deep[108];
    memset(deep, 'd', 107);
    for (int i = 0; i < 3; i++) {
        conversation(kinds[i], "plain");
        conversation(kinds[i], "folder/inside");
        conversation(kinds[i], deep);
        conversation(kinds[i], "@abstract");
    }

    puts("-- names");
    int s = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un a = {AF_UNIX};
    printf("autobind %s", why(bind(s, (void *)&a, 2)));
    socklen_t n = sizeof a;
    getsockname(s, (void *)&a, &n);
    printf(" %d %d", n, a.sun_path[0]);
    printf(" %s", why(listen(s, 1)));
    printf(" connect %s\n", why(connect(c, (void *)&a, n)));
    close(s); close(c);
    s = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
    bind_to(s, "first"); listen(s, 3);
    rename("first", "second");
    printf("renamed %s", why(connect_to(c, "second"))); names(c);
    if (symlink("second", "link")) {}
    close(c); c = socket(AF_UNIX, SOCK_STREAM, 0);
    printf(" through a link %s", why(connect_to(c, "link")));
    close(c); c = socket(AF_UNIX, SOCK_STREAM, 0);
    printf(" bind to a link %s", why(bind_to(c, "link")));
    if (symlink("nowhere", "dangling")) {}
    printf(" to a dangling one %s", why(bind_to(c, "dangling")));
    close(open("file", O_CREAT | O_WRONLY, 0644));
    printf(" to a file %s", why(bind_to(c, "file")));
    printf(" connect to a file %s", why(connect_to(c, "file")));
    printf(" to a directory %s", why(connect_to(c, "folder")));
    printf(" below a file %s", why(connect_to(c, "file/x")));
    printf(" bind in a missing folder %s", why(bind_to(c, "none/x")));
    int d = socket(AF_UNIX, SOCK_DGRAM, 0);
    printf(" another kind %s", why(connect_to(d, "second")));
    umask(077);
    int u = socket(AF_UNIX, SOCK_STREAM, 0);
    bind_to(u, "masked");
    struct stat st;
    stat("masked", &st);
    printf(" mode %o\n", st.st_mode & 07777);
    umask(022);
    memset(deep, 'e', 108);
    struct sockaddr_un full = {AF_UNIX};
    memset(full.sun_path, 'f', 108);
    u = socket(AF_UNIX, SOCK_STREAM, 0);
    printf("108 bytes without an end %s", why(bind(u, (void *)&full, sizeof full)));
    n = sizeof buffer;
    getsockname(u, (void *)buffer, &n);
    printf(" %d", n);
    printf(" listed %s", access((memcpy(path, full.sun_path, 108), path[108] = 0, path), F_OK) ? "no" : "yes");
    n = 4;
    getsockname(u, (void *)buffer, &n);
    printf(" little room %d\n", n);

    puts("-- datagrams");
    int x = socket(AF_UNIX, SOCK_DGRAM, 0), y = socket(AF_UNIX, SOCK_DGRAM, 0);
    bind_to(x, "x"); bind_to(y, "@y");
    socklen_t size = address(&a, "@y");
    printf("to %s", why(sendto(x, "ping", 4, 0, (void *)&a, size)));
    n = sizeof a;
    printf(" %s", why(recvfrom(y, buffer, 100, 0, (void *)&a, &n)));
    show(&a, n);
    printf(" back %s", why(sendto(y, "pong!", 5, 0, (void *)&a, n)));
    n = sizeof a;
    printf(" peek %s", why(recvfrom(x, buffer, 100, MSG_PEEK, (void *)&a, &n)));
    printf(" cut %s", why(recvfrom(x, buffer, 2, MSG_TRUNC, (void *)&a, &n)));
    show(&a, n);
    printf(" nothing %s", why(recv(x, buffer, 2, MSG_DONTWAIT)));
    connect_to(x, "@y");
    printf(" connected %s", why(send(x, "z", 1, 0)));
    struct sockaddr none = {AF_UNSPEC};
    printf(" dissolved %s", why(connect(x, &none, sizeof none)));
    printf(" then %s", why(send(x, "z", 1, 0)));
    close(y);
    size = address(&a, "@y");
    printf(" nobody %s\n", why(sendto(x, "z", 1, 0, (void *)&a, size)));

    puts("-- several messages");
    int dg[2], st_[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, dg) || socketpair(AF_UNIX, SOCK_STREAM, 0, st_)) return 1;
    struct mmsghdr mm[4] = {0};
    struct iovec io[4] = {{"one", 3}, {"three", 5}, {"", 0}, {"four", 4}};
    for (int i = 0; i < 4; i++) mm[i].msg_hdr = (struct msghdr){.msg_iov = &io[i], .msg_iovlen = 1};
    printf("send %s", why(sendmmsg(dg[0], mm, 4, 0)));
    for (int i = 0; i < 4; i++) printf(" %d", mm[i].msg_len);
    static char rooms[4][16];
    for (int i = 0; i < 4; i++) io[i] = (struct iovec){rooms[i], 16}, mm[i].msg_len = 99;
    printf(" receive %s", why(recvmmsg(dg[1], mm, 3, 0, NULL)));
    for (int i = 0; i < 4; i++) printf(" %d", mm[i].msg_len);
    printf(" %s wait for one %s", rooms[1], why(recvmmsg(dg[1], mm, 3, MSG_WAITFORONE, NULL)));
    printf(" none %s", why(recvmmsg(dg[1], mm, 3, MSG_DONTWAIT, NULL)));
    printf(" bad time %s", why(recvmmsg(dg[1], mm, 3, 0, &(struct timespec){0, 1000000000})));
    send(dg[0], "t", 1, 0);
    printf(" no time %s", why(recvmmsg(dg[1], mm, 3, 0, &(struct timespec){0, 0})));
    printf(" zero %s\n", why(recvmmsg(dg[1], mm, 0, MSG_DONTWAIT, NULL)));

    puts("-- streams");
    if (fork() == 0) {
        usleep(10000);
        if (write(st_[0], "abc", 3)) {}
        usleep(10000);
        if (write(st_[0], "defgh", 5)) {}
        usleep(30000);
        _exit(0);
    }
    printf("wait for all %s", why(recv(st_[1], buffer, 6, MSG_WAITALL)));
    printf(" %.6s rest %s", buffer, why(recv(st_[1], buffer, 6, 0)));
    wait(NULL);
    struct timeval limit = {0, 20000};
    setsockopt(st_[1], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    printf(" time limit %s", why(read(st_[1], buffer, 1)));
    printf(" %s", why(recv(st_[1], buffer, 1, 0)));
    setsockopt(st_[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    static char much[1 << 20];
    long sent = write(st_[0], much, sizeof much);
    printf(" partly %d", sent > 0 && sent < (long)sizeof much);
    printf(" full %s", why(send(st_[0], much, 1, 0)));
    n = sizeof limit;
    printf(" %s", why(getsockopt(st_[1], SOL_SOCKET, SO_RCVTIMEO, &limit, &n)));
    printf(" %d %d", (int)limit.tv_usec, n);
    shutdown(st_[1], SHUT_RD);
    printf(" no reader %s", why(send(st_[0], "x", 1, MSG_NOSIGNAL)));
    printf(" shutdown %s\n", why(shutdown(st_[0], 7)));

    puts("-- a full backlog");
    int server = socket(AF_UNIX, SOCK_STREAM, 0), many[8], refused = 0;
    bind_to(server, "@busy");
    listen(server, 1);
    for (int i = 0; i < 4; i++) {
        many[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        refused += connect_to(many[i], "@busy") == -1 && errno == EAGAIN;
    }
    printf("%d not at once", refused);
    if (fork() == 0) {
        int waits = socket(AF_UNIX, SOCK_STREAM, 0);
        _exit(connect_to(waits, "@busy") ? 1 : 0);
    }
    usleep(20000);
    for (int i = 0; i < 3; i++) accept4(server, NULL, NULL, SOCK_CLOEXEC);
    int status;
    wait(&status);
    printf(" one that waited: %d\n", WEXITSTATUS(status));

    puts("-- descriptors");
    int p[2], pair[2];
    if (pipe(p) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) return 1;
    int three[3] = {p[1], eventfd(5, 0), epoll_create1(0)};
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = 77}, out;
    epoll_ctl(three[2], EPOLL_CTL_ADD, three[1], &e);
    printf("send %s", why(send_with(pair[0], SCM_RIGHTS, three, sizeof three)));
    int count = receive_fds(pair[1], got, CMSG_SPACE(12), MSG_CMSG_CLOEXEC, &flags);
    printf(" got %d %x", count, flags & ~MSG_CMSG_CLOEXEC);
    printf(" close on exec %d", fcntl(got[0], F_GETFD));
    printf(" pipe %s", why(write(got[0], "through", 7)));
    printf(" %s", why(read(p[0], buffer, 100)));
    printf(" epoll %d", epoll_wait(got[2], &out, 1, 0));
    printf(" %d", (int)out.data.u64);
    uint64_t value = 0;
    printf(" eventfd %s", why(read(got[1], &value, 8)));
    printf(" %d", (int)value);
    send_with(pair[0], SCM_RIGHTS, three, sizeof three);
    count = receive_fds(pair[1], got, CMSG_LEN(8), 0, &flags);
    printf(" room for two %d %x", count, flags);
    int wrong = 999;
    printf(" bad %s", why(send_with(pair[0], SCM_RIGHTS, &wrong, 4)));
    if (fork() == 0) {
        send_with(pair[0], SCM_RIGHTS, &p[0], 4);
        _exit(0);
    }
    count = receive_fds(pair[1], got, CMSG_SPACE(4), 0, &flags);
    wait(NULL);
    printf(" from a child %d", count);
    printf(" %s", (write(p[1], "child", 5) == 5, why(read(got[0], buffer, 100))));
    int on = 1;
    setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    pid_t child = fork();
    if (child == 0) _exit(write(pair[0], "u", 1) != 1);
    char space[CMSG_SPACE(sizeof(struct ucred))];
    struct iovec one = {buffer, 1};
    struct msghdr m = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    recvmsg(pair[1], &m, 0);
    waitpid(child, NULL, 0);
    struct cmsghdr *cm = CMSG_FIRSTHDR(&m);
    struct ucred who = {0};
    if (cm) memcpy(&who, CMSG_DATA(cm), sizeof who);
    printf(" credentials %d %d %d", cm != NULL, who.pid == child, who.uid == getuid());
    struct ucred mine = {getpid(), getuid(), getgid()};
    printf(" own %s", why(send_with(pair[0], SCM_CREDENTIALS, &mine, sizeof mine)));
    recvmsg(pair[1], &(struct msghdr){.msg_iov = &one, .msg_iovlen = 1}, 0);
    mine.pid = 999999;
    printf(" another's %d\n", send_with(pair[0], SCM_CREDENTIALS, &mine, sizeof mine) == -1);

    puts("-- options and wrong calls");
    int kind = 0;
    n = 4;
    getsockopt(pair[0], SOL_SOCKET, SO_TYPE, &kind, &n);
    printf("type %d", kind);
    n = 4;
    getsockopt(pair[0], SOL_SOCKET, SO_DOMAIN, &kind, &n);
    printf(" domain %d", kind);
    n = 2;
    kind = 0;
    printf(" short %s", why(getsockopt(pair[0], SOL_SOCKET, SO_TYPE, &kind, &n)));
    printf(" %d %d", n, kind);
    n = -1;
    printf(" negative %s", why(getsockopt(pair[0], SOL_SOCKET, SO_TYPE, &kind, &n)));
    printf(" unknown %s", why(setsockopt(pair[0], SOL_SOCKET, 9999, &kind, 4)));
    n = 4;
    printf(" %s", why(getsockopt(pair[0], SOL_SOCKET, 9999, &kind, &n)));
    printf(" not a socket %s", why(listen(p[0], 1)));
    printf(" closed %s", why(listen(999, 1)));
    printf(" accept %s", why(accept(pair[0], NULL, NULL)));
    printf(" accept flags %s", why(accept4(pair[0], NULL, NULL, 1)));
    printf(" listen to a pair %s", why(listen(pair[0], 1)));
    printf(" listen unnamed %s", why(listen(socket(AF_UNIX, SOCK_STREAM, 0), 1)));
    printf(" connect a pair %s", why(connect_to(pair[0], "second")));
    printf(" kind %s", why(socket(AF_UNIX, 77, 0)));
    printf(" protocol %s", why(socket(AF_UNIX, SOCK_STREAM, 9)));
    printf(" family %s", why(socket(99, SOCK_STREAM, 0)));
    printf(" flags %s", why(socket(AF_UNIX, SOCK_STREAM | 0x10000000, 0)));
    printf(" pair family %s", why(socketpair(99, SOCK_STREAM, 0, got)));
    printf(" pair fault %s", why(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, 8)));
    printf(" long %s", why(bind(u, (void *)buffer, 129)));
    u = socket(AF_UNIX, SOCK_STREAM, 0);
    memset(&full, 0, sizeof full);
    full.sun_family = AF_INET;
    printf(" bind as inet %s", why(bind(u, (void *)&full, 16)));
    printf(" connect as inet %s", why(connect(u, (void *)&full, 16)));
    full.sun_family = AF_UNIX;
    printf(" short %s", why(connect(u, (void *)&full, 2)));
    printf(" zero %s", why(bind(u, (void *)&full, 0)));
    printf(" fault %s", why(bind(u, (void *)8, 10)));
    printf(" name fault %s", why(getsockname(u, (void *)buffer, (void *)8)));
    printf(" send unconnected %s", why(send(u, "x", 1, 0)));
    printf(" receive unconnected %s", why(recv(u, buffer, 1, MSG_DONTWAIT)));
    printf(" seek %s", why(lseek(u, 0, SEEK_SET)));
    printf(" pread %s", why(pread(pair[0], buffer, 1, 0)));
    m.msg_iovlen = 2000;
    printf(" too many parts %s", why(sendmsg(pair[0], &m, 0)));
    printf(" message fault %s", why(sendmsg(pair[0], (void *)8, 0)));
    int waiting = -1;
    if (write(pair[0], "12345", 5)) {}
    ioctl(pair[1], FIONREAD, &waiting);
    printf(" waiting %d\n", waiting);
    return 0;
}
