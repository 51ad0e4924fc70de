"""Interfaces for external debuggers: GDB's remote protocol."""
