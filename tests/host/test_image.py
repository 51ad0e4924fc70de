"""The parts of an image: packages, modules, the first file system."""

from __future__ import annotations

import gzip
import lzma
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from softmetal.host.image import apt, debian, initrd
from softmetal.host.image.apt import ImageError
from softmetal.machine.symbols import Symbols

SBIN = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def silent(step, done, total):
    """Ignores progress."""


def member(name, content):
    return name.ljust(16) + b"0".ljust(12) + b"0".ljust(6) * 2 + b"100644".ljust(8) + b"%-10d`\n" % len(content) + content


def module(depends: bytes) -> bytes:
    """An ELF file with nothing but a section .modinfo."""
    names = b"\0.modinfo\0.shstrtab\0"
    info = b"license=GPL\0depends=" + depends + b"\0name=x\0"
    start = 64 + len(names) + len(info)
    head = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 1, 243, 1, 0, 0, start, 0, 64, 0, 0, 64, 3, 2)
    sections = [(0,) * 10, (1, 1, 0, 0, 64 + len(names), len(info), 0, 0, 1, 0), (10, 3, 0, 0, 64, len(names), 0, 0, 1, 0)]
    return head + names + info + b"".join(struct.pack("<IIQQQQIIQQ", *section) for section in sections)


def test_inflated_packages_hold_the_same_files(tmp_path):
    data = b"a tar archive" * 1000
    package = tmp_path / "p.deb"
    parts = [member(b"debian-binary", b"2.0\n"), member(b"control.tar.xz", b"odd" + b"\n")]
    package.write_bytes(b"!<arch>\n" + b"".join(parts) + member(b"data.tar.xz", lzma.compress(data)))
    apt.inflate(package, tmp_path / "q.deb")
    assert (tmp_path / "q.deb").read_bytes() == b"!<arch>\n" + b"".join(parts) + member(b"data.tar", data)


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs dpkg-deb")
def test_dpkg_takes_an_inflated_package(tmp_path):
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text("Package: x\nVersion: 1\nArchitecture: all\nMaintainer: m\nDescription: d\n")
    (tree / "file").write_text("content")
    subprocess.run(["dpkg-deb", "-Zxz", "--root-owner-group", "-b", tree, tmp_path / "x.deb"], check=True, capture_output=True)
    apt.inflate(tmp_path / "x.deb", tmp_path / "y.deb")
    apt.unpack(tmp_path / "y.deb", tmp_path / "out")
    assert (tmp_path / "out/file").read_text() == "content"
    assert b"data.tar " in (tmp_path / "y.deb").read_bytes()


def test_what_is_no_package_is_reported(tmp_path):
    (tmp_path / "x.deb").write_text("nonsense")
    with pytest.raises(ImageError, match=r"x\.deb"):
        apt.inflate(tmp_path / "x.deb", tmp_path / "y.deb")


def test_modules_come_after_what_they_need_and_built_in_ones_do_not_matter(tmp_path):
    folder = tmp_path / "kernel/fs"
    folder.mkdir(parents=True)
    (folder / "ext4.ko.xz").write_bytes(lzma.compress(module(b"jbd2,mbcache")))
    (folder / "jbd2.ko").write_bytes(module(b""))
    (folder / "mbcache.ko").write_bytes(module(b""))
    (folder / "virtio-rng.ko").write_bytes(module(b"rng-core"))
    (folder / "rng-core.ko").write_bytes(module(b""))
    order = initrd.in_order(tmp_path, ("built_in", "ext4", "jbd2", "virtio_rng"))
    assert [name for name, _ in order] == ["jbd2", "mbcache", "ext4", "rng_core", "virtio_rng"]
    assert order[2][1] == module(b"jbd2,mbcache")


@pytest.mark.skipif(not shutil.which("cpio"), reason="needs cpio")
def test_the_first_file_system_is_an_archive_that_cpio_reads(tmp_path):
    (tmp_path / "ext4.ko").write_bytes(module(b""))
    (tmp_path / "busybox").write_bytes(b"#!busybox")
    packed = initrd.make_initrd(tmp_path / "busybox", tmp_path)
    assert initrd.make_initrd(tmp_path / "busybox", tmp_path) == packed
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["cpio", "-i", "--quiet"], input=gzip.decompress(packed), cwd=out, check=True)
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*")) == ["busybox", "init", "modules", "modules/00-ext4.ko"]
    assert (out / "modules/00-ext4.ko").read_bytes() == module(b"")
    assert (out / "init").stat().st_mode & 0o777 == 0o755


def test_scripts_of_the_guest_are_shell():
    for script in (initrd.INIT, (Path(debian.__file__).parent / "setup.sh").read_text()):
        subprocess.run(["sh", "-n"], input=script, text=True, check=True)


def test_the_error_of_a_host_without_the_tools_names_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda tool, path=None: None if tool == "mke2fs" else f"/usr/bin/{tool}")
    with pytest.raises(ImageError, match=r"^this host lacks e2fsprogs: apt-get install e2fsprogs$"):
        debian.prepare(tmp_path / "x.img", 2 << 30, "trixie", None, [], silent, print)


def test_the_reason_of_a_failure_is_one_line_of_apts_output():
    said = (
        "Err:2 http://mirror/debian trixie/main riscv64 Packages\n"
        "E: Failed to fetch http://mirror/x  File has unexpected size (1 != 2). Mirror sync in progress? [IP: 10.0.0.1 80]\n"
        "E: Some index files failed to download. They have been ignored, or old ones used instead.\n"
    )
    wanted = "Failed to fetch http://mirror/x File has unexpected size (1 != 2). Mirror sync in progress?"
    assert apt.reason(said) == wanted
    assert apt.reason("a\n\nb\nc\nd\n") == "b; c; d"


@pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get")
def test_a_mirror_that_is_none_is_reported_and_nothing_stays(tmp_path, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOFTMETAL_CACHE", str(tmp_path_factory.mktemp("cache")))
    with pytest.raises(ImageError, match=r"failed: .*nowhere"):
        debian.prepare(Path("x.img"), 2 << 30, "trixie", f"file:{tmp_path}/nowhere", [], silent, print)
    assert list(tmp_path.iterdir()) == []


def test_a_guest_that_gives_up_is_quoted(tmp_path):
    with pytest.raises(ImageError, match="last output:\nno space"):
        debian.finish(tmp_path, ["echo", "no space"], 1, silent)


def test_progress_follows_the_guests_console(tmp_path):
    notices = []
    script = "echo Unpacking a; echo noise; echo Setting up a; echo 'softmetal: step x'; echo 'softmetal: the image is ready'"
    debian.finish(tmp_path, ["sh", "-c", script], 1, lambda *step: notices.append(step))
    assert notices == [("installing inside the machine", 1, 2), ("installing inside the machine", 2, 2), ("x", 0, 1)]


@pytest.mark.skipif(not shutil.which("mke2fs", path=SBIN), reason="needs e2fsprogs")
def test_the_kernel_s_symbols_are_taken_out_of_the_image(tmp_path):
    (tmp_path / "tree/boot").mkdir(parents=True)
    text = "ffffffff80000000 T _start\nffffffff80000000 T _text\nffffffff80800000 T start_kernel\n"
    (tmp_path / "tree/boot/System.map-7.2").write_text(text)
    image = tmp_path / "image"
    image.write_bytes(bytes(8 << 20))
    mke2fs = shutil.which("mke2fs", path=SBIN)
    subprocess.run([mke2fs, "-q", "-F", "-t", "ext4", "-d", tmp_path / "tree", image], check=True)
    debian.take_symbols(image, "7.2")
    assert Symbols(f"{image}.kernel").address("start_kernel") == 0xFFFFFFFF80800000
    with pytest.raises(ImageError, match=r"image: there are no symbols in its /boot/System.map-7.3"):
        debian.take_symbols(image, "7.3")


def test_every_step_that_the_guest_names_is_one_that_is_shown():
    script = (Path(debian.__file__).parent / "setup.sh").read_text()
    assert script.count("softmetal: step ") == script.count(debian.STEP) >= 3
