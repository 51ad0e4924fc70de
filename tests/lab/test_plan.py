"""The lab file: what a good one says, and the one line, with its place, for each mistake."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softmetal.host.arbiter import FrameRule, Terms
from softmetal.lab.errors import LabError
from softmetal.lab.plan import BOOTS, Use, read, size_of

MIB, GIB = 1 << 20, 1 << 30
GOOD = """\
# A lab.
[hardware.store]
path = "store.img"
size = "20G"

[hardware.scale]
kind = "serial"
path = "/dev/ttyUSB0"
policy = "exclusive"
frame = { ends = "\\r\\n", answers = 2 }
max_hold = 5
speed = 9600

[machines.web]
kernel = "Image"
copies = 2
uses = ["store:1G", "net:lan", "scale"]
memory = "1G"

[machines.old]
iso = "dos.iso"
uses = ["net:lan", "store:512M"]

[machines.box]
root = "/"
"""
STORE = '[hardware.store]\npath = "store.img"\n'
SCALE = '[hardware.scale]\nkind = "serial"\npath = "/dev/ttyS0"\npolicy = "exclusive"\n'
WEB = '[machines.web]\nkernel = "Image"\n'


@pytest.fixture
def plan(tmp_path):
    """The plan of a text."""

    def make(text):
        file = tmp_path / "lab.toml"
        file.write_text(text, encoding="utf-8")
        return read(file)

    return make


@pytest.fixture
def refusal(plan, tmp_path):
    """What is wrong with a text, without the file's name."""

    def make(text):
        with pytest.raises(LabError) as caught:
            plan(text)
        said = str(caught.value)
        assert said.startswith(f"{tmp_path}/lab.toml:")
        assert "\n" not in said
        return said.removeprefix(f"{tmp_path}/lab.toml:")

    return make


def test_copies_get_numbers_and_disjoint_parts_of_a_disk(plan, tmp_path):
    made = plan(GOOD)
    assert made.folder == tmp_path
    assert list(made.machines) == ["web1", "web2", "old", "box"]
    assert made.networks == ("lan",)
    parts = {m.name: (u.start, u.size) for m in made.machines.values() for u in m.uses if u.hardware == "store"}
    assert parts == {"web1": (0, GIB), "web2": (GIB, GIB), "old": (2 * GIB, 512 * MIB)}
    assert made.machines["web2"].table is made.machines["web1"].table
    assert [u.kind for u in made.machines["web1"].uses] == ["disk", "network", "serial"]
    assert made.machines["box"].uses == ()
    assert {m.name: m.memory for m in made.machines.values()} == {"web1": GIB, "web2": GIB, "old": 256 * MIB, "box": 256 * MIB}


def test_a_machine_may_have_all_of_a_disk(plan):
    assert plan(STORE + WEB + 'uses = ["store"]').machines["web"].uses == (Use("store", "disk"),)


def test_cards_have_addresses_of_their_own_that_are_the_same_each_time(plan):
    text = GOOD + '\n[machines.router]\nkernel = "Image"\nuses = ["net:lan"]\n[machines.gate]\niso = "a"\nuses=["net:a","net:b"]'
    cards = [(m.name, u.hardware, u.mac) for m in plan(text).machines.values() for u in m.uses if u.kind == "network"]
    assert len(cards) == 6
    assert len({mac for *_, mac in cards}) == 6
    assert {mac[0] & 3 for *_, mac in cards} == {2}  # locally administered, of one card
    assert {len(mac) for *_, mac in cards} == {6}
    again = [(m.name, u.hardware, u.mac) for m in plan(text + "\n").machines.values() for u in m.uses if u.kind == "network"]
    assert again == cards


@pytest.mark.parametrize(
    ("boots", "engine", "arch", "why"),
    [
        ('kernel = "Image"', "softmetal", "riscv64", "a riscv64 computer of our own"),
        ('kernel = "Image"\narch = "riscv64"', "softmetal", "riscv64", "a riscv64 computer of our own"),
        ('kernel = "Image"\narch = "aarch64"', "qemu", "aarch64", "board of architecture aarch64: QEMU has its devices"),
        ('kernel = "Image"\nengine = "qemu"\narch = "riscv64"', "qemu", "riscv64", "board of architecture riscv64"),
        ('kernel = "bzImage"\niso = "a.iso"', "qemu", "x86_64", "architecture x86_64"),
        ('kernel = "bzImage"\nfloppy = "a.img"', "qemu", "x86_64", "architecture x86_64"),
        ('disk = "a.img"', "qemu", "x86_64", "architecture x86_64"),
        ('floppy = "a.img"\narch = "i386"\nlegacy = true', "qemu", "i386", "architecture i386"),
        ('root = "/"', "uml", "x86_64", "a Linux on a folder of the host"),
        ('initrd = "a.gz"\nengine = "uml"', "uml", "x86_64", "user-mode Linux"),
    ],
)
def test_what_a_machine_boots_decides_what_runs_it(plan, boots, engine, arch, why):
    found = plan(f"[machines.web]\n{boots}").machines["web"]
    assert (found.engine, found.arch) == (engine, arch)
    assert why in found.why


def test_terms_and_frames_of_exclusive_hardware_are_the_arbiters(plan):
    scale = plan(GOOD).hardware["scale"]
    assert scale.rule == FrameRule(ends=b"\r\n", answers=2)
    assert scale.terms == Terms(None, 5.0, None, 0.0)
    silent = plan(SCALE + "frame = { gap = 0.5 }\ndeadline = 3\nquiet = 0.1\n" + WEB).hardware["scale"]
    assert silent.rule == FrameRule(gap=0.5)
    assert silent.terms == Terms(0.5, None, 3, 0.1)
    fixed = plan(SCALE + "idle = 1\nframe.length_size = 2\nframe.extra = -2\n" + WEB).hardware["scale"]
    assert fixed.rule == FrameRule(length_size=2, extra=-2)
    assert fixed.terms.idle == 1


def test_names_of_copies_meet_no_table_that_has_copies_itself(plan):
    made = plan(WEB + 'copies = 2\n[machines.web1]\nkernel = "Image"\ncopies = 2')
    assert list(made.machines) == ["web1", "web2", "web11", "web12"]


TOO_MANY = "1" * 5000
WRONG = [
    # TOML
    ("a = ", "1:5: Invalid value: the file ends here"),
    ("[machines.web]\nkernel = [1,\n", "3:1: Invalid value: the file ends here"),
    ("[machines.web]\n[machines.web]\n", "2:14: Cannot declare ('machines', 'web') twice"),
    ("[machines.web]\nkernel: 1", "2:7: Expected '=' after a key in a key/value pair"),
    ("x = 2020-13-45", "1:9: Expected newline or end of document after a statement"),
    (f"x = {TOO_MANY}", "1:1: Exceeds the limit (4300 digits) for integer string conversion"),
    ("x = " + "[" * 100_000, "1:1: is nested too deeply"),
    # the whole
    ("", "1:1: no machine: write a table [machines.NAME]"),
    (STORE, "1:1: no machine: write a table [machines.NAME]"),
    ("\n\n  machine = 1\n" + WEB, "3:3: unknown key 'machine'; did you mean 'machines'?"),
    ("# x\n[hardwear.store]\n" + WEB, "2:1: unknown key 'hardwear'; did you mean 'hardware'?"),
    (WEB + "\n[zzz]", "4:1: unknown key 'zzz'; there are hardware, machines"),
    ("hardware = 3\n" + WEB, "1:1: hardware is a table of tables: write [hardware.NAME]"),
    ("[[machines]]\nkernel = 'a'", "1:1: machines is a table of tables: write [machines.NAME]"),
    ("[machines]\n# x\n web = 3", "3:2: machines.web is a table: write [machines.web]"),
    ("#\n[[machines.web]]\nkernel = 'a'", "2:1: machines.web is a table: write [machines.web]"),
    (WEB + "[machines.Web]\nkernel = 'a'", "3:1: 'Web' is no name: small letters, digits and -, a letter first, at most 24"),
    (WEB + "[machines.'a b']", "3:1: 'a b' is no name: small letters, digits and -, a letter first, at most 24"),
    ("[machines.hw]\nkernel = 'a'", "1:1: 'hw' is a name that labs use themselves; choose another"),
    # keys and their types
    (WEB + "  kernal = 3", "3:3: unknown key 'kernal'; did you mean 'kernel'?"),
    (WEB + "name = 'x'", "3:1: unknown key 'name'; there are " + "engine, arch, kernel, initrd, append, disk, iso, floppy, root, "
     "memory, cpus, copies, uses, weight, bandwidth, rate, priority, legacy, arguments"),
    (STORE + "\n# sizes = 3\nsizes = 1\n" + WEB, "5:1: unknown key 'sizes'; did you mean 'size'?"),
    (WEB + "[machines.web.uses]\na = 1", "3:1: uses is {'a': 1}; write a list of texts: [\"a\", \"b\"]"),
    ("[machines]\nweb = { cpus = 1, kernel = 3 }", '2:19: kernel is 3; write a text in "quotes"'),
    ("machines.web.kernel = 'a'\nmachines.web.cpus = 'b'", "2:14: cpus is 'b'; write a whole number"),
    (WEB + "append = '''\ncpus = 2\n'''\ncpus = true", "6:1: cpus is True; write a whole number"),
    (WEB + "weight = 'b'", "3:1: weight is 'b'; write a number"),
    (WEB + "legacy = 1", "3:1: legacy is 1; write true or false"),
    (WEB + "uses = 'store'", "3:1: uses is 'store'; write a list of texts: [\"a\", \"b\"]"),
    (WEB + "uses = ['net:a', 3]", '3:1: uses is a list of texts: ["a", "b"]'),
    (WEB + "append = \"a\\u0000b\"", "3:1: append is 'a\\x00b'; a text has no zero bytes"),
    (SCALE + "frame = 'x'\n" + WEB, "5:1: frame is 'x'; write a table: { key = value }"),
    (STORE + "kind = 'dusk'\n" + WEB, "3:1: kind is 'dusk'; choose 'disk', 'serial', 'device'"),
    (WEB + "engine = 'kvm'", "3:1: engine is 'kvm'; choose 'softmetal', 'qemu', 'uml'"),
    (WEB + "arch = 3", "3:1: arch is 3; choose 'riscv64', 'x86_64', 'i386', 'aarch64'"),
    # numbers
    (WEB + "cpus = -1", "3:1: cpus is -1; it cannot be below 0"),
    (WEB + "cpus = 0", "3:1: cpus is 0; it is more than that"),
    (WEB + "weight = 0", "3:1: weight is 0; it is more than that"),
    (WEB + "rate = -0.5", "3:1: rate is -0.5; it cannot be below 0"),
    (WEB + "weight = nan", "3:1: weight is nan; write a number, and not nan"),
    (SCALE + "idle = inf\n" + WEB, "5:1: idle is inf; write a number, and not inf"),
    (WEB + "copies = 0", "3:1: copies is 0; 1 to 1000"),
    (WEB + "copies = 1001", "3:1: copies is 1001; 1 to 1000"),
    # sizes
    (WEB + "memory = '512m'", "3:1: memory: '512m' is no size; write 512M or 10G"),
    (WEB + "memory = '0'", "3:1: memory is '0'; a memory is whole MiB"),
    (WEB + "memory = '1000K'", "3:1: memory is '1000K'; a memory is whole MiB"),
    (WEB + "\nbandwidth = 'fast'", "4:1: bandwidth: 'fast' is no size; write 512M or 10G"),
    (STORE + "size = 'big'\n" + WEB, "3:1: size: 'big' is no size; write 512M or 10G"),
    (STORE + "size = '0G'\n" + WEB, "3:1: size is '0G'; a disk has some bytes"),
    # hardware
    ("[hardware.store]\n" + WEB, "1:1: hardware store has no path: write path = ..."),
    ("[hardware.net]\npath = 'a'\n" + WEB, "1:1: hardware net has the name that stands for networks: name it otherwise"),
    ("[hardware.a]\npath = 'b'\nkind = 'serial'\n" + WEB, '1:1: a serial has one user at a time: write policy = "exclusive"'),
    ("[hardware.a]\npath = 'b'\nkind = 'device'\npolicy = 'shared'\n" + WEB,
     '4:1: a device has one user at a time: write policy = "exclusive"'),
    (STORE + "policy = 'exclusive'\n" + WEB,
     '3:1: a disk is shared: machines have parts of it ("NAME:10G"), or one has it all'),
    (STORE + "speed = 9600\n" + WEB, "3:1: a disk has no speed"),
    (STORE + "frame = { ends = 'a' }\n" + WEB, "3:1: a disk has no frame"),
    (SCALE + "size = '3G'\n" + WEB, "5:1: a serial has no size"),
    # frames
    (SCALE + "frame = { end = 'a' }\n" + WEB, "5:11: frame: unknown key 'end'; did you mean 'ends'?"),
    (SCALE + "[hardware.scale.frame]\n\n ends = 3\n" + WEB, '7:2: ends is 3; write a text in "quotes"'),
    (SCALE + "frame = { ends = '' }\n" + WEB, "5:11: ends is ''; write one or more bytes, as in \"\\r\\n\" or \"\\u0003\""),
    (SCALE + "frame = { ends = '€' }\n" + WEB, "5:11: ends is '€'; write one or more bytes, as in \"\\r\\n\" or \"\\u0003\""),
    (SCALE + "frame = { gap = -1 }\n" + WEB, "5:11: gap is -1; it cannot be below 0"),
    (SCALE + "frame = { gap = nan }\n" + WEB, "5:11: gap is nan; write a number, and not nan"),
    (SCALE + "frame = { length_size = 1.5 }\n" + WEB, "5:11: length_size is 1.5; write a whole number"),
    (SCALE + "frame.answers = 'b'\n" + WEB, "5:7: answers is 'b'; write a whole number"),
    (SCALE + "frame = { little = 1, length_size = 2 }\n" + WEB, "5:11: little is 1; write true or false"),
    (SCALE + "frame = { ends = 'a', length_size = 2 }\n" + WEB, "5:23: frame has ends and length_size; it ends in one way"),
    (SCALE + "frame = { extra = 2 }\n" + WEB, "5:11: extra is of a length field: give length_size, its bytes"),
    # uses
    (STORE + WEB + "uses = ['stor:1G']", "5:1: there is no hardware 'stor'; did you mean 'store'?"),
    (WEB + "uses = ['lan']", "3:1: there is no hardware 'lan'; did you mean 'net:lan'?"),
    (WEB + "uses = ['net']", "3:1: 'net': a network has a name, as in net:lan"),
    (WEB + "uses = ['net:My']", "3:1: 'net:My': a network has a name, as in net:lan"),
    (STORE + WEB + "uses = ['net:store']", "5:1: 'net:store': store is a disk: name the network otherwise"),
    (SCALE + WEB + "uses = ['scale:1G']", "7:1: 'scale:1G': only a disk has parts"),
    (STORE + WEB + "uses = ['store:much']", "5:1: 'store:much': 'much' is no size; write 512M or 10G"),
    (STORE + WEB + "uses = ['store:']", "5:1: 'store:': '' is no size; write 512M or 10G"),
    (STORE + WEB + "uses = ['store:0']", "5:1: 'store:0': a part of a disk is whole MiB"),
    (STORE + WEB + "uses = ['store:512K']", "5:1: 'store:512K': a part of a disk is whole MiB"),
    (STORE + "size = '3G'\n" + WEB + "copies = 2\nuses = ['store:2G']",
     "7:1: 'store:2G', for web2: disk store has 3072 MiB, of which 1024 are left"),
    (STORE + WEB + "uses = ['store:1G', 'store:2G']", "5:1: uses names store twice"),
    (WEB + "uses = ['net:a', 'net:a']", "3:1: uses names a twice"),
    (WEB + "uses = ['net:a', 'net:b']", "3:1: a machine of engine softmetal has one network device: use one"),
    (STORE + WEB + "uses = ['store']\ncopies = 2",
     "5:1: web1 would have all of disk store, which others use: give each a part, as in store:10G"),
    (STORE + WEB + "uses = ['store:1G']\n[machines.b]\niso = 'a'\nuses = ['store']",
     "8:1: b would have all of disk store, which others use: give each a part, as in store:10G"),
    # machines
    (WEB + "copies = 2\n[machines.web1]\nkernel = 'a'", "4:1: two machines have the name web1"),
    ("[machines.web1]\nkernel = 'a'\n" + WEB + "copies = 2", "3:1: two machines have the name web1"),
    ("[machines.web]\ncpus = 1", "1:1: nothing to boot: give kernel, disk, iso, floppy or root"),
    (WEB + "engine = 'softmetal'\narch = 'i386'", "4:1: softmetal emulates riscv64 computers; i386 is for engine qemu"),
    (WEB + "root = '/'", "2:1: engine uml takes no kernel; it takes root, initrd, append"),
    (WEB + "engine = 'softmetal'\niso = 'a'", "4:1: engine softmetal takes no iso; it takes kernel, initrd, append, disk"),
    (WEB + "legacy = true", "3:1: engine softmetal takes no legacy; it takes kernel, initrd, append, disk"),
    ("[machines.a]\nroot = '/'\nengine = 'qemu'",
     "2:1: engine qemu takes no root; it takes kernel, initrd, append, disk, iso, floppy, legacy"),
    ("[machines.a]\nroot = '/'\narch = 'aarch64'", "3:1: user-mode Linux runs on x86_64; aarch64 is for engine qemu"),
    ("[machines.a]\nroot = '/'\ncpus = 2", "3:1: cpus is 2; user-mode Linux has one processor"),
    ("[machines.a]\nroot = '/'\ninitrd = 'a'", "3:1: user-mode Linux starts from root or initrd, not both"),
    ("[machines.a]\ninitrd = 'a'", "2:1: initrd is of a kernel: give kernel"),
    ("[machines.a]\niso = 'a'\nappend = 'quiet'", "3:1: append is of a kernel: give kernel"),
    ("[machines.a]\ndisk = 'a'\nengine = 'softmetal'", "1:1: a machine of engine softmetal starts with a kernel: give kernel"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line"), WRONG, ids=[line[:60] for _, line in WRONG])
def test_a_mistake_is_one_line_with_its_place(refusal, text, line):
    said = refusal(text)
    assert said.startswith(line) if TOO_MANY in text else said == line


def test_a_file_that_is_not_there_or_no_text_is_one_line(tmp_path):
    for name, data, line in (
        ("none.toml", None, "there is no such file; a lab is described in lab.toml"),
        ("latin.toml", b"# \xff", "is not UTF-8 text: invalid start byte at byte 2"),
    ):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(LabError, match=f"^{re.escape(f'{tmp_path}/{name}: {line}')}$"):
            read(tmp_path / name)
    with pytest.raises(LabError, match=f"^{re.escape(str(tmp_path))}: cannot be read: Is a directory$"):
        read(tmp_path)


@pytest.mark.parametrize(("text", "size"), [("1", 1), ("3K", 3072), ("512MB", 512 << 20), ("10GiB", 10 << 30), ("2T", 2 << 40)])
def test_sizes_are_numbers_with_a_unit(text, size):
    assert size_of(text) == size


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 4)), min_size=1, max_size=8))
@settings(max_examples=50)
def test_parts_of_a_disk_never_overlap_and_fill_it_from_its_start(tmp_path_factory, wanted):
    file = tmp_path_factory.mktemp("lab") / "lab.toml"
    tables = [f'[machines.m{i}-]\nkernel="a"\ncopies={n}\nuses=["store:{size}M"]\n' for i, (size, n) in enumerate(wanted)]
    file.write_text(STORE + "".join(tables))
    uses = [m.uses[0] for m in read(file).machines.values()]
    assert uses[0].start == 0
    assert all(a.start + a.size == b.start for a, b in pairwise(uses))
    assert [u.size for u in uses] == [size << 20 for size, n in wanted for _ in range(n)]


KEYS = sorted({key for keys in BOOTS.values() for key in keys} | {"cpus", "weight", "uses", "frame", "size", "path", "ends"})
SOME = ('"a"', "'''x\n[hardware.a]\n'''", "1", "-1", "true", "nan", '["store:1G", "net:a"]', "{ ends = 'a', b = [{c = 1}] }")
VALUES = st.one_of(st.sampled_from(SOME), st.text(alphabet="ab\"'[]{}=#\n,. ", max_size=8))


@given(st.lists(st.one_of(st.sampled_from(["[hardware.store]", "[machines.web]", "[machines.web.frame]", "[[machines]]", "# x"]),
                          st.builds("{} = {}".format, st.sampled_from(KEYS), VALUES)), max_size=8))  # fmt: skip
@settings(max_examples=300)
def test_any_text_is_a_plan_or_one_line_with_a_place_in_it(tmp_path_factory, lines):
    file = tmp_path_factory.getbasetemp() / "any.toml"
    text = "\n".join(lines)
    file.write_text(text)
    try:
        read(file)
    except LabError as error:
        found = re.fullmatch(r":(\d+):(\d+): [^\n]+", str(error).removeprefix(str(file)))
        assert found
        rows = text.split("\n")
        assert 1 <= int(found[1]) <= len(rows)
        assert 1 <= int(found[2]) <= len(rows[int(found[1]) - 1]) + 1
