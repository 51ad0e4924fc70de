"""Hardware Python: chips as classes with fixed-width fields; CPython runs them, LLVM compiles them."""

from softmetal.lang.chip import Chip, Trap, Unanswered, cold, host, layout, noinline, reads, shared, writes
from softmetal.lang.ops import bits32, bits64, fence, float32, float64, fma, sqrt
from softmetal.lang.source import HardwareError
from softmetal.lang.state import Snapshot, StateError, fork, restore, snapshot, state_hash
from softmetal.lang.types import *  # noqa: F403 - u1..u128 and s1..s128
from softmetal.lang.types import f32, f64, memory

__all__ = [
    "Chip", "HardwareError", "Snapshot", "StateError", "Trap", "Unanswered", "bits32", "bits64", "cold", "f32", "f64",
    "fence", "float32", "float64", "fma", "fork", "host", "layout", "memory", "noinline", "reads", "restore", "shared",
    "snapshot", "sqrt", "state_hash", "writes",
    *(f"{sign}{bits}" for sign in "us" for bits in range(1, 129)),
]  # fmt: skip
