"""Disks of the host: what a machine writes and reads, and what stays."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess

import pytest

from softmetal.host.disks import DiskError, open_disk
from softmetal.host.disks.overlay import LEAF, SPAN
from softmetal.host.disks.raw import RawBase
from tests.rights import ordinary

BLOCK = 4096
SIZE = 2 * SPAN + 3 * BLOCK + 512
QEMU = pytest.mark.skipif(not shutil.which("qemu-nbd"), reason="needs qemu-utils")


def content(size=SIZE, seed=1):
    return random.Random(seed).randbytes(size)


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "disk,1.img"
    path.write_bytes(content())
    return path


@pytest.fixture(params=["raw", pytest.param("qcow2", marks=QEMU), pytest.param("compressed", marks=QEMU)])
def any_image(request, image):
    """The same disk in each format."""
    if request.param == "raw":
        return image
    path = image.with_suffix(".qcow2")
    compress = ["-c"] if request.param == "compressed" else []
    subprocess.run(["qemu-img", "convert", *compress, "-f", "raw", "-O", "qcow2", image, path], check=True)
    return path


def read(disk, offset, size):
    into = bytearray(size)
    disk.read(offset, memoryview(into))
    return bytes(into)


def write(disk, offset, data):
    disk.write(offset, memoryview(data))


def message(spec):
    with pytest.raises(DiskError) as caught:
        open_disk(str(spec))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["", ",ro", ",overlay"])
def test_a_disk_holds_what_its_image_holds(any_image, kind):
    disk = open_disk(f"{any_image}{kind}")
    assert (disk.size, disk.read_only, disk.name) == (SIZE, kind == ",ro", str(any_image))
    assert read(disk, 0, SIZE) == content()
    assert read(disk, 4097, 10_000) == content()[4097:14_097]
    disk.close()


@pytest.mark.parametrize("kind", ["", ",overlay"])
def test_random_writes_read_back_and_reach_the_image_or_not(any_image, kind):
    model, rnd = bytearray(content()), random.Random(7)
    disk = open_disk(f"{any_image}{kind}")
    for _ in range(300):
        size = rnd.choice([512, 4096, 8192, 5000, 70_000])
        unit = rnd.choice([1, 512, 4096])
        offset = rnd.randrange(SIZE - size) // unit * unit
        if rnd.random() < 0.5:
            data = rnd.randbytes(size)
            write(disk, offset, data)
            model[offset : offset + size] = data
        elif rnd.random() < 0.3:
            disk.zero(offset, size)
            model[offset : offset + size] = bytes(size)
        else:
            assert read(disk, offset, size) == model[offset : offset + size]
    parts = [bytearray(n) for n in (100, 4096, 3, 9000)]
    disk.readv(1000, [memoryview(p) for p in parts])
    assert b"".join(parts) == model[1000 : 1000 + sum(map(len, parts))]
    disk.writev(SPAN - 5000, [memoryview(p) for p in parts])
    model[SPAN - 5000 : SPAN - 5000 + sum(map(len, parts))] = b"".join(parts)
    assert read(disk, 0, SIZE) == model
    disk.flush()
    disk.close()
    again = open_disk(f"{any_image},ro")
    assert read(again, 0, SIZE) == (content() if kind else model)
    again.close()


def test_a_file_that_is_no_multiple_of_a_sector_ends_in_zeroes(tmp_path):
    path = tmp_path / "odd"
    path.write_bytes(b"x" * 700)
    disk = open_disk(f"{path},overlay")
    assert disk.size == 1024
    assert read(disk, 512, 512) == b"x" * 188 + bytes(324)
    write(disk, 512, b"y" * 512)
    assert read(disk, 0, 1024) == b"x" * 512 + b"y" * 512
    disk.close()
    assert path.stat().st_size == 700


def test_what_is_outside_of_the_disk_is_refused(image):
    disk = open_disk(f"{image},overlay")
    for offset, size in [(SIZE, 1), (SIZE - 511, 512), (-1, 4), (1 << 70, 512)]:
        with pytest.raises(DiskError, match="outside"):
            read(disk, offset, size)
        with pytest.raises(DiskError, match="outside"):
            write(disk, offset, bytes(size))
        with pytest.raises(DiskError, match="outside"):
            disk.zero(offset, size)
    disk.close()


def test_a_read_only_disk_refuses_every_change(any_image):
    disk = open_disk(f"{any_image},ro")
    for change in (lambda: write(disk, 0, bytes(512)), lambda: disk.zero(0, 512), lambda: disk.discard(0, 512)):
        with pytest.raises(DiskError, match="read-only"):
            change()
    disk.flush()
    twin = disk.fork()
    disk.restore(twin.state())
    disk.close()
    assert read(twin, 0, 512) == content()[:512]
    twin.close()


def test_a_closed_disk_refuses_and_closes_again_in_peace(image):
    disk = open_disk(str(image))
    disk.close()
    disk.close()
    with pytest.raises(DiskError, match="closed"):
        read(disk, 0, 512)


@pytest.mark.parametrize(
    ("at", "magic", "name"),
    [(0, b"KDMV", "VMDK"), (0, b"# Disk DescriptorFile\n", "VMDK"), (0x40, b"\x7f\x10\xda\xbe", "VDI"), (0, b"vhdxfile", "VHDX"),
     (0, b"conectix", "VHD"), (8192 - 512, b"conectix", "VHD"), (0, b"QED\0", "QED"), (0, b"LUKS\xba\xbe", "LUKS"),
     (0, b"WithoutFreeSpace", "Parallels"), (0, b"\x1f\x8b\x08", "gzip"), (8192 - 512, b"koly", "DMG")],
)  # fmt: skip
def test_a_format_that_is_not_read_is_refused_by_its_name_unless_it_is_to_be_raw(tmp_path, at, magic, name):
    path = tmp_path / "disk"
    data = bytearray(8192)
    data[at : at + len(magic)] = magic
    path.write_bytes(data)
    for kind in ("", ",ro", ",overlay"):
        with pytest.raises(DiskError, match=f"disk {path}: this is {name}, which is not read here: convert it") as error:
            open_disk(f"{path}{kind}")
        assert "\n" not in str(error.value)
        disk = open_disk(f"{path},raw{kind}")
        found = bytearray(8192)
        disk.read(0, memoryview(found))
        assert found == data
        assert disk.read_only == (kind == ",ro")
        disk.close()


def test_a_state_is_put_back_as_often_as_wanted(image):
    disk = open_disk(f"{image},overlay")
    write(disk, 100, b"first")
    one = disk.state()
    write(disk, 100, b"again")
    disk.zero(0, SIZE)
    two = disk.state()
    disk.discard(0, SIZE)
    for state, there in [(one, b"first"), (two, bytes(5)), (one, b"first")]:
        disk.restore(state)
        assert read(disk, 100, 5) == there
        write(disk, 100, b"dirty")
    disk.close()


def test_states_share_what_is_equal(image):
    disk = open_disk(f"{image},overlay")
    write(disk, 0, content(SPAN, 2))
    states = []
    for i in range(100):
        write(disk, SPAN + i % 2 * BLOCK, bytes([i]) * BLOCK)
        states.append(disk.state())
    assert len({id(state.leaves[0]) for state in states}) == 1
    assert len({id(block) for state in states for leaf in state.leaves.values() for block in leaf.blocks.values()}) == LEAF + 100
    disk.close()


def test_the_digest_depends_on_contents_and_not_on_history(image):
    one, two = open_disk(f"{image},overlay"), open_disk(f"{image},overlay")
    clean = one.digest()
    order = list(range(20))
    for disk, seed in [(one, 1), (two, 2)]:
        random.Random(seed).shuffle(order)
        for i in order:
            write(disk, i * BLOCK, bytes([seed]) * BLOCK)
            write(disk, i * BLOCK, bytes([i]) * BLOCK)
    two.state()
    assert one.digest() == two.digest() != clean
    assert len(clean) >= 16
    here = one.state()
    write(one, 3 * BLOCK, b"\1")
    assert one.digest() != two.digest()
    one.restore(here)
    assert one.digest() == two.digest()
    two.zero(SPAN, SPAN)
    for i in range(LEAF):
        write(one, SPAN + i * BLOCK, bytes(BLOCK))
    assert one.digest() == two.digest()
    write(one, 0, bytes([1]) * BLOCK)  # blocks changed places
    write(one, BLOCK, bytes([0]) * BLOCK)
    assert one.digest() != two.digest()
    for disk in (one, two):
        disk.discard(0, SIZE)
    assert one.digest() == two.digest()
    one.close()
    two.close()


def test_discarding_an_overlay_shows_the_image_again(image):
    disk = open_disk(f"{image},overlay")
    clean = disk.digest()
    write(disk, 0, bytes(SPAN + 10 * BLOCK))
    disk.discard(0, SPAN + 10 * BLOCK)
    assert read(disk, 0, SIZE) == content()
    assert disk.digest() == clean
    disk.close()


def test_forks_go_their_own_ways(any_image):
    disk = open_disk(f"{any_image},overlay")
    write(disk, 0, b"common")
    twin = disk.fork()
    write(twin, 0, b"twin")
    write(disk, 8192, b"here")
    assert read(disk, 0, 6) == b"common"
    assert read(twin, 0, 6) == b"twinon"
    assert read(twin, 8192, 4) == content()[8192:8196]
    disk.close()
    assert read(twin, SPAN, 100) == content()[SPAN : SPAN + 100]
    twin.close()


def test_a_saved_state_is_loaded_by_another_disk_on_an_equal_image(any_image, tmp_path):
    disk = open_disk(f"{any_image},overlay")
    write(disk, 5000, content(20_000, 3))
    disk.zero(SPAN, SPAN)
    saved, digest = disk.save(disk.state()), disk.digest()
    assert len(saved) < 50_000
    there = read(disk, 0, SIZE)
    disk.close()
    copy = tmp_path / "copy"
    shutil.copy(any_image, copy)
    other = open_disk(f"{copy},overlay")
    other.restore(other.load(saved))
    assert (read(other, 0, SIZE), other.digest()) == (there, digest)
    for bad in (b"", saved[:-1], saved + b"x", b"x" + saved[1:], saved[:60]):
        with pytest.raises(DiskError, match=r"not a saved state|not the image"):
            other.load(bad)
    other.close()


def test_a_saved_state_is_refused_on_another_image(image, tmp_path):
    disk = open_disk(f"{image},overlay")
    saved = disk.save(disk.state())
    disk.close()
    other = tmp_path / "other"
    other.write_bytes(content(SIZE, 9))
    for path in (other, image):
        disk = open_disk(f"{path},ro" if path == image else f"{path},overlay")
        if path == image:
            assert disk.load(saved) == disk.state()
        else:
            with pytest.raises(DiskError, match="not the image that this state was made on"):
                disk.load(saved)
        disk.close()


def test_a_written_file_does_not_go_back_in_time(image):
    disk = open_disk(str(image))
    state = disk.state()
    disk.restore(state)
    write(disk, 0, b"x")
    advice = f"use {image},overlay"
    for attempt in (lambda: disk.restore(state), disk.fork, lambda: disk.save(state), lambda: disk.load(b"")):
        with pytest.raises(DiskError) as caught:
            attempt()
        assert str(image) in str(caught.value)
        assert advice in str(caught.value)
    disk.close()


def test_what_cannot_be_opened_is_reported_in_one_line(tmp_path, image):
    assert "no such file" in message(tmp_path / "none")
    assert "no such file" in message(f"{tmp_path}/none,overlay")
    assert "directory" in message(tmp_path)
    assert "directory" in message(f"{tmp_path},ro")
    (tmp_path / "empty").touch()
    assert "empty" in message(tmp_path / "empty")
    os.mkfifo(tmp_path / "pipe")
    assert "neither a file nor" in message(f"{tmp_path}/pipe,ro")
    assert "choose ro, overlay or commit" in message(f"{image},rx")
    assert "disk" in message("a\0b")


def test_missing_permissions_are_reported(image):
    with ordinary():
        image.chmod(0o400)
        assert "may not be written; use FILE,ro or FILE,overlay" in message(image)
        image.chmod(0)
        assert "may not be read" in message(f"{image},ro")


def test_two_machines_do_not_write_one_image(any_image):
    disk = open_disk(str(any_image))
    assert "in use by another machine" in message(any_image)
    assert "written by another machine" in message(f"{any_image},overlay")
    disk.close()
    one, two = open_disk(f"{any_image},overlay"), open_disk(f"{any_image},ro")
    assert "in use by another machine" in message(any_image)
    one.close()
    two.close()
    open_disk(str(any_image)).close()


@pytest.mark.parametrize("kind", ["", ",ro", ",overlay"])
def test_a_file_cut_short_under_the_machine_is_an_error_and_no_crash(image, kind):
    disk = open_disk(f"{image}{kind}")
    os.truncate(image, 8192)
    assert read(disk, 0, 8192) == content()[:8192]
    for offset in (4096, 8192, SPAN):
        with pytest.raises(DiskError, match="truncated"):
            read(disk, offset, 8192)
    if not kind:
        with pytest.raises(DiskError, match="truncated"):
            disk.flush()
        with pytest.raises(DiskError, match="truncated"):
            disk.close()
    disk.close()


def test_a_file_that_vanishes_stays_the_machines_until_the_end(image):
    disk = open_disk(str(image))
    image.unlink()
    write(disk, 0, b"still")
    disk.flush()
    assert read(disk, 0, 5) == b"still"
    disk.close()


def test_a_full_host_is_an_error_of_that_write_and_what_was_there_stays(image):
    disk = open_disk(str(image))
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, old[1]))
    try:
        with pytest.raises(DiskError, match="larger than the host allows"):
            write(disk, 4096, bytes(8192))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, ignored)
    assert read(disk, 8192, 4096) == content()[8192:12288]
    disk.close()


def test_a_full_device_is_reported_as_such(image, monkeypatch):
    disk = open_disk(str(image))

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwritev", full)
    with pytest.raises(DiskError, match="no space left on the host's file system") as caught:
        write(disk, 0, bytes(512))
    assert caught.value.errno == 28
    disk.close()


def test_a_failed_flush_is_never_followed_by_one_that_succeeds(image, monkeypatch):
    disk = open_disk(str(image))
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", lambda fd: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        with pytest.raises(DiskError, match="medium"):
            disk.flush()
    with pytest.raises(DiskError, match="medium"):
        disk.flush()
    with pytest.raises(DiskError):
        disk.close()


def test_short_transfers_are_continued(image, monkeypatch):
    disk = open_disk(str(image))
    whole = os.preadv
    monkeypatch.setattr(os, "preadv", lambda fd, parts, offset: whole(fd, [parts[0][:1000]], offset))
    assert read(disk, 10, 9000) == content()[10:9010]
    disk.close()


def test_a_guest_cannot_turn_its_raw_disk_into_a_qcow2_with_a_backing_file_of_its_choice(image):
    disk = open_disk(str(image))
    with pytest.raises(DiskError, match="like a qcow2"):
        write(disk, 0, b"QFI\xfb" + bytes(508))
    write(disk, 0, b"QF")
    with pytest.raises(DiskError, match="like a qcow2"):
        disk.writev(2, [memoryview(b"I"), memoryview(b"\xfbxx")])
    disk.close()
    open_disk(f"{image},overlay").close()


@pytest.mark.parametrize("hole", [True, False])
def test_discarded_and_zeroed_ranges_of_a_file(image, hole, monkeypatch):
    if not hole:
        monkeypatch.setattr(RawBase, "_punch", lambda *_: False)
    disk = open_disk(str(image))
    disk.discard(0, SPAN)
    disk.zero(SPAN, SPAN)
    assert read(disk, SPAN, SPAN) == bytes(SPAN)
    disk.close()
    assert image.stat().st_size == SIZE


@QEMU
def test_a_damaged_qcow2_is_reported_in_qemus_words(image):
    path = image.with_suffix(".qcow2")
    path.write_bytes(b"QFI\xfb" + bytes(4096))
    assert f"disk {path}: " in message(path)


def test_the_error_of_a_qcow2_without_qemu_names_what_to_install(image, monkeypatch, tmp_path):
    image.write_bytes(b"QFI\xfb" + bytes(4096))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "install qemu-utils" in message(image)


@QEMU
def test_a_qemu_that_is_killed_is_an_error_and_the_disk_can_be_closed(image):
    path = image.with_suffix(".qcow2")
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", image, path], check=True)
    disk = open_disk(f"{path},overlay")
    disk.base.process.kill()
    for _ in range(2):
        with pytest.raises(DiskError, match="qemu-nbd"):
            read(disk, 0, 512)
    disk.close()


@pytest.mark.parametrize("format", ["raw", "qcow2"])
def test_an_overlay_is_committed_to_its_image(tmp_path, format):
    path = tmp_path / "disk"
    if format == "raw":
        path.write_bytes(b"o" * (10 * 4096 + 512))
    elif shutil.which("qemu-img"):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "20M"], check=True)
    else:
        pytest.skip("needs qemu-img")
    disk = open_disk(f"{path},overlay")
    before = disk.state()
    disk.write(5000, memoryview(b"new" * 100))
    disk.write(disk.size - 512, memoryview(b"e" * 512))
    held = disk.state()
    twin = disk.fork()
    with pytest.raises(DiskError, match="forks of this machine use its image"):
        disk.commit()
    twin.close()
    reader = open_disk(f"{path},ro")
    with pytest.raises(DiskError, match="in use by another machine"):
        disk.commit()
    reader.close()
    assert disk.commit() == 4096 + (512 if format == "raw" else 4096)
    for state in (before, held):
        with pytest.raises(DiskError, match="before its overlay was committed"):
            disk.restore(state)
    disk.write(5000, memoryview(b"gone"))
    disk.restore(disk.state())
    disk.restore(disk.load(disk.save(disk.state())))
    twin = disk.fork()
    disk.restore(twin.state())
    twin.close()
    disk.close()
    again = open_disk(f"{path},ro")
    found = bytearray(306)
    again.read(4997, memoryview(found))
    assert bytes(found[3:303]) == b"new" * 100
    tail = bytearray(512)
    again.read(again.size - 512, memoryview(tail))
    assert tail == b"e" * 512
    again.close()


@pytest.mark.parametrize("format", ["raw", "qcow2"])
def test_a_disk_that_commits_goes_back_in_time_and_is_in_its_file_in_the_end(tmp_path, format):
    path = tmp_path / "disk"
    if format == "raw":
        path.write_bytes(bytes(1 << 20))
    elif shutil.which("qemu-img"):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "1M"], check=True)
    else:
        pytest.skip("needs qemu-img")
    before = path.read_bytes()
    disk = open_disk(f"{path},commit")
    with pytest.raises(DiskError, match="written by another machine"):
        open_disk(f"{path},ro")
    state = disk.state()
    disk.write(0, memoryview(b"wrong" * 100))
    disk.restore(state)
    disk.write(512, memoryview(b"right" * 100))
    assert path.read_bytes() == before
    disk.close()
    disk.close()
    again, found = open_disk(f"{path},ro"), bytearray(1024)
    again.read(0, memoryview(found))
    assert found == bytes(512) + b"right" * 100 + bytes(12)
    again.close()
