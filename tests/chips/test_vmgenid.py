"""The generation identifier, as a guest reads it."""

from __future__ import annotations

import pytest

from softmetal.chips.vmgenid import Vmgenid
from softmetal.testing.bench import ENGINES
from tests.chips.platform import DeviceBench

ID = bytes(range(1, 17))


@pytest.fixture(params=ENGINES)
def vmgenid(request):
    device = DeviceBench(Vmgenid, request.param, 8)
    for i in range(2):
        device.chip.id[i] = int.from_bytes(ID[8 * i : 8 * i + 8], "little")
    return device


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_it_reads_as_its_sixteen_bytes_in_accesses_of_any_size(vmgenid, size):
    mask = (1 << 8 * size) - 1
    assert b"".join((vmgenid.read(at, size) & mask).to_bytes(size, "little") for at in range(0, 16, size)) == ID
    assert vmgenid.unmodelled == 0


@pytest.mark.parametrize(("offset", "size"), [(16, 1), (12, 8), (9, 2)])
def test_what_lies_elsewhere_is_unmodelled(vmgenid, offset, size):
    assert vmgenid.unmodelled_after(lambda: vmgenid.read(offset, size)) == 1


def test_a_write_is_unmodelled_and_changes_nothing(vmgenid):
    assert vmgenid.unmodelled_after(lambda: vmgenid.write(0, 7, 8)) == 1
    assert vmgenid.read(0) == int.from_bytes(ID[:8], "little")
