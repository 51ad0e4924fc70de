"""What a guest has open in a shared directory stays open wherever the machine goes."""

from __future__ import annotations

import pytest

from softmetal.host.shares import open_share
from softmetal.machine.machine import Machine
from tests.host.test_shares import RDWR, Guest
from tests.machine.guests import machine


@pytest.fixture
def tree(tmp_path):
    where = tmp_path / "tree"
    (where / "sub").mkdir(parents=True)
    (where / "sub" / "file").write_text("what it holds")
    (where / "gone").write_text("soon")
    return where


class Sharing:
    """A machine, and its guest's client of the share."""

    def __init__(self, tmp_path, tree):
        self.machine = machine(tmp_path, "1: j 1b", shares=(open_share(f"{tree}:work:rw"),))
        self.guest = Guest(self.machine.computer.shares[0])
        self.open = self.guest.opened(b"sub", b"file", flags=RDWR)
        self.gone = self.guest.opened(b"gone")

    def of(self, other):
        """The same guest in another machine."""
        self.guest.share = other.computer.shares[0]
        return self.guest


@pytest.fixture
def sharing(tmp_path, tree):
    made = Sharing(tmp_path, tree)
    yield made
    made.machine.computer.shares[0].close()


def saved(m, tmp_path, tree):
    m.save(str(tmp_path / "state"))
    return Machine.load(str(tmp_path / "state"), shares=(open_share(f"{tree}:work:rw"),))


def forked(m, tmp_path, tree):
    return m.fork()


def restored(m, tmp_path, tree):
    s = m.snapshot()
    m.computer.shares[0].close()
    m.restore(s)
    return m


def rewound(m, tmp_path, tree):
    m.keep_timeline()
    m.run(insns=1000)
    m.computer.shares[0].close()
    m.goto(0)
    return m


WAYS = [saved, forked, restored, rewound]


@pytest.mark.parametrize("way", WAYS)
def test_files_and_the_root_that_were_open_are_open_on_the_other_side(sharing, tmp_path, tree, way):
    other = way(sharing.machine, tmp_path, tree)
    guest = sharing.of(other)
    assert guest.read(sharing.open, 5, 100)[4:] == b"it holds"
    guest.write(sharing.open, 0, b"WHAT")
    assert (tree / "sub" / "file").read_text() == "WHAT it holds"
    guest.getattr(guest.root, 0)
    assert not other.remarks


@pytest.mark.parametrize("way", WAYS)
def test_what_is_gone_from_the_host_is_said_to_user_and_guest(sharing, tmp_path, tree, way):
    (tree / "gone").unlink()
    other = way(sharing.machine, tmp_path, tree)
    with pytest.raises(Exception, match="116"):  # ESTALE
        sharing.of(other).read(sharing.gone, 0, 1)
    assert other.remarks == ["share work: gone, which the guest has open, no longer exists; the guest gets the error ESTALE"]
