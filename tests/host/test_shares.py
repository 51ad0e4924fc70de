"""Shared directories: the 9P server as a guest sees it, which it must not get out of."""

from __future__ import annotations

import errno
import os
import random
import stat
import struct

import pytest

from softmetal.host.shares import ShareError, open_share
from softmetal.host.shares.messages import HEADER, QID, REQUESTS, fields, pack_string

TYPES = {name: (kind, layout) for kind, (name, layout) in REQUESTS.items()}
ROOM = 1 << 16
RDONLY, WRONLY, RDWR, CREAT, EXCL, TRUNC, APPEND = 0, 1, 2, 0o100, 0o200, 0o1000, 0o2000


class Refused(Exception):
    """The server's error number."""


class Guest:
    """A client: asks, and takes replies apart."""

    def __init__(self, share):
        self.share = share
        self.last = 0
        self.version(1 << 16, b"9P2000.L")
        self.root = self.new()
        self.attach(self.root, 0xFFFFFFFF, b"user", b"", 1000)

    def new(self):
        self.last += 1
        return self.last

    def __getattr__(self, name):
        return lambda *values: self.ask(name, values)

    def ask(self, name, values, room=ROOM):
        kind, layout = TYPES[name]
        reply = self.share.handle(message(kind, layout, values), room)
        size, answer, tag = HEADER.unpack_from(reply)
        assert (size, tag) == (len(reply), 77)
        if answer == 7:
            raise Refused(struct.unpack_from("<I", reply, 7)[0])
        assert answer == kind + 1
        return reply[7:]

    def to(self, *names):
        """A new fid for what these names lead to."""
        fid = self.new()
        reply = self.walk(self.root, fid, list(names))
        if struct.unpack_from("<H", reply)[0] != len(names):
            raise Refused("part of the way")
        return fid

    def opened(self, *names, flags=RDONLY):
        fid = self.to(*names)
        self.lopen(fid, flags)
        return fid

    def content(self, *names):
        return self.read(self.opened(*names), 0, 60_000)[4:]

    def mode(self, fid):
        return struct.unpack_from("<I", self.getattr(fid, 0x7FF), 21)[0]

    def names(self, *names, count=60_000):
        fid, offset, out = self.opened(*names), 0, []
        while True:
            data = memoryview(self.readdir(fid, offset, count))[4:]
            if not data:
                return out
            while data:
                offset, kind = struct.unpack_from("<QB", data, QID.size)
                (name,) = fields("s", data[QID.size + 9 :])
                out.append((name, kind))
                data = data[QID.size + 11 + len(name) :]


def message(kind, layout, values):
    body = b""
    for letter, value in zip(layout, values, strict=True):
        if letter == "s":
            body += pack_string(value)
        elif letter == "w":
            body += struct.pack("<H", len(value)) + b"".join(map(pack_string, value))
        elif letter == "d":
            body += struct.pack("<I", len(value)) + value
        else:
            body += struct.pack("<" + letter, value)
    return HEADER.pack(7 + len(body), kind, 77) + body


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "secret").write_text("outside")
    root = tmp_path / "tree"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "hello").write_text("hello, guest\n")
    (root / "sub" / "file").write_bytes(bytes(range(256)) * 100)
    (root / "out").symlink_to("../secret")
    (root / "up").symlink_to("..")
    (root / "abs").symlink_to("/etc/passwd")
    os.mkfifo(root / "pipe")
    return root


@pytest.fixture
def guest(tree):
    """With the right to write."""
    guest = Guest(open_share(f"{tree}:work:rw"))
    yield guest
    guest.share.close()


@pytest.fixture
def reader(tree):
    guest = Guest(open_share(f"{tree}:work"))
    yield guest
    guest.share.close()


def refused(code):
    return pytest.raises(Refused, match=f"^{int(code)}$")


def test_a_share_is_read_only_unless_asked(tree):
    for spec, tag, read_only in [("a", "a", True), ("a:ro", "a", True), ("a:rw", "a", False)]:
        share = open_share(f"{tree}:{spec}")
        assert (share.tag, share.read_only, share.path) == (tag, read_only, str(tree))


def test_without_a_tag_a_share_has_its_directory_s_name(tree):
    for spec, read_only in [("", True), (":ro", True), (":rw", False)]:
        share = open_share(f"{tree}{spec}")
        assert (share.tag, share.read_only, share.path) == (tree.name, read_only, str(tree))
    (tree / "a:ro").mkdir()
    assert open_share(f"{tree}/a:ro:rw").path == f"{tree}/a:ro"


@pytest.mark.parametrize(
    ("spec", "text"),
    [("/nowhere", "No such file"), (":x", "No such file"), ("", "give HOST:TAG"), ("/", "give HOST:TAG"),
     ("/:ro", "give HOST:TAG"), ("/nowhere:x", "No such file"),
     ("/etc/passwd:x", "Not a directory"), ("/:" + "t" * 33, "has more than 32 bytes")],
)  # fmt: skip
def test_wrong_shares_are_reported_in_one_line(spec, text):
    with pytest.raises(ShareError, match=text):
        open_share(spec)


def test_files_are_read(reader):
    assert reader.content(b"hello") == b"hello, guest\n"
    fid = reader.opened(b"sub", b"file")
    assert reader.read(fid, 250, 10) == struct.pack("<I", 10) + bytes([250, 251, 252, 253, 254, 255, 0, 1, 2, 3])
    assert reader.read(fid, 25_600, 10) == bytes(4)
    assert reader.ask("read", (fid, 0, 60_000), room=111)[:4] == struct.pack("<I", 100)
    reader.clunk(fid)
    with refused(errno.EBADF):
        reader.read(fid, 0, 1)


def test_directories_are_listed_in_order_whatever_the_size_of_replies(reader):
    all_of_it = reader.names()
    assert all_of_it == [(b".", 4), (b"..", 4), (b"abs", 10), (b"hello", 8), (b"out", 10), (b"pipe", 0), (b"sub", 4), (b"up", 10)]
    assert reader.names(count=60) == all_of_it
    with refused(errno.EINVAL):
        reader.names(count=10)


def test_attributes_are_those_of_the_host(reader, tree):
    reply = reader.getattr(reader.to(b"hello"), 0)
    valid, _, _, inode, mode, uid, gid, links, rdev, size = struct.unpack_from("<QBIQIIIQQQ", reply)
    host = (tree / "hello").stat()
    assert (inode, mode, uid, gid, links, size) == (host.st_ino, host.st_mode, host.st_uid, host.st_gid, 1, 13)
    assert valid == 0x7FF
    assert rdev == 0
    assert stat.S_ISLNK(reader.mode(reader.to(b"out")))


def test_a_walk_stops_where_nothing_is(reader):
    fid = reader.new()
    assert reader.walk(reader.root, fid, [b"sub", b"none", b"x"])[:2] == b"\1\0"
    with refused(errno.EBADF):
        reader.getattr(fid, 0)
    with refused(errno.ENOENT):
        reader.to(b"none")
    with refused(errno.EINVAL):
        reader.to(*[b"."] * 17)
    with refused(errno.EBADF):
        reader.walk(reader.root, reader.root + 100, [])
        reader.walk(reader.root, reader.root + 100, [])


def test_links_are_the_guests_to_follow(reader):
    assert reader.readlink(reader.to(b"out")) == pack_string(b"../secret")
    with refused(errno.ELOOP):
        reader.opened(b"out")
    for way in [(b"up", b"secret"), (b"abs", b"x"), (b"out", b"x")]:
        with pytest.raises(Refused):
            reader.to(*way)
    with refused(errno.EINVAL):
        reader.readlink(reader.to(b"hello"))


def test_there_is_nothing_above_the_root(reader, tree):
    root = os.stat(tree).st_ino
    for way in ([b".."], [b"..", b".."], [b"sub", b"..", b".."], [b"sub", b"deep", b"..", b"..", b".."]):
        reply = reader.walk(reader.root, reader.new(), way)
        assert QID.unpack(reply[-13:])[2] == root
    for name in (b"", b"/", b"sub/file", b"../secret", b"a\0b", b"/etc"):
        with refused(errno.EINVAL):
            reader.to(name)


def test_a_directory_that_the_host_moves_away_does_not_lead_out(reader, tree):
    fid = reader.to(b"sub", b"deep")
    (tree / "sub" / "deep").rename(tree.parent / "moved")
    reply = reader.walk(fid, reader.new(), [b"..", b"..", b"..", b".."])
    assert QID.unpack(reply[-13:])[2] == os.stat(tree).st_ino
    fid = reader.to(b"sub")
    (tree / "sub").rename(tree / "sub2")
    (tree / "sub").symlink_to("..")
    with refused(errno.ENOENT):
        reader.walk(fid, reader.new(), [b"secret"])


def test_pipes_and_devices_of_the_host_are_not_opened(reader):
    with refused(errno.ENXIO):
        reader.opened(b"pipe")


def test_a_read_only_share_refuses_every_change(reader, tree):
    before = sorted(os.walk(tree))
    file, root = reader.to(b"hello"), reader.root
    for change in (
        ("lcreate", root, b"new", RDWR, 0o644, 0), ("symlink", root, b"new", b"x", 0), ("mknod", root, b"new", 0o644, 0, 0, 0),
        ("rename", file, root, b"new"), ("setattr", file, 8, 0, 0, 0, 0, 0, 0, 0, 0), ("link", root, file, b"new"),
        ("mkdir", root, b"new", 0o755, 0), ("renameat", root, b"hello", root, b"new"), ("unlinkat", root, b"hello", 0),
        ("xattrcreate", file, b"user.x", 1, 0), ("lopen", file, RDWR), ("lopen", file, WRONLY), ("lopen", file, TRUNC),
    ):  # fmt: skip
        with refused(errno.EROFS):
            reader.ask(change[0], change[1:])
    reader.lopen(file, RDONLY)
    with refused(errno.EROFS):
        reader.write(file, 0, b"x")
    with refused(errno.EROFS):
        reader.remove(file)
    with refused(errno.EBADF):
        reader.clunk(file)
    assert sorted(os.walk(tree)) == before
    assert (tree / "hello").read_text() == "hello, guest\n"


def test_files_are_made_and_written(guest, tree):
    fid = guest.to()
    guest.lcreate(fid, b"new", RDWR | CREAT | EXCL | APPEND, 0o640, 0)
    assert guest.write(fid, 0, b"0123456789") == struct.pack("<I", 10)
    guest.write(fid, 2, b"ab")
    guest.fsync(fid, 0)
    guest.fsync(fid, 1)
    assert guest.read(fid, 0, 100)[4:] == b"01ab456789"
    assert (tree / "new").read_bytes() == b"01ab456789"
    assert stat.S_IMODE((tree / "new").stat().st_mode) == 0o640
    with refused(errno.EEXIST):
        guest.lcreate(guest.to(), b"new", RDWR | CREAT | EXCL, 0o640, 0)
    guest.lcreate(guest.to(), b"new", RDWR | CREAT | TRUNC, 0o640, 0)
    assert (tree / "new").read_bytes() == b""
    with refused(errno.ELOOP):
        guest.lcreate(guest.to(), b"out", RDWR | CREAT, 0o640, 0)
    with refused(errno.ENXIO):
        guest.lcreate(guest.to(), b"pipe", RDWR | CREAT, 0o640, 0)


def test_the_guests_umask_counts_and_not_ours(guest, tree):
    old = os.umask(0o077)
    try:
        guest.mkdir(guest.root, b"dir", 0o777, 0)
        guest.mknod(guest.root, b"file", stat.S_IFREG | 0o666, 0, 0, 0)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tree / "dir").stat().st_mode) == 0o777
    assert stat.S_IMODE((tree / "file").stat().st_mode) == 0o666


def test_things_are_linked_renamed_and_removed(guest, tree):
    root = guest.root
    guest.symlink(root, b"link", b"/any/where", 0)
    assert os.readlink(tree / "link") == "/any/where"
    guest.link(root, guest.to(b"hello"), b"again")
    assert (tree / "again").stat().st_nlink == 2
    guest.renameat(root, b"again", guest.to(b"sub"), b"moved")
    moved = guest.to(b"sub", b"moved")
    guest.rename(moved, root, b"back")
    assert (tree / "back").read_text() == "hello, guest\n"
    guest.remove(moved)
    assert not (tree / "back").exists()
    with refused(errno.EBADF):
        guest.clunk(moved)
    guest.mkdir(root, b"dir", 0o755, 0)
    guest.unlinkat(root, b"dir", 0x200)
    guest.unlinkat(root, b"link", 0)
    assert sorted(os.listdir(tree)) == ["abs", "hello", "out", "pipe", "sub", "up"]
    for attempt in (
        lambda: guest.unlinkat(root, b"..", 0x200), lambda: guest.unlinkat(root, b"sub/file", 0),
        lambda: guest.renameat(root, b"hello", root, b"../hello"), lambda: guest.mkdir(root, b"a/b", 0o755, 0),
    ):  # fmt: skip
        with refused(errno.EINVAL):
            attempt()
    with refused(errno.EBUSY):
        guest.remove(guest.to())


def test_what_another_file_has_replaced_is_not_removed_in_its_place(guest, tree):
    fid = guest.to(b"hello")
    (tree / "hello").rename(tree / "kept")
    (tree / "hello").write_text("the host's")
    with refused(errno.ENOENT):
        guest.remove(fid)
    assert (tree / "hello").read_text() == "the host's"


def test_attributes_are_set(guest, tree):
    fid = guest.to(b"hello")
    guest.setattr(fid, 1 | 8, 0o600, 0, 0, 5, 0, 0, 0, 0)
    assert (tree / "hello").read_text() == "hello"
    assert stat.S_IMODE((tree / "hello").stat().st_mode) == 0o600
    guest.setattr(fid, 0x10 | 0x20 | 0x80 | 0x100, 0, 0, 0, 0, 100, 7, -5, 9)
    assert ((tree / "hello").stat().st_atime_ns, (tree / "hello").stat().st_mtime_ns) == (100 * 10**9 + 7, -5 * 10**9 + 9)
    guest.setattr(fid, 0x20 | 0x100, 0, 0, 0, 0, 1, 1, 2, 3)
    assert ((tree / "hello").stat().st_atime_ns, (tree / "hello").stat().st_mtime_ns) == (100 * 10**9 + 7, 2 * 10**9 + 3)
    guest.setattr(fid, 0x10 | 0x20, 0, 0, 0, 0, 0, 0, 0, 0)
    assert (tree / "hello").stat().st_mtime > 10**9
    with refused(errno.EINVAL):
        guest.setattr(fid, 0x10 | 0x80, 0, 0, 0, 0, 0, 10**9, 0, 0)
    with refused(errno.EINVAL):
        guest.setattr(fid, 8, 0, 0, 0, 1 << 63, 0, 0, 0, 0)
    with refused(errno.EISDIR):
        guest.setattr(guest.root, 8, 0, 0, 0, 0, 0, 0, 0, 0)


def test_a_guest_makes_no_device_and_no_program_with_its_owners_rights(guest, tree):
    for kind in (stat.S_IFCHR, stat.S_IFBLK):
        with refused(errno.EPERM):
            guest.mknod(guest.root, b"dev", kind | 0o666, 1, 3, 0)
    with refused(errno.EPERM):
        guest.lcreate(guest.to(), b"su", RDWR, 0o4755, 0)
    with refused(errno.EPERM):
        guest.setattr(guest.to(b"hello"), 1, 0o2755, 0, 0, 0, 0, 0, 0, 0)
    assert not (tree / "su").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_new_files_belong_to_who_made_them_where_the_host_allows_it(guest, tree):
    guest.lcreate(guest.to(), b"mine", RDWR, 0o644, 1001)
    assert ((tree / "mine").stat().st_uid, (tree / "mine").stat().st_gid) == (1000, 1001)


def test_the_rest_of_what_v9fs_asks(reader):
    root = reader.root
    assert struct.unpack_from("<II", reader.statfs(root))[0] == 0x01021997
    assert reader.lock(root, 1, 0, 0, 0, 1, b"c") == b"\0"
    assert reader.getlock(root, 1, 5, 6, 7, b"c") == struct.pack("<BQQI", 2, 5, 6, 7) + pack_string(b"c")
    assert reader.flush(3) == b""
    with refused(errno.EOPNOTSUPP):
        reader.xattrwalk(root, 99, b"security.selinux")
    assert reader.version(1 << 30, b"9P2000.L") == struct.pack("<I", 1 << 20) + pack_string(b"9P2000.L")
    assert reader.version(8192, b"9P2000") == struct.pack("<I", 8192) + pack_string(b"unknown")
    with refused(errno.EBADF):
        reader.clunk(root)


def test_an_attach_may_begin_below(reader):
    reader.attach(50, 0xFFFFFFFF, b"", b"/sub/deep", 0)
    assert QID.unpack(reader.walk(50, 51, [b"..", b".."])[-13:])[2] == os.stat(reader.share.path).st_ino
    with refused(errno.ENOENT):
        reader.attach(52, 0xFFFFFFFF, b"", b"/sub/none", 0)


def test_what_the_guest_can_hold_open_is_bounded(reader):
    reader.share.most = 30
    with refused(errno.EMFILE):
        for _ in range(100):
            reader.opened(b"sub", b"file")
    before = len(os.listdir("/proc/self/fd"))
    reader.version(8192, b"9P2000.L")
    assert len(os.listdir("/proc/self/fd")) < before - 15
    assert not reader.share.nodes


def test_listings_that_are_kept_are_bounded(reader, monkeypatch):
    monkeypatch.setattr("softmetal.host.shares.server.MOST_LISTED", 20)
    fids = [reader.opened() for _ in range(10)]
    for fid in fids:
        reader.readdir(fid, 0, 1000)
    assert sum(fid.listing is not None for fid in reader.share.fids.values()) <= 3
    assert len(reader.readdir(fids[0], 7, 1000)) > 4


def test_what_was_open_is_open_again_after_a_restore(guest, tree):
    fid = guest.to(b"sub")
    guest.lcreate(fid, b"new", RDWR, 0o644, 0)
    gone = guest.opened(b"hello")
    guest.write(fid, 0, b"text")
    state = guest.share.state()
    guest.clunk(fid)
    guest.write(guest.opened(b"sub", b"file", flags=RDWR), 0, b"x")
    (tree / "hello").unlink()
    assert guest.share.restore(state) == ["hello"]
    assert guest.read(fid, 0, 10)[4:] == b"text"
    guest.write(fid, 4, b" and more")
    assert (tree / "sub" / "new").read_text() == "text and more"
    for _ in range(2):
        with refused(errno.ESTALE):
            guest.read(gone, 0, 1)
        assert guest.share.restore(guest.share.state()) == []
    lost = guest.share.state()
    other = open_share(f"{tree}:work:rw")
    assert other.restore(lost) == ["hello"]
    other.close()
    guest.clunk(gone)
    guest.renameat(guest.to(b"sub"), b"new", guest.root, b"renamed")
    state = guest.share.state()
    other = open_share(f"{tree}:work:rw")
    other.restore(state)
    assert other.state() == state


def test_messages_that_are_none_get_an_error(reader):
    share = reader.share
    lying = [HEADER.pack(size, 24, 1) + bytes(12) for size in (0, 3, 7, 20, 1 << 31)]
    for data in (b"", b"\0", bytes(7), HEADER.pack(7, 24, 1), *lying):
        reply = share.handle(data, ROOM)
        assert (len(reply), reply[4]) == (11, 7)
    assert share.handle(message(*TYPES["getattr"], (reader.root, 0)), 50)[4] == 7
    assert share.handle(message(*TYPES["getattr"], (reader.root, 0)), 10) == b""


@pytest.mark.parametrize("seed", range(4))
def test_any_bytes_get_a_reply_that_fits_and_nothing_outside_changes(tree, seed):
    rnd = random.Random(seed)
    share = open_share(f"{tree}:work:rw")
    guest = Guest(share)
    share.most = 200
    names = [b"hello", b"sub", b"..", b".", b"", b"up", b"out", b"abs", b"/etc/passwd", b"new", b"x/y", b"n\0", b"file"]
    names += [b"pipe", b"l" * 300]
    numbers = [0, 1, 2, 3, 8, 0o100, 0o1001, 0o777, 0xFF, 4096, 1 << 16, 1 << 31, (1 << 32) - 1]
    started = len(os.listdir("/proc/self/fd"))
    for _ in range(4000):
        kind, (_, layout) = rnd.choice(list(REQUESTS.items()))
        if kind == 100 and rnd.random() < 0.9:
            continue
        values = []
        for i, letter in enumerate(layout):
            if letter == "s":
                values.append(rnd.choice(names))
            elif letter == "w":
                values.append([rnd.choice(names) for _ in range(rnd.randrange(4))])
            elif letter == "d":
                values.append(rnd.randbytes(rnd.randrange(100)))
            else:
                limit = {"B": 0xFF, "H": 0xFFFF, "I": 0xFFFFFFFF}.get(letter, (1 << 64 if letter == "Q" else 1 << 63) - 1)
                small = rnd.randrange(12) if i == 0 or rnd.random() < 0.5 else rnd.choice([*numbers, limit])
                values.append(min(limit, small))
        if kind == 26:
            values[1] &= ~8 if values[5] > 1 << 20 else -1
        if kind == 118:
            values[1] &= 0xFFFF
        data = bytearray(message(kind, layout, values))
        if rnd.random() < 0.2:
            data[rnd.randrange(len(data))] = rnd.randrange(256)
        if rnd.random() < 0.1:
            del data[rnd.randrange(len(data)) :]
        room = rnd.choice([0, 7, 11, 40, 200, ROOM])
        reply = share.handle(bytes(data), room)
        assert len(reply) <= room
        assert len(reply) >= min(room, 7) or room < 11
    guest.version(8192, b"9P2000.L")
    assert len(os.listdir("/proc/self/fd")) <= started
    assert sorted(os.listdir(tree.parent)) == ["secret", "tree"]
    assert (tree.parent / "secret").read_text() == "outside"
    share.close()


def test_what_a_guest_can_keep_open_and_listed_is_bounded(guest, tree, monkeypatch):
    monkeypatch.setattr("softmetal.host.shares.server.MOST_FIDS", 50)
    monkeypatch.setattr("softmetal.host.shares.server.MOST_LISTED", 20)
    (tree / "many").mkdir()
    for i in range(12):
        (tree / "many" / f"{i}").touch()
    fids = []
    with refused(errno.EMFILE):
        for _ in range(100):
            fids.append(guest.opened(b"many") if len(fids) < 5 else guest.to())
    assert len(guest.share.fids) == 50
    for fid in fids[:5]:
        guest.readdir(fid, 0, 4000)
        assert sum(len(f.listing or ()) for f in guest.share.fids.values()) <= 20
    assert guest.share.listed <= 20
