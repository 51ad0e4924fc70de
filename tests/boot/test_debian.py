"""Debian from a disk that `softmetal image` has made: systemd to a login, apt, python3, gcc, two harts.

SOFTMETAL_DEBIAN names such a disk, made with --extra gcc --extra libc6-dev; SOFTMETAL_SLOW=1 makes one (some minutes).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """\
expect login:
send root
expect :~#
send apt-get --version | head -1; python3 -c 'print(6*7)'; systemctl is-system-running; nproc
expect apt 3\\.
expect 42
expect running
expect \\bCPUS\\b
expect :~#
send echo '#include <stdio.h>' > h.c; echo 'int main(void) { puts("hello from gcc"); }' >> h.c; gcc h.c -o h && ./h
expect hello from gcc\\r
expect :~#
send poweroff
expect Power down
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> str:
    made = os.environ.get("SOFTMETAL_DEBIAN", "")
    if not made:
        if not os.environ.get("SOFTMETAL_SLOW"):
            pytest.skip("SOFTMETAL_DEBIAN names no disk; SOFTMETAL_SLOW=1 makes one, which takes some minutes")
        made = str(tmp_path_factory.mktemp("debian") / "debian.img")
        command = [sys.executable, "-m", "softmetal", "image", "debian-riscv64", made, "--size", "3G"]
        subprocess.run([*command, "--extra", "gcc", "--extra", "libc6-dev"], check=True)
    return made


@pytest.mark.parametrize("cpus", [1, 2])
def test_debian_comes_to_its_login_and_does_its_work(image: str, tmp_path: Path, cpus: int) -> None:
    script = tmp_path / "script"
    script.write_text(SCRIPT.replace("CPUS", str(cpus)))
    done = subprocess.run(
        [
            sys.executable, "-m", "softmetal", "run", "--board", "riscv-virt", "--mem", "1G", "--cpus", str(cpus),
            "--kernel", f"{image}.kernel", "--initrd", f"{image}.initrd", "--append", "root=/dev/vda rw console=ttyS0",
            "--disk", f"{image},overlay", "--script", str(script), "--stats",
        ],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    print(done.stderr)
    assert done.returncode == 0, done.stderr + done.stdout[-2000:]
