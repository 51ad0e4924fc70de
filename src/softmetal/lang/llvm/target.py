"""LLVM itself: what it knows of this host, and what it makes of a unit. It is loaded only where there is something to compile."""

from __future__ import annotations

from typing import Any


def optimised(text: str, level: int = 2) -> Any:
    """LLVM's module of this IR, checked and optimised for this host."""
    import llvmlite.binding as llvm

    machine = target_machine(level)
    module = llvm.parse_assembly(text)
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=level)
    options.loop_vectorization = options.slp_vectorization = False
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    return module


def compile_ir(text: str, level: int = 2) -> bytes:
    """An object file for this host from LLVM IR."""
    made: bytes = target_machine(level).emit_object(optimised(text, level))
    return made


def target_machine(level: int = 2) -> Any:
    """LLVM's description of this host."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    features = llvm.get_host_cpu_features().flatten()
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features, opt=level, reloc="pic", codemodel="small", jit=True
    )
