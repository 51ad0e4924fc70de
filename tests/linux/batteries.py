"""How a generated battery of system calls is put together, and what the host's own kernel answers to it.

A battery has kinds of arguments, each with its values (a name for the output, and C text); calls, each with the kinds of its
arguments; and C text in front, which prepares a folder and has the function `try`.
"""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

GROUP = 40
SEEDS = range(int(os.environ.get("SOFTMETAL_BATTERIES", "2")))
Undo = Callable[[str, str], int]
"""How to undo what a call did, from its name and its line's label: what `try` takes as its second argument."""


def battery(
    seed: int, samples: int, calls: Mapping[str, str], kinds: Mapping[str, Mapping[str, str]], head: str, undo: Undo, mode: str
) -> str:
    """The C source: `samples` calls of each kind, in groups that each start from the same files in a folder of its own."""
    rng = random.Random(seed)
    lines: list[str] = []
    for name, signature in calls.items():
        seen = set()
        for _ in range(samples):
            chosen = [(kind, rng.choice(sorted(kinds[kind]))) for kind in signature.split()]
            label = " ".join([name, *(value for _, value in chosen)])
            if label in seen:
                continue
            seen.add(label)
            texts = [f"(long)({kinds[kind][value]})" for kind, value in chosen]
            texts += ["0L"] * (6 - len(texts))
            call = name.partition(".")[0]
            lines.append(f'try("{label}", {undo(call, label)}, SYS_{call}, {", ".join(texts)});')
    rng.shuffle(lines)
    parts = [head]
    for index in range(0, len(lines), GROUP):
        body = "\n        ".join(lines[index : index + GROUP])
        parts.append(
            f'    fflush(stdout);\n    if (fork() == 0) {{\n        sprintf(home, "g{index}"); mkdir(home, {mode}); chdir(home);'
            f" prepare();\n        {body}\n        _exit(0);\n    }}\n    wait(0);\n"
        )
    return "".join(parts) + "    return 0;\n}\n"


def skip_on_old_kernels() -> None:
    """Skip the test where the host's kernel is older than the calls that are tried."""
    if tuple(int(part) for part in os.uname().release.split(".")[:2]) < (6, 10):
        pytest.skip("the host's kernel is older than 6.10 and lacks some of the calls")


def differing(text: str, name: str, calls: Mapping[str, str], build: Any, run: Any, folder: Path) -> list[str]:
    """The calls to which the guest gets another answer than the host's own kernel gives."""
    skip_on_old_kernels()
    native, guest = folder / "native", folder / "guest"
    for each in (folder, native, guest):
        each.mkdir(exist_ok=True)
        each.chmod(0o777)  # the program may give up being root
    command = [build(name, "-static", prefix="", text=text), native]
    expected = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout.splitlines()
    found = run("--dir", f"{guest}:/mnt/work", build(name, "-static", text=text), "/mnt/work", timeout=300).stdout.splitlines()
    assert len(expected) > 30 * len(calls) // 2
    return [f"{a} | guest: {b}" for a, b in zip(expected, found, strict=True) if a != b]
