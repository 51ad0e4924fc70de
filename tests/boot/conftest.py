"""Debian's riscv64 kernel and programs, for tests that boot and run them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.boot.kernels import Kernel, debian, folder


@pytest.fixture(scope="session")
def kernel() -> Kernel:
    """Debian's kernel, fetched the first time."""
    return debian()


@pytest.fixture(scope="session")
def root() -> Path:
    """The guest root, built the first time."""
    return folder("guest_root.py")
