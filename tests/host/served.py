"""A disk that is served over NBD, for tests of both ends."""

from __future__ import annotations

import asyncio
import socket
import threading

from softmetal.host.arbiter import Share, Shared
from softmetal.host.disks import open_disk
from softmetal.host.disks.disk import FileDisk
from softmetal.host.nbd import NbdBase, NbdServer
from softmetal.host.vhost.server import Turns

PATIENCE = 20
SIZE = 1 << 20


class Served:
    """A disk image that is served at a socket, by a loop in a thread of its own."""

    def __init__(self, folder, option="", size=SIZE):
        self.image, self.path = folder / "disk.img", folder / "disk.nbd"
        with self.image.open("wb") as file:
            file.truncate(size)
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(lambda _, context: self.crashes.append(context))
        self.warnings, self.crashes = [], []
        self.disk = open_disk(f"{self.image}{option}")
        self.shared = Shared("store")
        self.shared.join(Share("guest"))
        self.thread = threading.Thread(target=self.loop.run_forever)

    def __enter__(self):
        self.thread.start()
        self.serve()
        return self

    def serve(self):
        """Have a server."""
        wake = Turns(self.shared, self.loop).wake
        self.server = self.ask(
            lambda: NbdServer(self.path, "guest", self.disk, self.shared, self.loop, wake, self.warnings.append)
        )
        self.ask(lambda: self.server.starting)

    def __exit__(self, *_):
        self.ask(self.server.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
        self.disk.close()
        assert self.crashes == []

    def ask(self, call):
        """What a call inside of the loop gives."""

        async def inside():
            found = call()
            return await found if asyncio.isfuture(found) else found

        return asyncio.run_coroutine_threadsafe(inside(), self.loop).result(PATIENCE)

    def until(self, condition):
        """Until something is so inside of the loop."""
        for _ in range(200_000):
            if self.ask(condition):
                return
        raise AssertionError("it never came")

    def recent(self):
        """The accesses so far."""
        return self.ask(lambda: list(self.shared.ledger.recent))

    def connect(self):
        """A socket of a client that has nothing said yet."""
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(PATIENCE)
        sock.connect(str(self.path))
        return sock

    def disk_there(self):
        """The disk as our own client has it."""
        return FileDisk(NbdBase(str(self.path), "there"))


def receive(sock, size):
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        assert piece, "it hung up"
        data += piece
    return data


def read(disk, offset, size):
    into = bytearray(size)
    disk.read(offset, memoryview(into))
    return bytes(into)
