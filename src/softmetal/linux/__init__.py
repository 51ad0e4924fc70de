"""The Linux personality: a riscv64 Linux program runs on a CPU alone, with its system calls served here.

`start.run_program` runs one; `cpu.Cpu` is what it asks of the CPU. The parts: `elf` and `loader` start programs,
`space` is memory, `vfs`, `hostfs`, `synthfs`, `procfs` are files, `files` what is open, `sched` and `threads` who
runs, `signals`, `futex`, `timers`, `waits` what they wait for, `clock` time and randomness, `pids` the processes
of one run, `table` and `calls` the system calls.
"""

from __future__ import annotations
