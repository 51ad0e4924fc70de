"""NBD with others: QEMU's tools at our server, our client at QEMU's, and at what serves no disk."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import struct
import subprocess
import threading

import pytest

from softmetal.host import nbd
from softmetal.host.disks import DiskError
from softmetal.host.disks.disk import FileDisk
from softmetal.host.nbd import NbdBase

from .served import PATIENCE, SIZE, Served, read

HELLO = nbd.MAGIC + nbd.OPTION + struct.pack(">H", 3)


def reply(kind, payload=b"", magic=nbd.REPLY):
    return struct.pack(">QIII", magic, nbd.GO, kind, len(payload)) + payload


@pytest.mark.parametrize(
    ("says", "line"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "what is served there is not NBD"),
        (HELLO[:10], "whoever serves it has gone"),
        (HELLO + reply(0x80000006), "is not exported (0x80000006)"),
        (HELLO + reply(nbd.ACK, magic=1), "what is served there is not NBD"),
        (HELLO + reply(nbd.ACK), "is exported without a size"),
        (HELLO + reply(nbd.INFORMATION, b"\0\0") + reply(nbd.ACK), "is exported without a size"),
        (HELLO + struct.pack(">QIII", nbd.REPLY, nbd.GO, nbd.INFORMATION, 0xFFFFFFFF), "what is served there is not NBD"),
    ],
)
def test_what_serves_no_disk_is_refused_in_one_line(tmp_path, says, line):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "x"))
        listener.listen()
        listener.settimeout(PATIENCE)

        def serve():
            sock, _ = listener.accept()
            with sock:
                sock.sendall(says)
                sock.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionError):
                    while sock.recv(1 << 16):
                        pass

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(DiskError, match=f"^disk there: {re.escape(line)}$"):
            NbdBase(str(tmp_path / "x"), "there")
        thread.join()


def tool(name, *arguments):
    """What one of QEMU's tools prints."""
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed: install the package qemu-utils")
    done = subprocess.run([name, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_qemus_tools_read_and_write_what_we_serve(tmp_path):
    with Served(tmp_path) as served:
        url = f"nbd+unix:///?socket={served.path}"
        assert f"virtual size: 1 MiB ({SIZE} bytes)" in tool("qemu-img", "info", url)
        commands = ("write -P 7 0 4k", "read -P 7 0 4k", "write -z 1k 1k", "write -f -P 9 64k 1k", "discard 128k 4k", "flush")
        said = tool("qemu-io", "-f", "raw", *(word for command in commands for word in ("-c", command)), url)
        assert "Pattern verification failed" not in said
        image = served.image.read_bytes()
        assert image[:4096] == b"\7" * 1024 + bytes(1024) + b"\7" * 2048
        assert image[65536:66560] == b"\t" * 1024
        assert served.warnings == []


def test_our_client_reads_and_writes_what_qemu_serves(tmp_path):
    if not shutil.which("qemu-nbd"):
        pytest.skip("qemu-nbd is not installed: install the package qemu-utils")
    image, path = tmp_path / "disk.img", tmp_path / "socket"
    image.write_bytes(bytes(SIZE))
    tool("qemu-nbd", "--fork", "-k", str(path), "-f", "raw", "-x", "", "--discard=unmap", str(image))
    there = FileDisk(NbdBase(str(path), "there"))
    there.write(700, memoryview(b"hello"))
    there.zero(701, 1)
    there.discard(4096, 4096)
    there.flush()
    assert read(there, 699, 7) == b"\0h\0llo\0"
    with pytest.raises(DiskError, match=r"^disk there: reading failed: Invalid argument$"):
        there.base.readv(SIZE, [memoryview(bytearray(1))])
    there.close()
    assert image.read_bytes()[699:706] == b"\0h\0llo\0"
