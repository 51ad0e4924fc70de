"""Fetching Debian's packages: suites in turn, what is kept, and what is done when it is no longer whole.

apt-get is played by a script that has a folder for a mirror; what real mirrors do is tested by whatever needs a guest.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from softmetal.host.image import kernel, packages
from softmetal.host.image.apt import ImageError

APT = r"""#!/usr/bin/env python3
import os, pathlib, shutil, sys
options = dict(word[2:].split("=", 1) for word in sys.argv if word.startswith("-o"))
for name in ("Dir::State", "Dir::Cache::archives", "Dir::Etc::sourcelist"):
    if not os.path.isabs(options[name]):
        sys.exit(f"E: List directory /{options[name]} is missing.")
words = pathlib.Path(options["Dir::Etc::sourcelist"]).read_text().split()
folder = pathlib.Path(words[-3].removeprefix("file:")) / words[-2]
with open(folder.parent / "calls", "a") as calls:
    print(words[-2], *[w for w in sys.argv[1:] if w in ("update", "install", "--print-uris", "--download-only")], file=calls)
if not folder.is_dir():
    sys.exit("E: File has unexpected size (1 != 2). Mirror sync in progress?")
debs = sorted(folder.glob("*.deb"))
archives = pathlib.Path(options["Dir::Cache::archives"])
if "--print-uris" in sys.argv:
    for deb in debs:
        print(f"'http://x/{deb.name}' {deb.name} {deb.stat().st_size} MD5Sum:0")
elif "--download-only" in sys.argv:
    for deb in debs:
        if not (archives / deb.name).exists():
            shutil.copy(deb, archives)
"""


@pytest.fixture
def mirror(tmp_path, monkeypatch) -> Path:
    """A mirror with forky and sid; its trixie is damaged. Nothing is kept yet, and the names have spaces in them."""
    tools, folder = tmp_path / "bin", tmp_path / "mirror"
    tools.mkdir()
    (tools / "apt-get").write_text(APT)
    (tools / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("SOFTMETAL_CACHE", str(tmp_path / "the cache"))
    for suite in ("forky", "sid"):
        (folder / suite).mkdir(parents=True)
        for name in ("a", "b"):
            (folder / suite / f"{name}_{suite}.deb").write_text(f"{name} of {suite}")
    return folder


def names(found: packages.Fetched) -> list[str]:
    return [file.name for file in found.groups[0]]


def fetch(mirror: Path, **options) -> packages.Fetched:
    return packages.fetch([["a"]], mirror=f"file:{mirror}", **options)


def test_the_first_suite_that_is_available_is_taken_and_the_others_are_named(mirror):
    notices: list[str] = []
    found = fetch(mirror, notice=notices.append)
    assert (found.suite, names(found)) == ("forky", ["a_forky.deb", "b_forky.deb"])
    assert len(notices) == 1
    assert notices[0].startswith("Debian trixie is not available: ")
    assert "unexpected size" in notices[0]


def test_a_suite_that_was_chosen_is_the_only_one(mirror):
    assert fetch(mirror, suite="sid").suite == "sid"
    with pytest.raises(ImageError, match=r"^Debian trixie is not available: .*unexpected size[^;]*$"):
        fetch(mirror, suite="trixie")


def test_what_is_kept_needs_no_mirror(mirror):
    first = fetch(mirror)
    (mirror / "calls").unlink()
    assert fetch(mirror) == first
    assert not (mirror / "calls").exists()


@pytest.mark.parametrize("harm", [Path.unlink, lambda f: f.write_text("short"), lambda f: f.write_text("A of forky")])
def test_what_is_no_longer_whole_is_fetched_again(mirror, harm):
    first = fetch(mirror)
    harm(first.groups[0][0])
    assert fetch(mirror).groups[0][0].read_text() == "a of forky"


def test_the_newest_are_asked_for_and_what_is_kept_stands_in_where_no_mirror_answers(mirror):
    fetch(mirror)
    (mirror / "forky/a_forky.deb").rename(mirror / "forky/a_forky+1.deb")
    assert names(fetch(mirror)) == ["a_forky.deb", "b_forky.deb"]
    newer = fetch(mirror, newest=True)
    assert names(newer) == ["a_forky+1.deb", "b_forky.deb"]
    assert not (packages.store() / "packages/a_forky.deb").exists()  # no request needs it any more
    for suite in ("forky", "sid"):
        (mirror / suite).rename(mirror / f"no {suite}")
    notices: list[str] = []
    assert fetch(mirror, newest=True, notice=notices.append) == newer
    assert notices[-1] == "using the packages of Debian forky that were fetched before"


def test_where_no_suite_is_available_the_reason_of_each_is_reported(mirror):
    with pytest.raises(ImageError) as caught:
        packages.fetch([["a"]], mirror=f"file:{mirror}/none")
    assert [f"Debian {suite} is not available" in str(caught.value) for suite in packages.SUITES] == [True] * 3


def test_a_damaged_note_is_as_none(mirror):
    fetch(mirror)
    for note in (packages.store() / "lists").glob("*.json"):
        note.write_text("{")
    assert fetch(mirror).suite == "forky"


def test_relative_folders_are_given_to_apt_whole(mirror, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOFTMETAL_CACHE", "a folder")
    assert fetch(mirror).suite == "forky"


def test_a_cache_that_cannot_be_written_is_named(mirror, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SOFTMETAL_CACHE", str(tmp_path / "file"))
    with pytest.raises(ImageError, match=r"file/debian: Not a directory; SOFTMETAL_CACHE names another"):
        fetch(mirror)


@pytest.mark.parametrize("image", ["boot/vmlinux-6.12-riscv64", "usr/lib/modules/7.2-riscv64/vmlinuz"])
def test_the_kernel_is_found_where_each_release_has_it(image, tmp_path, monkeypatch):
    def unpack(package: Path, folder: Path) -> None:
        for name in json.loads(package.read_text()):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(name)

    monkeypatch.setattr(kernel, "unpack", unpack)
    version = "7.2-riscv64" if "7.2" in image else "6.12-riscv64"
    content = {
        "linux-image-1.deb": [image, f"usr/lib/modules/{version}/kernel/x.ko.xz"],
        "busybox-static_1.deb": ["usr/bin/busybox"],
        "linux-base_1.deb": ["boot/vmlinuz-9"],
    }
    for name, files in content.items():
        (tmp_path / name).write_text(json.dumps(files))
    found = kernel.unpack_kernel(sorted(tmp_path.glob("*.deb")), tmp_path / "out")
    assert found.image == tmp_path / "out" / image
    assert found.modules.name == version
    with pytest.raises(ImageError, match=r"there is no busybox in the packages linux-image-1\.deb"):
        kernel.unpack_kernel([tmp_path / "linux-image-1.deb"], tmp_path / "other")
