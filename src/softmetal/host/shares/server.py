"""A 9P2000.L server for one directory of the host, as Linux's v9fs mounts it.

    mount -t 9p -o trans=virtio,version=9p2000.L TAG /mnt

Not done: extended attributes and access control lists (EOPNOTSUPP), authentication, device files (EPERM). Locks
always succeed: the guest's kernel keeps them among its own processes, and the host's do not see them. Set-user-ID and
set-group-ID programs cannot be made on the host (EPERM).
"""

from __future__ import annotations

import errno
import os
import resource
import stat
import struct
import time
import weakref
from collections.abc import Callable
from typing import Any, TypeAlias

from softmetal.host.errors import HostError
from softmetal.host.shares.messages import ATTRIBUTES, HEADER, QID, REQUESTS, RLERROR, Malformed, fields, pack_string
from softmetal.host.shares.tree import Node, checked, fail

MOST_MESSAGE = 1 << 20
MOST_FIDS = 1 << 16
MOST_LISTED = 1 << 20  # names that all open directories keep together
MOST_DESCRIPTORS = 1 << 16
NO_FID = 0xFFFFFFFF
MAGIC = 0x01021997  # of file systems that are 9P
ENTRY = struct.Struct("<BIQQBH")  # of a directory, before its name: qid, offset of the next, type, length of the name
QID_KINDS = {stat.S_IFDIR: 0x80, stat.S_IFLNK: 0x02}
BASIC = 0x7FF  # attributes that a reply to getattr holds

CHANGES = {14, 16, 18, 20, 26, 32, 70, 72, 74, 76, 118, 122}
"""Types of requests that a read-only share refuses."""

# flags of lopen and lcreate, and their meaning here; the others (append, direct, ...) are the guest's own business
WRITES, CREATE_NEW, TRUNCATE, DATA_SYNC, SYNC = 0o3, 0o200, 0o1000, 0o10000, 0o4000000
AT_REMOVEDIR = 0x200
MODE, UID, GID, SIZE, ATIME, MTIME, ATIME_SET, MTIME_SET = 1, 2, 4, 8, 0x10, 0x20, 0x80, 0x100  # valid bits of setattr


State: TypeAlias = tuple[int, tuple[tuple[int, int, int, tuple[bytes, ...]], ...]]
"""What a guest has open: the size of its messages; of each fid its number, user, flags of lopen or -1, and the way there."""


class ShareError(HostError):
    """What is wrong with a shared directory."""


class Fid:
    """What one of the guest's numbers (fid) refers to."""

    __slots__ = ("fd", "flags", "listing", "lost", "node", "uid")

    def __init__(self, node: Node, uid: int) -> None:
        self.node = node
        self.uid = uid
        self.fd = -1
        self.flags = 0
        self.listing: list[tuple[bytes, int, int]] | None = None
        self.lost: tuple[bytes, ...] | None = None
        """The way to what was open here when a snapshot was taken, and is no longer there."""

    def close(self) -> None:
        """Close the file, if it is open."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Share:
    """One directory tree, and the guest's way to it. The guest cannot leave the tree."""

    def __init__(self, path: str, tag: str, read_only: bool) -> None:
        self.path, self.tag, self.read_only = path, tag, read_only
        self.fids: dict[int, Fid] = {}
        self.nodes: weakref.WeakSet[Node] = weakref.WeakSet()
        self.devices: dict[int, int] = {}
        self.listed = 0
        self.size = self.room = 8192
        self.most = descriptors()
        self.handlers: dict[int, tuple[Callable[..., bytes], str]] = {
            kind: (getattr(self, "_" + name), layout) for kind, (name, layout) in REQUESTS.items()
        }
        try:
            fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            code = getattr(error, "errno", errno.EINVAL)
            raise ShareError(code, f"share {path}: {os.strerror(code)}") from None
        self.root = Node(fd, None, b"")

    def close(self) -> None:
        """Forget all that the guest has open."""
        for fid in self.fids.values():
            fid.close()
        self.fids.clear()
        self.listed = 0

    # messages

    def handle(self, message: bytes, room: int) -> bytes:
        """The reply to a message, in so many bytes at most. There is always one, if there is room for an error (11 bytes)."""
        kind, tag = 0, 0xFFFF
        try:
            size, kind, tag = HEADER.unpack_from(message)
            if not HEADER.size <= size <= len(message) or kind not in self.handlers:
                raise Malformed
            if self.read_only and kind in CHANGES:
                if kind == 122:  # it ends the fid in any case
                    self._clunk(*fields("I", memoryview(message)[HEADER.size : size]))
                raise fail(errno.EROFS)
            handler, layout = self.handlers[kind]
            values = fields(layout, memoryview(message)[HEADER.size : size])
            self.room = min(room, self.size) - HEADER.size
            body = handler(*values)
            if len(body) > room - HEADER.size:
                raise fail(errno.EMSGSIZE)
            return HEADER.pack(HEADER.size + len(body), kind + 1, tag) + body
        except OSError as error:
            code = error.errno or errno.EIO
        except (ValueError, OverflowError, struct.error):
            code = errno.EINVAL
        except MemoryError:
            code = errno.ENOMEM
        if room < 11:
            return b""
        return HEADER.pack(11, RLERROR, tag) + struct.pack("<I", code)

    def _fid(self, number: int) -> Fid:
        fid = self.fids.get(number)
        if fid is None:
            raise fail(errno.EBADF)
        if fid.lost is not None:
            raise fail(errno.ESTALE)
        return fid

    def _opened(self, number: int) -> Fid:
        fid = self._fid(number)
        if fid.fd < 0:
            raise fail(errno.EBADF)
        return fid

    def _room_for_descriptor(self) -> None:
        if len(self.nodes) + len(self.fids) >= self.most:  # each fid may have a file open
            raise fail(errno.EMFILE)

    def _child(self, node: Node, name: bytes) -> Node:
        self._room_for_descriptor()
        child = node.child(name)
        self.nodes.add(child)
        return child

    def _path_of(self, device: int, inode: int) -> int:
        """The identity of a file: the inode's number; those of other file systems in the tree are marked."""
        return inode ^ self.devices.setdefault(device, len(self.devices)) << 48

    def _qid(self, node: Node) -> bytes:
        return self._qid_of(os.fstat(node.fd))

    def _qid_of(self, s: os.stat_result) -> bytes:
        return QID.pack(
            qid_kind(s.st_mode), (s.st_mtime_ns ^ s.st_size << 8) & 0xFFFFFFFF, self._path_of(s.st_dev, s.st_ino)
        )  # fmt: skip

    def _version(self, size: int, version: bytes) -> bytes:
        self.close()
        self.size = max(4096, min(size, MOST_MESSAGE))
        return struct.pack("<I", min(size, self.size)) + pack_string(b"9P2000.L" if version == b"9P2000.L" else b"unknown")

    def _flush(self, tag: int) -> bytes:
        return b""  # what was asked before has been answered

    def _new(self, number: int, node: Node, uid: int) -> None:
        if number == NO_FID or number in self.fids:
            raise fail(errno.EBADF)
        if len(self.fids) >= MOST_FIDS:
            raise fail(errno.EMFILE)
        self.fids[number] = Fid(node, uid)

    def _attach(self, number: int, auth: int, user: bytes, tree: bytes, uid: int) -> bytes:
        node = self.root
        for name in tree.split(b"/"):
            node = self._child(node, name) if name else node
        self._new(number, node, uid)
        return self._qid(node)

    def _walk(self, number: int, new: int, names: list[bytes]) -> bytes:
        fid = self._fid(number)
        node = fid.node
        if new == number and fid.fd >= 0:
            raise fail(errno.EBUSY)
        qids: list[bytes] = []
        for name in names:
            try:
                node = self._child(node, name)
            except OSError:
                if not qids:
                    raise
                return struct.pack("<H", len(qids)) + b"".join(qids)
            qids.append(self._qid(node))
        if new == number:
            fid.node = node
        else:
            self._new(new, node, fid.uid)
        return struct.pack("<H", len(qids)) + b"".join(qids)

    def _clunk(self, number: int) -> bytes:
        fid = self.fids.get(number)
        if fid is None:
            raise fail(errno.EBADF)
        if fid.listing is not None:
            self.listed -= len(fid.listing)
        fid.close()
        del self.fids[number]
        return b""

    # files

    def _open(self, fid: Fid, flags: int) -> None:
        if fid.fd >= 0:
            raise fail(errno.EBUSY)
        if flags & (WRITES | TRUNCATE):
            if fid.node.kind == stat.S_IFDIR:
                raise fail(errno.EISDIR)
            if self.read_only:
                raise fail(errno.EROFS)
        self._room_for_descriptor()
        fid.fd = fid.node.open(host_flags(flags))
        fid.flags = flags & ~TRUNCATE

    def _lopen(self, number: int, flags: int) -> bytes:
        fid = self._fid(number)
        self._open(fid, flags)
        return self._qid(fid.node) + bytes(4)

    def _lcreate(self, number: int, name: bytes, flags: int, mode: int, gid: int) -> bytes:
        fid = self._fid(number)
        if fid.fd >= 0:
            raise fail(errno.EBUSY)
        self._room_for_descriptor()
        new = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            fd = os.open(checked(name), host_flags(flags) | new, plain(mode), dir_fd=fid.node.fd)
        except FileExistsError:
            if flags & CREATE_NEW:
                raise
            there = Fid(self._child(fid.node, name), fid.uid)
            self._open(there, flags)
            fid.node, fid.fd, fid.flags = there.node, there.fd, there.flags
        else:
            try:
                node = self._around(fd, fid.node, name)
                self._give(node, fid.uid, gid, mode)
            except OSError:
                os.close(fd)
                raise
            fid.node, fid.fd, fid.flags = node, fd, flags & ~TRUNCATE
        return self._qid(fid.node) + bytes(4)

    def _around(self, fd: int, parent: Node, name: bytes) -> Node:
        """The node of a file that was just made."""
        node = Node(os.open(b"/proc/self/fd/%d" % fd, os.O_PATH | os.O_CLOEXEC), parent, name)
        self.nodes.add(node)
        return node

    def _give(self, node: Node, uid: int, gid: int, mode: int) -> None:
        """A new file gets the owner that the guest means, where we may give files away. The guest's umask counts, not ours."""
        if node.kind == stat.S_IFLNK:
            return
        if os.geteuid() == 0:
            os.chown(node.magic, owner(uid), owner(gid))
        os.chmod(node.magic, plain(mode, node.kind))

    def _read(self, number: int, offset: int, count: int) -> bytes:
        fid = self._opened(number)
        data = os.pread(fid.fd, max(0, min(count, self.room - 4)), offset)
        return struct.pack("<I", len(data)) + data

    def _write(self, number: int, offset: int, data: memoryview) -> bytes:
        return struct.pack("<I", os.pwrite(self._opened(number).fd, data, offset))

    def _fsync(self, number: int, data_only: int) -> bytes:
        fid = self._opened(number)
        (os.fdatasync if data_only else os.fsync)(fid.fd)
        return b""

    def _lock(self, number: int, *_: Any) -> bytes:
        self._fid(number)
        return b"\0"

    def _getlock(self, number: int, kind: int, start: int, length: int, process: int, client: bytes) -> bytes:
        self._fid(number)
        unlocked = 2
        return struct.pack("<BQQI", unlocked, start, length, process) + pack_string(client)

    # directories

    def _readdir(self, number: int, offset: int, count: int) -> bytes:
        fid = self._opened(number)
        if fid.node.kind != stat.S_IFDIR:
            raise fail(errno.ENOTDIR)
        if fid.listing is None or offset == 0:
            self._list(fid)
        assert fid.listing is not None
        out = bytearray()
        room = min(count, self.room - 4)
        device = os.fstat(fid.node.fd).st_dev
        mark, pack, size = self._path_of(device, 0), ENTRY.pack, ENTRY.size
        for i in range(offset, len(fid.listing)):
            name, inode, kind = fid.listing[i]
            if len(out) + size + len(name) > room:
                if not out:
                    raise fail(errno.EINVAL)
                break
            out += pack(QID_KINDS.get(kind, 0), 0, inode ^ mark, i + 1, kind >> 12, len(name)) + name
        return struct.pack("<I", len(out)) + out

    def _list(self, fid: Fid) -> None:
        """Look at a directory. What is kept of all of them is bounded: who comes later in a large one may see a change."""
        node = fid.node
        above = node.parent or node
        listing = [(name, os.fstat(at.fd).st_ino, stat.S_IFDIR) for name, at in ((b".", node), (b"..", above))]
        listing += node.entries()
        self.listed += len(listing) - len(fid.listing or ())
        fid.listing = listing
        if self.listed > MOST_LISTED:
            for other in self.fids.values():
                if other is not fid:
                    other.listing = None
            self.listed = len(listing)

    def _mkdir(self, number: int, name: bytes, mode: int, gid: int) -> bytes:
        fid = self._fid(number)
        os.mkdir(checked(name), plain(mode, stat.S_IFDIR), dir_fd=fid.node.fd)
        return self._made(fid, name, stat.S_IFDIR, mode, gid)

    def _symlink(self, number: int, name: bytes, target: bytes, gid: int) -> bytes:
        fid = self._fid(number)
        os.symlink(target, checked(name), dir_fd=fid.node.fd)
        return self._made(fid, name, stat.S_IFLNK, 0, gid)

    def _mknod(self, number: int, name: bytes, mode: int, major: int, minor: int, gid: int) -> bytes:
        fid = self._fid(number)
        kind = stat.S_IFMT(mode) or stat.S_IFREG
        if kind not in (stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK):
            raise fail(errno.EPERM)
        os.mknod(checked(name), kind | plain(mode), dir_fd=fid.node.fd)
        return self._made(fid, name, kind, mode, gid)

    def _made(self, fid: Fid, name: bytes, kind: int, mode: int, gid: int) -> bytes:
        node = self._child(fid.node, name)
        if node.kind != kind or (kind == stat.S_IFREG and os.fstat(node.fd).st_nlink != 1):
            raise fail(errno.ESTALE)  # someone on the host has put another file there
        self._give(node, fid.uid, gid, mode)
        return self._qid(node)

    def _link(self, directory: int, number: int, name: bytes) -> bytes:
        node = self._fid(number).node
        if node.kind in (stat.S_IFLNK, stat.S_IFDIR):
            raise fail(errno.EPERM)
        os.link(node.magic, checked(name), dst_dir_fd=self._fid(directory).node.fd, follow_symlinks=True)
        return b""

    def _readlink(self, number: int) -> bytes:
        node = self._fid(number).node
        if node.kind != stat.S_IFLNK:
            raise fail(errno.EINVAL)
        return pack_string(os.readlink(b"", dir_fd=node.fd))

    def _unlinkat(self, number: int, name: bytes, flags: int) -> bytes:
        self._unlink(self._fid(number).node, checked(name), directory=bool(flags & AT_REMOVEDIR))
        return b""

    def _remove(self, number: int) -> bytes:
        node = self._fid(number).node
        self._clunk(number)
        directory, name = node.place()
        self._unlink(directory, name, directory=node.kind == stat.S_IFDIR)
        return b""

    def _unlink(self, parent: Node, name: bytes, directory: bool) -> None:
        (os.rmdir if directory else os.unlink)(name, dir_fd=parent.fd)

    def _renameat(self, old: int, old_name: bytes, new: int, new_name: bytes) -> bytes:
        self._move(self._fid(old).node, checked(old_name), self._fid(new).node, checked(new_name))
        return b""

    def _rename(self, number: int, new: int, name: bytes) -> bytes:
        old, old_name = self._fid(number).node.place()
        self._move(old, old_name, self._fid(new).node, checked(name))
        return b""

    def _move(self, old: Node, old_name: bytes, new: Node, new_name: bytes) -> None:
        os.rename(old_name, new_name, src_dir_fd=old.fd, dst_dir_fd=new.fd)
        same = os.fstat(old.fd)
        for node in self.nodes:
            if node.parent is not None and node.name == old_name and os.path.samestat(os.fstat(node.parent.fd), same):
                node.parent, node.name = new, new_name

    # attributes

    def _getattr(self, number: int, mask: int) -> bytes:
        node = self._fid(number).node
        s = os.fstat(node.fd)
        times = [part for ns in (s.st_atime_ns, s.st_mtime_ns, s.st_ctime_ns) for part in divmod(ns, 10**9)]
        return ATTRIBUTES.pack(
            BASIC, self._qid_of(s), s.st_mode, s.st_uid, s.st_gid, s.st_nlink, s.st_rdev, s.st_size, s.st_blksize, s.st_blocks,
            *times, 0, 0, 0, 0,
        )  # fmt: skip

    def _setattr(
        self, number: int, valid: int, mode: int, uid: int, gid: int, size: int, a_sec: int, a_ns: int, m_sec: int, m_ns: int
    ) -> bytes:
        node = self._fid(number).node
        if node.kind == stat.S_IFLNK:
            raise fail(errno.EOPNOTSUPP)
        if a_ns >= 10**9 or m_ns >= 10**9:
            raise fail(errno.EINVAL)
        if valid & SIZE:
            if node.kind != stat.S_IFREG:
                raise fail(errno.EISDIR if node.kind == stat.S_IFDIR else errno.EINVAL)
            os.truncate(node.magic, size)
        if valid & (UID | GID):
            os.chown(node.magic, owner(uid) if valid & UID else -1, owner(gid) if valid & GID else -1)
        if valid & MODE:
            os.chmod(node.magic, plain(mode, node.kind))
        if valid & (ATIME | MTIME):
            now = os.stat(node.magic)
            if valid & ATIME and valid & MTIME and not valid & (ATIME_SET | MTIME_SET):
                os.utime(node.magic)
            else:
                accessed = self._time(valid & ATIME, valid & ATIME_SET, now.st_atime_ns, a_sec, a_ns)
                modified = self._time(valid & MTIME, valid & MTIME_SET, now.st_mtime_ns, m_sec, m_ns)
                os.utime(node.magic, ns=(accessed, modified))
        return b""

    def _time(self, change: int, given: int, there: int, seconds: int, nanoseconds: int) -> int:
        if not change:
            return there
        return seconds * 10**9 + nanoseconds if given else time.time_ns()

    def _statfs(self, number: int) -> bytes:
        s = os.statvfs(self._fid(number).node.fd)
        return struct.pack(
            "<IIQQQQQQI", MAGIC, s.f_bsize, s.f_blocks, s.f_bfree, s.f_bavail, s.f_files, s.f_ffree, 0, s.f_namemax
        )

    def _xattrwalk(self, number: int, new: int, name: bytes) -> bytes:
        self._fid(number)
        raise fail(errno.EOPNOTSUPP)

    def _xattrcreate(self, number: int, name: bytes, size: int, flags: int) -> bytes:
        self._fid(number)
        raise fail(errno.EOPNOTSUPP)

    # snapshots

    def state(self) -> State:
        """What the guest has open: plain values, which do not hold the files' contents; the host's tree does not go back."""
        fids = (
            (number, fid.uid, fid.flags if fid.fd >= 0 or fid.lost is not None else -1, fid.lost or fid.node.names())
            for number, fid in self.fids.items()
        )
        return self.size, tuple(sorted(fids))

    def restore(self, state: State) -> list[str]:
        """Open again what was open then, by its path; the paths of what is no longer there, for which the guest gets ESTALE.

        A file that was made anew at its path meanwhile is that one.
        """
        if state == self.state():
            return []
        self.close()
        self.size, fids = state
        gone = []
        for number, uid, flags, names in fids:
            fid = self.fids[number] = Fid(self.root, uid)
            try:
                for name in names:
                    fid.node = self._child(fid.node, name)
                if flags >= 0:
                    self._open(fid, flags)
            except OSError:
                fid.node, fid.flags, fid.lost = self.root, flags, names
                gone.append(b"/".join(names).decode(errors="replace"))
        return gone

    def fork(self) -> Share:
        """Another way to the same tree, in which nothing is open."""
        return type(self)(self.path, self.tag, self.read_only)


def host_flags(flags: int) -> int:
    """Flags of lopen as the host's."""
    out = (os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDWR)[flags & WRITES]
    for bit, meaning in ((TRUNCATE, os.O_TRUNC), (DATA_SYNC, os.O_DSYNC), (SYNC, os.O_SYNC)):
        if flags & bit == bit:
            out |= meaning
    return out


def qid_kind(mode: int) -> int:
    """The type in a qid."""
    return QID_KINDS.get(stat.S_IFMT(mode), 0)


def plain(mode: int, kind: int = stat.S_IFREG) -> int:
    """Permission bits that a guest may give a file of the host: none by which a program there gets its owner's rights."""
    if kind != stat.S_IFDIR and mode & (stat.S_ISUID | stat.S_ISGID):
        raise fail(errno.EPERM)
    return mode & 0o7777


def owner(number: int) -> int:
    """A user or group; all ones: none."""
    return -1 if number == 0xFFFFFFFF else number


def descriptors() -> int:
    """How many files a share may hold open. The soft limit of the process is raised, for guests keep many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return min(soft if soft != resource.RLIM_INFINITY else wanted, wanted) * 3 // 4


def open_share(spec: str) -> Share:
    """The share that `HOST:TAG`, `HOST:TAG:ro` or `HOST:TAG:rw` names. The guest may write only where `rw` says so.

    Without a TAG it is the directory's own name.
    """
    rest, colon, last = spec.rpartition(":")
    access = last if colon and last in ("ro", "rw") and not os.path.isdir(spec) else ""
    path = rest if access else spec
    tag = ""
    if not os.path.isdir(path):
        before, _, after = path.rpartition(":")
        if before:
            path, tag = before, after
    tag = tag or os.path.basename(os.path.abspath(path))
    if not path or not tag:
        raise ShareError(errno.EINVAL, f"share {spec}: give HOST:TAG, or HOST:TAG:rw if the guest may write there")
    if len(tag.encode()) > 32:
        raise ShareError(errno.EINVAL, f"share {spec}: the tag {tag} has more than 32 bytes; give a shorter one: HOST:TAG")
    return Share(path, tag, access != "rw")
