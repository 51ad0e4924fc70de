"""When files were changed, by the guest's clock: see `docs/decisions/0013-file-times.md`.

A file that was there before the run shows the host's modification time, as all three of its times: no copy keeps the
other two, so they are no input that could be given again. What the run changes shows the guest's time of the change,
kept in a table that the processes of the run share; on the disk the host's times stay the host's. The guest's wall
clock never reads earlier than a time that the guest has been shown: it jumps to it. So nothing is ever dated in the
guest's future unless the guest itself has dated it so, and the times are a function of the run.

A change that was not made through a node (by the host, through a shared mapping) is dated when the guest first looks at it.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections.abc import Callable
from typing import Any

from .abi import TIMESPEC
from .clock import Clock
from .files import O_TRUNC, File
from .hostfs import HostNode, Tree
from .nodes import Node, Status

SLOTS, WORDS = 1 << 16, 5
KEY, MODIFIED, CHANGED, ACCESSED, SEEN = range(WORDS)
"""The words of a slot. SEEN is the host's modification time when the guest last looked, 0 after a change by the guest."""
LATE = 20_000_000
"""The host stamps files by a clock that lags behind by up to a tick: ns, with room to spare."""
PROBES = 16
UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2


LATEST = (1 << 63) - 1
"""The last moment that a word holds, in ns since 1970."""


class FileTimes:
    """The guest's times of the files that one run has changed."""

    def __init__(self) -> None:
        self.words = memoryview(mmap.mmap(-1, SLOTS * WORDS * 8)).cast("q")
        self.began = time.time_ns() - LATE
        """On the host's clock: what is older was there before the run."""
        self.clock: Clock | None = None

    @property
    def on(self) -> bool:
        """Whether there is a guest's clock; with `--host-time` there is only the host's."""
        return self.clock is not None and not self.clock.host_time

    def now(self) -> int:
        """The guest's wall clock, as coarse as a thread's turn."""
        assert self.clock is not None
        return self.clock.coarse

    def slot(self, key: int) -> int:
        """The index of the words of `key`. A new one has 0 in all words but KEY; the oldest may have to go for it."""
        words = self.words
        first = key % SLOTS
        for step in range(PROBES):
            at = (first + step) % SLOTS * WORDS
            if words[at] == key:
                return at
            if not words[at]:
                words[at] = key
                return at
        at = first * WORDS
        words[at : at + WORDS] = memoryview(struct.pack("<5q", key, 0, 0, 0, 0)).cast("q")
        return at

    def known(self, key: int) -> int | None:
        """The index of the words of `key`, if it has any."""
        words = self.words
        first = key % SLOTS
        for step in range(PROBES):
            at = (first + step) % SLOTS * WORDS
            if words[at] == key:
                return at
            if not words[at]:
                return None
        return None

    def made(self, key: int) -> None:
        """The file is new."""
        if self.on:
            self._set(self.slot(key), self.now(), self.now(), self.now(), 0)

    def written(self, key: int) -> None:
        """What is in the file, or the directory, has changed."""
        if self.on:
            at, now = self.slot(key), self.now()
            words = self.words
            words[at + MODIFIED] = words[at + CHANGED] = now
            words[at + SEEN] = 0
            if not words[at + ACCESSED]:
                words[at + ACCESSED] = now

    def status_changed(self, key: int, before: int) -> None:
        """Its mode, owner or names have changed; it was modified at `before`, which the guest was shown."""
        if self.on:
            at = self.slot(key)
            words = self.words
            if not words[at + MODIFIED]:
                words[at + MODIFIED] = words[at + ACCESSED] = before
            words[at + CHANGED] = self.now()

    def dated(self, key: int, before: tuple[int, int], asked: tuple[int, int], seen: int) -> None:
        """The guest has given it times: `asked` access and modification, with UTIME_NOW and UTIME_OMIT as they are."""
        if not self.on:
            return
        now = self.now()
        accessed, modified = (
            now if wanted == UTIME_NOW else old if wanted == UTIME_OMIT else wanted
            for wanted, old in zip(asked, before, strict=True)
        )
        self._set(self.slot(key), modified, now, accessed, seen)

    def _set(self, at: int, modified: int, changed: int, accessed: int, seen: int) -> None:
        """Times that no word has room for, before 1678 and after 2262, become the nearest that has (`timestamp_truncate`)."""
        for place, moment in ((MODIFIED, modified), (CHANGED, changed), (ACCESSED, accessed), (SEEN, seen)):
            self.words[at + place] = min(max(moment, -LATEST), LATEST)

    def shown(self, st: os.stat_result) -> Status | os.stat_result:
        """The times that the guest sees, from the host's; its clock follows."""
        if not self.on:
            return st
        assert self.clock is not None
        key = key_of(st)
        at = self.known(key)
        host = st.st_mtime_ns
        if at is None:
            if host < self.began and st.st_ctime_ns < self.began:
                self.clock.has_shown(host)
                return with_times(st, host, host, host)
            at = self.slot(key)
            now = self.now()
            modified = host if host < self.began else now
            self._set(at, modified, now, modified, host)
        words = self.words
        if not words[at + SEEN]:
            words[at + SEEN] = host
        elif words[at + SEEN] != host:
            self._set(at, self.now(), self.now(), words[at + ACCESSED], host)
        self.clock.has_shown(words[at + CHANGED])
        return with_times(st, words[at + ACCESSED], words[at + MODIFIED], words[at + CHANGED])


def key_of(st: os.stat_result) -> int:
    """A number for an inode; never 0."""
    return (st.st_ino * 0x9E3779B97F4A7C15 ^ st.st_dev * 0xD1B54A32D192ED03) & 0x7FFFFFFFFFFFFFFF | 1


def with_times(st: os.stat_result, accessed: int, modified: int, changed: int) -> Status:
    """The same status with other times."""
    return Status(
        st.st_mode, st.st_ino, st.st_size, st.st_rdev, st.st_dev, st.st_nlink, st.st_uid, st.st_gid, st.st_blksize,
        st.st_blocks, accessed, modified, changed,
    )  # fmt: skip


class TimedNode(HostNode):
    """A file of the host whose times are the guest's."""

    def __init__(self, fd: int, read_only: bool, tree: Tree) -> None:
        super().__init__(fd, read_only, tree)
        self._key = 0
        self._at = -1

    @property
    def key(self) -> int:
        """The number of its inode."""
        if not self._key:
            self._key = key_of(os.fstat(self.fd))
        return self._key

    def shown(self, st: os.stat_result) -> Status | os.stat_result:
        """See `Node.shown`."""
        return self.tree.times.shown(st)

    def status(self) -> Status | os.stat_result:
        """See `Node.status`."""
        st = super().status()
        return self.tree.times.shown(st) if isinstance(st, os.stat_result) else st

    def changed(self) -> None:
        """See `Node.changed`. This is on the way of each write; so the place in the table is kept."""
        times = self.tree.times
        clock, words, at = times.clock, times.words, self._at
        if clock is None or clock.host_time:
            return
        if at < 0 or words[at] != self._key:
            times.written(self.key)
            self._at = times.slot(self.key)
            return
        words[at + 1] = words[at + 2] = clock.coarse
        words[at + 4] = 0

    def _new(self, name: bytes) -> None:
        self.tree.times.made(key_of(os.stat(name, dir_fd=self.fd, follow_symlinks=False)))
        self.changed()

    def create(self, name: bytes, flags: int, mode: int) -> File:
        """See `Node.create`."""
        file = super().create(name, flags, mode)
        self._new(name)
        return file

    def mkdir(self, name: bytes, mode: int) -> None:
        """See `Node.mkdir`."""
        super().mkdir(name, mode)
        self._new(name)

    def mknod(self, name: bytes, mode: int) -> None:
        """See `Node.mknod`."""
        super().mknod(name, mode)
        self._new(name)

    def symlink(self, name: bytes, target: bytes) -> None:
        """See `Node.symlink`."""
        super().symlink(name, target)
        self._new(name)

    def bind_socket(self, bind: Callable[[bytes], None], temporary: bytes, name: bytes) -> None:
        """See `Node.bind_socket`."""
        super().bind_socket(bind, temporary, name)
        self._new(name)

    def unlink(self, name: bytes, directory: bool) -> None:
        """See `Node.unlink`."""
        super().unlink(name, directory)
        self.changed()

    def rename(self, name: bytes, target: Node, new_name: bytes, flags: int) -> None:
        """See `Node.rename`."""
        super().rename(name, target, new_name, flags)
        self.changed()
        target.changed()

    def link(self, target: Node, new_name: bytes) -> None:
        """See `Node.link`."""
        with_new_status(self, super().link, target, new_name)
        target.changed()

    def chmod(self, mode: int) -> None:
        """See `Node.chmod`."""
        with_new_status(self, super().chmod, mode)

    def chown(self, uid: int, gid: int) -> None:
        """See `Node.chown`."""
        with_new_status(self, super().chown, uid, gid)

    def set_attribute(self, name: bytes, value: bytes, flags: int) -> None:
        """See `Node.set_attribute`."""
        with_new_status(self, super().set_attribute, name, value, flags)

    def remove_attribute(self, name: bytes) -> None:
        """See `Node.remove_attribute`."""
        with_new_status(self, super().remove_attribute, name)

    def birth(self) -> int | None:
        """See `Node.birth`: the host's, but a file that the guest made is not younger than its other times."""
        born = super().birth()
        st = self.status()
        return born if born is None else min(born, st.st_mtime_ns, st.st_ctime_ns)

    def utime(self, times: bytes | None) -> None:
        """See `Node.utime`."""
        before = self.status()
        super().utime(times)
        st = os.fstat(self.fd)
        asked = [UTIME_NOW, UTIME_NOW]
        if times is not None:
            stored = (st.st_atime_ns, st.st_mtime_ns)
            given = [ns for _, ns in TIMESPEC.iter_unpack(times)]
            asked = [ns if ns in (UTIME_NOW, UTIME_OMIT) else kept for ns, kept in zip(given, stored, strict=True)]
        shown = (before.st_atime_ns, before.st_mtime_ns)
        self.tree.times.dated(self.key, shown, (asked[0], asked[1]), st.st_mtime_ns)

    def truncate(self, length: int) -> None:
        """See `Node.truncate`."""
        super().truncate(length)
        self.changed()

    def open(self, flags: int, *rest: Any) -> File:
        """See `Node.open`."""
        file = super().open(flags, *rest)
        if flags & O_TRUNC:
            self.changed()
        return file


def with_new_status(node: TimedNode, change: Callable[..., None], *arguments: Any) -> None:
    """Do what changes a file's status, and remember when."""
    before = node.status().st_mtime_ns
    change(*arguments)
    node.tree.times.status_changed(node.key, before)


def open_timed(path: bytes, read_only: bool, times: FileTimes) -> TimedNode:
    """The host directory or file `path` as a tree of its own. Raises OSError."""
    tree = Tree(times)
    root = TimedNode(os.open(path, os.O_PATH | os.O_CLOEXEC), read_only, tree)
    tree.root = root
    return root
