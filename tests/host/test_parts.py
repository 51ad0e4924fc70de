"""Parts of an image: each guest reaches its own bytes and no other; the image is open for as long as anyone has a part."""

from __future__ import annotations

import errno
import os
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softmetal.host.disks import DiskError, open_disk
from softmetal.host.disks.disk import FileDisk
from softmetal.host.disks.part import SECTOR, PartBase

SIZE = 16 * SECTOR


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(range(1, 17)) * SECTOR)
    return path


def part(whole, start, size, name="a's part"):
    return FileDisk(PartBase(whole.base, start, size, name))


def read(disk, offset, size):
    into = bytearray(size)
    disk.read(offset, memoryview(into))
    return bytes(into)


def is_open(disk):
    try:
        os.fstat(disk.base.fd)
    except OSError:
        return False
    return True


def test_a_part_begins_at_its_own_zero_and_has_its_own_size(image):
    whole = open_disk(str(image))
    mine = part(whole, 2 * SECTOR, 3 * SECTOR)
    assert (mine.size, mine.name) == (3 * SECTOR, "a's part")
    before = image.read_bytes()
    assert read(mine, 0, 3 * SECTOR) == before[2 * SECTOR : 5 * SECTOR]
    mine.write(1, memoryview(b"hello"))
    mine.zero(SECTOR, SECTOR)
    mine.flush()
    after = bytearray(before)
    after[2 * SECTOR + 1 : 2 * SECTOR + 6] = b"hello"
    after[3 * SECTOR : 4 * SECTOR] = bytes(SECTOR)
    assert image.read_bytes() == after
    mine.discard(0, 3 * SECTOR)
    left = image.read_bytes()
    assert (left[: 2 * SECTOR], left[5 * SECTOR :]) == (before[: 2 * SECTOR], before[5 * SECTOR :])


@pytest.mark.parametrize(("offset", "length"), [(0, 513), (512, 1), (511, 2), (-1, 1), (1 << 62, 1)])
def test_what_is_outside_of_a_part_is_refused_and_touches_nothing(image, offset, length):
    whole = open_disk(str(image))
    mine = part(whole, 4 * SECTOR, SECTOR)
    before = image.read_bytes()
    for act in (
        lambda: mine.read(offset, memoryview(bytearray(length))),
        lambda: mine.write(offset, memoryview(bytes(length))),
        lambda: mine.zero(offset, length),
        lambda: mine.discard(offset, length),
    ):
        with pytest.raises(DiskError, match=rf"^disk a's part: {length} bytes at {offset} are outside of it$") as caught:
            act()
        assert caught.value.errno == errno.EINVAL
    assert image.read_bytes() == before


@pytest.mark.parametrize(
    ("start", "size"), [(-SECTOR, SECTOR), (0, 0), (0, -SECTOR), (1, SECTOR), (0, 1), (0, SIZE + SECTOR), (SIZE, SECTOR)]
)
def test_a_part_that_the_image_cannot_have_is_refused_and_is_no_user(image, start, size):
    whole = open_disk(str(image))
    with pytest.raises(DiskError) as caught:
        part(whole, start, size)
    assert str(caught.value) == f"disk {image}: no part of it can have bytes {start} to {start + size} of {SIZE} (a's part)"
    assert whole.base.users == 1
    whole.close()
    assert not is_open(whole)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_image_is_open_until_the_last_user_closes_it_in_any_order(image, order):
    whole = open_disk(str(image))
    disks = [whole, part(whole, 0, SECTOR, "a"), part(whole, SECTOR, SECTOR, "b")]
    assert whole.base.users == 3
    for done, number in enumerate(order):
        assert is_open(whole)
        for other in order[done:]:
            assert read(disks[other], 0, 1) != b""
        disks[number].close()
        disks[number].close()  # a second time does nothing
        with pytest.raises(DiskError, match="closed"):
            read(disks[number], 0, 1)
    assert not is_open(whole)


def test_a_part_of_a_part_keeps_both_open(image):
    whole = open_disk(str(image))
    outer = part(whole, 4 * SECTOR, 8 * SECTOR, "outer")
    inner = part(outer, SECTOR, SECTOR, "inner")
    before = image.read_bytes()
    assert read(inner, 0, SECTOR) == before[5 * SECTOR : 6 * SECTOR]
    whole.close()
    outer.close()
    assert is_open(whole)
    inner.close()
    assert not is_open(whole)


def test_the_first_bytes_of_a_raw_image_stay_guarded_in_its_first_part(image):
    whole = open_disk(str(image))
    with pytest.raises(DiskError, match="may not make a raw image begin like a qcow2 image"):
        part(whole, 0, SECTOR).write(0, memoryview(b"QFI\xfb"))
    part(whole, SECTOR, SECTOR).write(0, memoryview(b"QFI\xfb"))


WRITES = st.lists(
    st.tuples(st.integers(0, 2), st.integers(-SECTOR, 4 * SECTOR), st.binary(min_size=1, max_size=600)), max_size=12
)


@given(WRITES)
@settings(max_examples=60)
def test_guests_with_parts_of_one_image_never_see_each_others_bytes(tmp_path_factory, writes):
    path = tmp_path_factory.mktemp("parts") / "disk.img"
    path.write_bytes(bytes(6 * SECTOR))
    whole = open_disk(str(path))
    disks = [part(whole, n * 2 * SECTOR, 2 * SECTOR, f"part {n}") for n in range(3)]
    models = [bytearray(2 * SECTOR) for _ in disks]
    for number, offset, data in writes:
        if 0 <= offset and offset + len(data) <= 2 * SECTOR and not (number == offset == 0 and data.startswith(b"QFI")):
            disks[number].write(offset, memoryview(data))
            models[number][offset : offset + len(data)] = data
        else:
            with pytest.raises(DiskError):
                disks[number].write(offset, memoryview(data + bytes(2 * SECTOR)))
    assert [read(disk, 0, 2 * SECTOR) for disk in disks] == models
    assert path.read_bytes() == b"".join(models)
    for disk in (whole, *disks):
        disk.close()
