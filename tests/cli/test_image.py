"""`softmetal image`, as a user types it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CODE = "import sys; from softmetal.cli.main import dispatch; dispatch(['image', *sys.argv[1:]])"

SESSION = r"""
expect login:
send root
expect :~#
send systemctl is-system-running --wait; apt-get --version | head -1; python3 -c 'print(6 * 7)'
expect running\s
expect apt 3
expect 42
send poweroff
expect reboot: Power down
"""


def softmetal_image(*args: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command by itself."""
    command = [sys.executable, "-c", CODE, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **variables})


@pytest.mark.parametrize(
    ("args", "text"),
    [(["debian-amd64", "x.img"], "choose debian-riscv64"), (["debian-riscv64", "/nowhere/x.img"], "no such directory"),
     (["debian-riscv64", "NEW", "--size", "2"], "at least 1G"), (["debian-riscv64", "NEW", "--size", "3M"], "at least 1G"),
     (["debian-riscv64", "/etc/passwd"], "exists already")],
)  # fmt: skip
def test_wrong_arguments_are_reported_in_one_line(args: list[str], text: str, tmp_path: Path) -> None:
    done = softmetal_image(*(str(tmp_path / "new.img") if a == "NEW" else a for a in args))
    assert done.returncode == 2
    assert done.stderr.startswith("softmetal image: ")
    assert text in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_the_host_lacks_is_reported_and_nothing_stays(tmp_path: Path) -> None:
    done = softmetal_image("debian-riscv64", tmp_path / "x.img", "--mirror", f"file:{tmp_path}/none", PATH=str(tmp_path))
    assert done.returncode == 1
    assert "apt-get install" in done.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif("SOFTMETAL_SLOW" not in os.environ, reason="takes minutes and fetches packages: set SOFTMETAL_SLOW")
@pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get, dpkg-deb and mke2fs")
def test_a_fresh_image_boots_to_a_login_prompt(tmp_path: Path) -> None:
    image = tmp_path / "debian.img"
    done = softmetal_image("debian-riscv64", image)
    assert done.returncode == 0, done.stderr
    command = shlex.split(done.stdout.splitlines()[-1])
    script = tmp_path / "script"
    script.write_text(SESSION)
    ran = subprocess.run(
        [sys.executable, "-m", *command, "--script", str(script)], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr
