"""The native engine: interpreters that LLVM compiles from an instruction table."""

from softmetal.engines.native.engine import NativeEngine, native_engine, new_board

__all__ = ["NativeEngine", "native_engine", "new_board"]
