"""The guest's file tree: nodes, mounts and the walk from a path to a place.

Every component of a path is looked up here, one at a time, in the directory found before; symbolic links and
`..` are followed by this walk and never by the host. So a guest cannot name anything outside of the trees that
are mounted for it, whatever links those trees contain, and even if another process changes them meanwhile.
"""

from __future__ import annotations

import errno
from typing import NamedTuple

from .nodes import Node, fail

MAX_LINKS = 40
NO_XDEV, NO_MAGICLINKS, NO_SYMLINKS, BENEATH, IN_ROOT, CACHED = 1, 2, 4, 8, 16, 32
"""The RESOLVE_ flags of openat2."""


class Place(NamedTuple):
    """Where a path leads: the directory, the name in it, and the node of that name, if there is one."""

    parent: Node | None
    name: bytes
    node: Node | None
    directory: bool
    """The path ended in a slash."""
    error: int = 0
    """Why the name could not be looked up (ENAMETOOLONG), if it could not."""

    def existing(self) -> Node:
        """The node. Raises FileNotFoundError, NotADirectoryError."""
        if self.node is None:
            raise fail(self.error or errno.ENOENT)
        return self.node

    def fresh(self, directory: bool = False) -> Node:
        """The parent, to make something new in: a directory, or what a name that ends in a slash cannot be.

        Raises FileExistsError, FileNotFoundError.
        """
        if self.node is not None or self.parent is None:
            raise fail(errno.EEXIST)
        if self.error:
            raise fail(self.error)
        if self.directory and not directory:
            raise fail(errno.ENOENT)
        return self.parent


def join(directory: bytes, name: bytes) -> bytes:
    """A guest path from a directory's and a name."""
    return directory + name if directory == b"/" else directory + b"/" + name


class Vfs:
    """The mounts, and the walk."""

    def __init__(self, root: Node) -> None:
        self.root = root
        root.path = b"/"
        self.mounts: dict[bytes, Node] = {}

    def mount(self, path: bytes, node: Node) -> None:
        """Put `node` at the absolute guest path, making what is missing on the way."""
        from .synthfs import Directory

        names = [name for name in path.split(b"/") if name]
        where = b"/"
        for name in names[:-1]:
            where = join(where, name)
            try:
                here = self.walk(where).node
            except OSError:
                here = None
            if here is None:
                made = Directory({})
                made.path = where
                self.mounts[where] = made
        place = self.walk(path) if names else None
        if place is None:
            self.root = node
            node.path = b"/"
            return
        node.path = path
        self.mounts[path if place.parent is None else join(place.parent.path, place.name)] = node
        node.path = path

    def mounted_in(self, directory: bytes) -> list[tuple[bytes, Node]]:
        """The mounts whose parent is `directory`, with their names in it."""
        prefix = directory if directory == b"/" else directory + b"/"
        return [
            (path[len(prefix) :], node)
            for path, node in self.mounts.items()
            if path.startswith(prefix) and b"/" not in path[len(prefix) :]
        ]

    def entries(self, node: Node) -> list[tuple[bytes, int, int]]:
        """A directory's entries, mount points included."""
        found = node.entries()
        mounted = self.mounted_in(node.path)
        if mounted:
            hidden = {name for name, _ in mounted}
            found = [entry for entry in found if entry[0] not in hidden]
            found += [(name, m.status().st_ino, m.mode >> 12) for name, m in mounted]
        return found

    def walk_parent(self, path: bytes, base: Node | None = None) -> Place:
        """Find the place of a name that is to be made, removed or renamed: its last component is never followed.

        If the path ends in `.` or `..` or is the root the place has no parent. Raises OSError as `walk` does.
        """
        if not path:
            raise fail(errno.ENOENT)
        bare = path.rstrip(b"/")
        above, slash, name = bare.rpartition(b"/")
        if name in (b"", b".", b".."):
            return Place(None, name, self.walk(path, base).existing(), True)
        parent = self.walk(above + slash if slash else b".", base).existing()
        full = join(parent.path, name)
        node = self.mounts.get(full)
        error = 0
        if node is None:
            try:
                node = parent.lookup(name)
                node.path = full
            except FileNotFoundError:
                pass
            except OSError as found:
                if found.errno != errno.ENAMETOOLONG:
                    raise
                error = errno.ENAMETOOLONG  # noted only when the name is needed: a second path may be wrong as well
        return Place(parent, name, node, len(bare) < len(path), error)

    def walk(self, path: bytes, base: Node | None = None, follow: bool = True, how: int = 0) -> Place:
        """Find the place that `path` names, from the directory `base` if it is relative. `how` is openat2's `resolve`.

        Raises OSError: ENOENT, ENOTDIR, ELOOP, EACCES, ENAMETOOLONG, EXDEV as Linux does. A missing last component
        is not an error; the place then has no node.
        """
        if not path:
            raise fail(errno.ENOENT)
        here = self.root if path[0] == 47 or base is None else base
        top = self.root
        if how & (BENEATH | IN_ROOT):
            top = base or self.root
            if path[0] == 47:
                if how & BENEATH:
                    raise fail(errno.EXDEV)
                here = top
        todo = [name for name in reversed(path.split(b"/")) if name and name != b"."]
        must_be_directory = path.endswith((b"/", b"/.")) or path == b"."
        must_be_there = path.endswith(b"/.")
        parent: Node | None = None
        name = b""
        links = 0
        mounts = self.mounts
        while todo:
            name = todo.pop()
            if name == b"..":
                if not here.is_dir:
                    raise fail(errno.ENOTDIR)
                if how and (here.path == top.path or (how & NO_XDEV and here.path in mounts)):
                    if (how & BENEATH and here.path == top.path) or here.path != top.path:
                        raise fail(errno.EXDEV)
                    parent = None
                    continue
                here = self.parent(here)
                parent = None
                continue
            full = here.path + b"/" + name if here.path != b"/" else b"/" + name
            node = mounts.get(full)
            if node is None:
                try:
                    node = here.lookup(name)
                except FileNotFoundError:
                    if todo or must_be_there or not here.is_dir:
                        raise
                    return Place(here, name, None, must_be_directory)
                node.path = full
            elif how & NO_XDEV:
                raise fail(errno.EXDEV)
            if node.is_link and (todo or follow or must_be_directory):
                links += 1
                if links > MAX_LINKS or how & NO_SYMLINKS:
                    raise fail(errno.ELOOP)
                target = node.jump()
                if target is not None:
                    if how:
                        raise fail(errno.ELOOP if how & NO_MAGICLINKS else errno.EXDEV)
                    parent, here = None, target
                    continue
                text = node.readlink()
                if not text:
                    raise fail(errno.ENOENT)
                if text.endswith(b"/") and not todo:
                    must_be_directory = True
                todo += [part for part in reversed(text.split(b"/")) if part and part != b"."]
                if text[0] == 47:
                    if how & BENEATH:
                        raise fail(errno.EXDEV)
                    here = top
                    parent = None
                continue
            parent, here = here, node
        if must_be_directory and not here.is_dir:
            raise fail(errno.ENOTDIR)
        return Place(parent, name, here, must_be_directory)

    def parent(self, node: Node) -> Node:
        """The directory above, never above the root."""
        above = node.where().rpartition(b"/")[0]
        return self.walk(above).existing() if above else self.root
