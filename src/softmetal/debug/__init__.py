"""Debuggers of others as faces of a machine: GDB's remote protocol."""
