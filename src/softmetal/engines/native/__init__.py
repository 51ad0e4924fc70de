"""The native engine: an interpreter that LLVM compiles from an instruction table."""

from softmetal.engines.native.engine import NativeEngine

__all__ = ["NativeEngine"]
