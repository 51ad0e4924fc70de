"""The host layer: hardware is given to guests and taken away again, and whatever is taken from one disturbs no other."""

from __future__ import annotations

import asyncio

import pytest

from softmetal.host.disks import DiskError
from softmetal.host.layer import HostLayer
from softmetal.host.nbd import NbdBase

MIB = 1 << 20


@pytest.fixture
def layer(tmp_path):
    loop = asyncio.new_event_loop()
    made = HostLayer(tmp_path, loop)
    yield made
    made.close()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def served(layer, call):
    """What a blocking client gets while the layer works."""

    async def inside():
        return await asyncio.to_thread(call)

    return layer.loop.run_until_complete(inside())


def test_a_part_is_let_go_of_with_its_guest_and_can_be_given_again(layer, tmp_path):
    layer.add_disk("store", str(tmp_path / "store.img"), 4 * MIB)
    whole = layer.disks["store"][0].base
    for _ in range(3):
        path = layer.attach_disk("store", "a", "nbd", MIB, MIB)
        other = layer.attach_disk("store", "b", "vhost", 2 * MIB, MIB)
        disk = served(layer, lambda path=path: NbdBase(path))
        served(layer, lambda disk=disk: disk.writev(0, [memoryview(b"x" * 512)]))
        assert disk.size == MIB
        assert whole.users == 3
        disk.sock.close()
        layer.detach("a")
        assert whole.users == 2
        assert [name for name, _ in layer.held["b"]] == ["store", "store"]
        assert other.endswith("b.store")
        layer.detach("b")
        assert whole.users == 1
    assert (tmp_path / "store.img").read_bytes()[MIB : MIB + 512] == b"x" * 512


def test_one_piece_of_hardware_is_taken_away_and_the_others_stay(layer, tmp_path):
    layer.add_disk("store", str(tmp_path / "store.img"), 4 * MIB)
    layer.add_network("lan")
    layer.attach_disk("store", "a", "nbd", 0, MIB)
    layer.attach_card("lan", "a", "socket", "020000000001")
    layer.attach_card("lan", "b", "vhost", "020000000002")
    layer.detach("a", "lan")
    assert [p.name for p in layer.networks["lan"].ports] == ["b"]
    assert layer.status()["store"]["accounts"] == {}
    layer.detach("a")
    assert list(layer.held) == ["b"]


def test_a_part_beyond_the_disk_s_end_is_refused(layer, tmp_path):
    layer.add_disk("store", str(tmp_path / "store.img"), 4 * MIB)
    with pytest.raises(DiskError, match=r"no part of it can have bytes 4194304 to 5242880 of 4194304 \(a's part\)"):
        layer.attach_disk("store", "a", "nbd", 4 * MIB, MIB)
