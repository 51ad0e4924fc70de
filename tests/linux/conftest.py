"""Building guest programs, and running them on softmetal and on other machines to compare with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from softmetal.linux.adapter import BoardCpu

PROGRAMS = Path(__file__).parent / "programs"
CROSS = "riscv64-linux-gnu-"
COMMAND = [
    sys.executable,
    "-c",
    "from softmetal.cli.main import main; main()",
    "run",
]
"""`softmetal run`, by the Python that runs the tests."""

Done = subprocess.CompletedProcess[str]


def softmetal(*arguments: str | Path, stdin: str = "", cwd: Path | None = None, timeout: float = 120) -> Done:
    """`softmetal run ARGUMENTS`: its exit code, stdout and stderr."""
    environment = {key: value for key, value in os.environ.items() if key != "SOFTMETAL_DEBUG"}
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=stdin, capture_output=True, text=True, errors="backslashreplace", cwd=cwd, timeout=timeout, env=environment,
        check=False,
    )  # fmt: skip


@pytest.fixture(scope="session")
def run() -> Callable[..., Done]:
    """The function that runs `softmetal run`, whose interpreter is in the cache by now."""
    BoardCpu("native")
    return softmetal


@pytest.fixture(scope="session")
def command(run: Callable[..., Done]) -> list[str]:
    """The command line that `run` starts."""
    return COMMAND


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function that compiles a program of `programs/` (or other source text) and answers the binary's path."""
    folder = tmp_path_factory.mktemp("built")

    def compile(source: str, *flags: str, prefix: str = CROSS, text: str | None = None) -> Path:
        path = PROGRAMS / source
        compiler = prefix + ("g++" if source.endswith(".cpp") else "gcc")
        if shutil.which(compiler) is None:
            pytest.skip(f"{compiler} is not installed")
        if text is not None:
            path = folder / source
            path.write_text(text)
        out = folder / "".join([prefix or "native", *flags]) / path.stem
        if not out.exists():
            out.parent.mkdir(exist_ok=True)
            part = out.with_suffix(f".{os.getpid()}")
            subprocess.run(
                [compiler, "-O1", "-w", "-pthread", *flags, "-o", str(part), str(path), "-lm", "-lrt"],
                check=True, capture_output=True,
            )  # fmt: skip
            part.rename(out)
        return out

    return compile


@pytest.fixture(scope="session")
def qemu() -> Callable[..., Done]:
    """A function that runs a program under qemu's user mode, the oracle for what needs a riscv64."""
    if shutil.which("qemu-riscv64") is None:
        pytest.skip("qemu-riscv64 is not installed")

    def run(*arguments: str | Path, stdin: str = "") -> Done:
        command = ["qemu-riscv64", *map(str, arguments)]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)

    return run
