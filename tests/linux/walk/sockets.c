/* Sockets. Unix ones, since those need no network. */

static struct sockaddr_un at(const char *name) {
    struct sockaddr_un address = {AF_UNIX};
    strcpy(address.sun_path, name);
    return address;
}
static int listening(const char *name) {
    struct sockaddr_un address = at(name);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(fd, (void *)&address, sizeof address) || listen(fd, 5)) line("cannot listen");
    return fd;
}
static int connected(const char *name) {
    struct sockaddr_un address = at(name);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (void *)&address, sizeof address)) line("cannot connect");
    return fd;
}
WALK(socket) {
    int fd = S(socket, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    line("flags %d %d", fcntl(fd, F_GETFD), !!(fcntl(fd, F_GETFL) & O_NONBLOCK));
    say("no such family", S(socket, 77, SOCK_STREAM, 0));
    say("no such protocol", S(socket, AF_UNIX, SOCK_STREAM, 77));
}
WALK(socketpair) {
    int pair[2], packets[2];
    char text[16] = "";
    say("stream", S(socketpair, AF_UNIX, SOCK_STREAM, 0, pair));
    if (write(pair[0], "hel", 3) != 3 || write(pair[0], "lo", 2) != 2) return;
    say("read", read(pair[1], text, 16));
    line("text %s", text);
    say("packets", S(socketpair, AF_UNIX, SOCK_SEQPACKET, 0, packets));
    if (write(packets[0], "hel", 3) != 3 || write(packets[0], "lo", 2) != 2) return;
    say("read", read(packets[1], text, 16));
    close(packets[0]);
    say("read", read(packets[1], text, 16));
    say("end", read(packets[1], text, 16));
}
WALK(bind) {
    struct sockaddr_un address = at("s");
    struct stat st;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    say("bind", S(bind, fd, &address, sizeof address));
    stat("s", &st);
    line("mode %o", st.st_mode & S_IFMT);
    say("again", S(bind, fd, &address, sizeof address));
    say("taken", S(bind, socket(AF_UNIX, SOCK_STREAM, 0), &address, sizeof address));
    struct sockaddr_un none = {AF_UNIX};
    fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    say("of itself", S(bind, fd, &none, 2));
    socklen_t size = sizeof none;
    getsockname(fd, (void *)&none, &size);
    line("abstract, %d bytes", size);
}
WALK(listen) {
    struct sockaddr_un address = at("s");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    bind(fd, (void *)&address, sizeof address);
    say("before", S(connect, socket(AF_UNIX, SOCK_STREAM, 0), &address, sizeof address));
    say("listen", S(listen, fd, 5));
    say("after", S(connect, socket(AF_UNIX, SOCK_STREAM, 0), &address, sizeof address));
    say("datagrams", S(listen, socket(AF_UNIX, SOCK_DGRAM, 0), 5));
}
WALK(connect) {
    int fd = listening("s");
    struct sockaddr_un address = at("s"), missing = at("t");
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    say("missing", S(connect, client, &missing, sizeof missing));
    say("connect", S(connect, client, &address, sizeof address));
    say("again", S(connect, client, &address, sizeof address));
    close(fd);
    say("nobody listens", S(connect, socket(AF_UNIX, SOCK_STREAM, 0), &address, sizeof address));
}
WALK(accept) {
    int fd = listening("s"), client = connected("s");
    struct sockaddr_un from;
    socklen_t size = sizeof from;
    char c = 0;
    int server = S(accept, fd, &from, &size);
    line("accepted %d, family %d, %d bytes", server >= 0, from.sun_family, size);
    if (write(client, "x", 1) == 1) say("read", read(server, &c, 1));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    say("nobody", S(accept, fd, 0L, 0L));
}
WALK(accept4) {
    int fd = listening("s"), client = connected("s");
    int server = S(accept4, fd, 0L, 0L, SOCK_NONBLOCK | SOCK_CLOEXEC);
    line("flags %d %d", fcntl(server, F_GETFD), !!(fcntl(server, F_GETFL) & O_NONBLOCK));
    say("unknown flag", S(accept4, fd, 0L, 0L, 1));
    close(client);
}
WALK(getsockname) {
    int fd = listening("s");
    struct sockaddr_un name = {0};
    socklen_t size = sizeof name;
    say("get", S(getsockname, fd, &name, &size));
    line("%s, %d bytes", name.sun_path, size);
}
WALK(getpeername) {
    int fd = listening("s"), client = connected("s");
    struct sockaddr_un name = {0};
    socklen_t size = sizeof name;
    say("get", S(getpeername, client, &name, &size));
    line("%s, %d bytes", name.sun_path, size);
    say("none", S(getpeername, fd, &name, &size));
}
WALK(sendto) {
    struct sockaddr_un address = at("s");
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0), sender = socket(AF_UNIX, SOCK_DGRAM, 0);
    char text[8] = "";
    bind(fd, (void *)&address, sizeof address);
    say("send", S(sendto, sender, "hello", 5L, 0, &address, sizeof address));
    say("got", recv(fd, text, 8, 0));
    line("text %s", text);
    say("to nobody", S(sendto, sender, "hello", 5L, 0, 0L, 0));
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    close(pair[1]);
    say("no signal", S(sendto, pair[0], "x", 1L, MSG_NOSIGNAL, 0L, 0));
}
WALK(recvfrom) {
    struct sockaddr_un one = at("one"), two = at("two"), from = {0};
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0), sender = socket(AF_UNIX, SOCK_DGRAM, 0);
    socklen_t size = sizeof from;
    char text[8] = "";
    bind(fd, (void *)&one, sizeof one);
    bind(sender, (void *)&two, sizeof two);
    sendto(sender, "hello", 5, 0, (void *)&one, sizeof one);
    say("look", S(recvfrom, fd, text, 2L, MSG_PEEK | MSG_TRUNC, 0L, 0L));
    say("take", S(recvfrom, fd, text, 8L, 0, &from, &size));
    line("text %s from %s, %d bytes", text, from.sun_path, size);
    say("nothing", S(recvfrom, fd, text, 8L, MSG_DONTWAIT, 0L, 0L));
}
WALK(setsockopt) {
    int pair[2], on = 1, got = 0;
    struct timeval limit = {0, 2000};
    socklen_t size = sizeof got;
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    say("credentials", S(setsockopt, pair[0], SOL_SOCKET, SO_PASSCRED, &on, 4));
    getsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &got, &size);
    line("is %d", got);
    say("time-out", S(setsockopt, pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    say("read", S(read, pair[0], &got, 1L));
    say("no such option", S(setsockopt, pair[0], SOL_SOCKET, 9999, &on, 4));
}
WALK(getsockopt) {
    int pair[2], value = -1;
    socklen_t size = sizeof value;
    struct { int pid; unsigned uid, gid; } who;
    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
    say("kind", S(getsockopt, pair[0], SOL_SOCKET, SO_TYPE, &value, &size));
    line("%d, %d bytes", value, size);
    say("family", S(getsockopt, pair[0], SOL_SOCKET, SO_DOMAIN, &value, &size));
    line("%d", value);
    size = sizeof who;
    say("peer", S(getsockopt, pair[0], SOL_SOCKET, SO_PEERCRED, &who, &size));
    line("me %d %d", who.pid == getpid(), who.uid == getuid());
    say("error", S(getsockopt, pair[0], SOL_SOCKET, SO_ERROR, &value, &size));
    line("%d", value);
}
WALK(shutdown) {
    int pair[2];
    char c;
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    signal(SIGPIPE, SIG_IGN);
    say("writing", S(shutdown, pair[0], SHUT_WR));
    say("write", S(write, pair[0], "x", 1L));
    say("the other reads", read(pair[1], &c, 1));
    say("the other writes", write(pair[1], "x", 1));
    say("both", S(shutdown, pair[0], SHUT_RDWR));
    say("not connected", S(shutdown, socket(AF_UNIX, SOCK_STREAM, 0), SHUT_RD));
}
/* A descriptor that has gone through a socket. */
static int passed(int fd) {
    int pair[2], got = -1;
    char text[2], control[CMSG_SPACE(4)] = {0};
    struct iovec part = {"ab", 2}, into = {text, 2};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    *head = (struct cmsghdr){CMSG_LEN(4), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(head), &fd, 4);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    say("send", S(sendmsg, pair[0], &message, 0));
    message.msg_iov = &into;
    memset(control, 0, sizeof control);
    say("receive", recvmsg(pair[1], &message, MSG_DONTWAIT));
    memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), 4);
    close(pair[0]);
    close(pair[1]);
    return got;
}
WALK(sendmsg) {
    int fd = file_of("f", "hello"), ends[2], got = passed(fd);
    char text[8] = "";
    lseek(fd, 1, SEEK_SET);
    say("the file's", read(got, text, 2));
    line("text %s", text);
    pipe2(ends, O_NONBLOCK);
    int kinds[] = {open("f", O_RDONLY), open("f", O_WRONLY | O_APPEND), ends[0], ends[1], open("/dev/null", O_WRONLY)};
    for (int i = 0; i < 5; i++) {
        got = passed(kinds[i]);
        line("flags %x", fcntl(got, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
        say("read", read(got, text, 1));
        say("write", write(got, "x", 1));
    }
}
WALK(recvmsg) {
    int pair[2];
    char text[8] = "";
    struct iovec into = {text, 3};
    struct msghdr message = {.msg_iov = &into, .msg_iovlen = 1};
    socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    if (write(pair[0], "hello", 5) != 5) return;
    say("cut", S(recvmsg, pair[1], &message, 0));
    line("flags %x text %s", message.msg_flags, text);
    say("nothing", S(recvmsg, pair[1], &message, MSG_DONTWAIT));
}
WALK(sendmmsg) {
    int pair[2];
    char text[8] = "";
    struct iovec parts[2] = {{"ab", 2}, {"cde", 3}};
    struct mmsghdr messages[2] = {{{.msg_iov = parts, .msg_iovlen = 1}}, {{.msg_iov = parts + 1, .msg_iovlen = 1}}};
    socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    say("two", S(sendmmsg, pair[0], messages, 2, 0));
    line("lengths %d %d", messages[0].msg_len, messages[1].msg_len);
    say("first", read(pair[1], text, 8));
    say("second", read(pair[1], text, 8));
    line("text %s", text);
}
WALK(recvmmsg) {
    int pair[2];
    char a[8] = "", b[8] = "";
    struct iovec parts[2] = {{a, 8}, {b, 8}};
    struct mmsghdr messages[2] = {{{.msg_iov = parts, .msg_iovlen = 1}}, {{.msg_iov = parts + 1, .msg_iovlen = 1}}};
    socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    if (write(pair[0], "ab", 2) != 2 || write(pair[0], "cde", 3) != 3) return;
    say("two", S(recvmmsg, pair[1], messages, 2, 0, 0L));
    line("lengths %d %d, %s %s", messages[0].msg_len, messages[1].msg_len, a, b);
    say("nothing", S(recvmmsg, pair[1], messages, 2, MSG_DONTWAIT, 0L));
}
