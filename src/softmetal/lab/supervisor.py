"""The supervisor: starts a lab's host layer and machines, each in a process of its own, and answers whoever asks about them.

    python -m softmetal.lab.supervisor LAB-FILE FOLDER LOCK-FD READY-FD [LIFE-FD]

It writes "ok" or what is wrong, a line, to READY-FD. The lab ends when the other end of LIFE-FD closes. If it is killed, the
machines die with it and the host layer lets go of the
hardware and removes FOLDER; if the host layer is killed, it is started again, and guests go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from softmetal.host.errors import HostError
from softmetal.host.processes import die_with_parent
from softmetal.host.rpc import LARGEST, Client, RpcError, method, serve
from softmetal.hypervisors import qemu, uml
from softmetal.hypervisors.guest import Attached, Guest, GuestError, Launch
from softmetal.lab.console import Console
from softmetal.lab.errors import LabError
from softmetal.lab.plan import Machine, Plan, Use, read, size_of

REFUSED = (LabError, HostError, RpcError)
HOW = {"softmetal": {"disk": "nbd", "network": "socket", "serial": "socket"},
       "qemu": {"disk": "vhost", "network": "vhost", "serial": "socket"},
       "uml": {"disk": "vhost", "network": "vhost", "serial": "vhost"}}  # fmt: skip
"""How each engine's guests reach each kind of hardware."""
PATIENCE = 10.0
"""Seconds that a machine gets to power off before it is killed."""


class Running:
    """One machine: its process and its console."""

    def __init__(self, machine: Machine, console: Console) -> None:
        self.machine, self.console = machine, console
        self.process: subprocess.Popen[bytes] | None = None
        self.launch: Launch | None = None
        self.state = "created"  # running, paused, ended
        self.code: int | None = None
        self.since = time.time()
        self.sockets: dict[str, str] = {}
        """Of each piece of hardware that it uses."""


class Supervisor:
    """A running lab."""

    def __init__(self, file: Path, folder: Path) -> None:
        self.file, self.folder = file, folder
        self.loop = asyncio.get_running_loop()
        self.plan: Plan = read(file)
        self.machines: dict[str, Running] = {}
        self.layer: Client | None = None
        self.layer_process: subprocess.Popen[bytes] | None = None
        self.warnings: list[str] = []
        self.over = asyncio.Event()
        self.ending = False

    # -- the host layer

    async def start_layer(self) -> None:
        """Start the host layer and give it the hardware."""
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "softmetal.host.layer", str(self.folder), str(theirs.fileno())]
        log = (self.folder / "layer.log").open("ab")
        with theirs, log:
            self.layer_process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.layer = Client(*await asyncio.open_connection(sock=ours, limit=LARGEST))
        for each in self.plan.hardware.values():
            path = self._path(each.path)
            if each.kind == "disk":
                size = size_of(each.size) if each.size else 0
                await self.layer.call("add_disk", name=each.name, path=path, size=size)
            else:
                rule = {k: v.decode("latin-1") if isinstance(v, bytes) else v for k, v in asdict(each.rule).items()}
                await self.layer.call(
                    "add_stream", name=each.name, path=path, terms=asdict(each.terms), rule=rule, speed=each.speed,
                    command=each.command, folder=str(self.plan.folder),
                )  # fmt: skip
        for name in self.plan.networks:
            await self.layer.call("add_network", name=name)

    async def attach(self, running: Running) -> None:
        """Give a machine its hardware."""
        assert self.layer is not None
        machine, table = running.machine, running.machine.table
        for use in machine.uses:
            how = HOW[machine.engine][use.kind]
            common = {"hardware": use.hardware, "guest": machine.name, "how": how}
            if use.kind == "disk":
                bandwidth = size_of(table.bandwidth) if table.bandwidth else 0
                limits = {"weight": table.weight, "bandwidth": bandwidth, "rate": table.rate}
                found = await self.layer.call("attach_disk", **common, start=use.start, size=use.size, **limits)
            elif use.kind == "network":
                found = await self.layer.call("attach_card", **common, mac=use.mac.hex())
            else:
                found = await self.layer.call("attach_stream", **common, priority=table.priority)
            running.sockets[use.hardware] = found

    async def watch_layer(self) -> None:
        """Start the host layer again whenever it has died."""
        while not self.ending:
            await asyncio.sleep(0.05)
            process = self.layer_process
            if process is None or process.poll() is None or self.ending:
                continue
            self.warn(f"the host layer ended ({_reason(process.returncode)}) and is started again")
            try:
                await self.start_layer()
                for running in self.machines.values():
                    await self.attach(running)
            except REFUSED as error:
                self.warn(f"the host layer cannot be started again: {error}")
                await asyncio.sleep(1)

    # -- machines

    async def add(self, machine: Machine) -> None:
        """Have a machine, and start it."""
        console = Console(self.folder / f"{machine.name}.con", self.folder / f"{machine.name}.log", self.loop)
        running = self.machines[machine.name] = Running(machine, console)
        await self.attach(running)
        self.start_machine(running)

    def start_machine(self, running: Running) -> None:
        """Start a machine's process."""
        running.launch = self._launch(running)
        ours, theirs = socket.socketpair()
        log = (self.folder / f"{running.machine.name}.err").open("wb")
        environment = {**os.environ, **running.launch.environment}
        with log, theirs:
            running.process = subprocess.Popen(
                running.launch.command, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=log, env=environment,
                start_new_session=True, preexec_fn=die_with_parent,
            )  # fmt: skip
        running.console.connect(ours.detach())
        running.state, running.code, running.since = "running", None, time.time()

    def _launch(self, running: Running) -> Launch:
        machine, table = running.machine, running.machine.table
        path = self._path
        if machine.engine == "softmetal":
            parts: dict[str, Any] = {
                "name": machine.name, "memory": machine.memory, "cpus": table.cpus, "kernel": path(table.kernel),
                "initrd": path(table.initrd), "append": table.append,
                "disks": [f"{path(table.disk)},overlay"] if table.disk else [],
            }  # fmt: skip
            for use in machine.uses:
                socket_path = running.sockets[use.hardware]
                if use.kind == "disk":
                    parts.setdefault("exports", []).append(socket_path)
                elif use.kind == "network":
                    parts |= {"card": socket_path, "mac": use.mac.hex()}
                else:
                    parts["serial"] = socket_path
            return Launch([sys.executable, "-m", "softmetal.lab.ours", json.dumps(parts)], {}, None, [machine.why])
        guest = Guest(
            machine.name, self.folder, machine.memory, table.cpus, machine.arch, path(table.kernel), path(table.initrd),
            table.append, path(table.disk), path(table.iso), path(table.floppy), path(table.root), table.legacy,
            [self._attached(running, use) for use in machine.uses],
        )  # fmt: skip
        made = qemu.launch(guest) if machine.engine == "qemu" else uml.launch(guest)
        return replace(made, command=[*made.command, *table.arguments])

    def _attached(self, running: Running, use: Use) -> Attached:
        kind = {"disk": "disk", "network": "card", "serial": "serial"}[use.kind]
        return Attached(use.hardware, kind, Path(running.sockets[use.hardware]), use.mac)

    def _path(self, text: str) -> str:
        return str(self.plan.folder / text) if text else ""

    async def watch_machines(self) -> None:
        """Notice machines that end."""
        while not self.ending:
            await asyncio.sleep(0.02)
            for running in self.machines.values():
                process = running.process
                if process is not None and running.state in ("running", "paused") and process.poll() is not None:
                    self._ended(running)

    def _ended(self, running: Running) -> None:
        assert running.process is not None
        running.state, running.code, running.since = "ended", running.process.returncode, time.time()
        running.console.disconnect()
        if running.code:
            text = (self.folder / f"{running.machine.name}.err").read_text(errors="replace").strip().splitlines()
            self.warn(f"{running.machine.name} ended: {_reason(running.code)}{': ' + text[-1] if text else ''}")

    def warn(self, text: str) -> None:
        """Keep a line for the user."""
        self.warnings.append(text)
        del self.warnings[:-200]

    def _machine(self, name: str) -> Running:
        if name not in self.machines:
            raise LabError(f"there is no machine {name!r}; there are {', '.join(self.machines)}")
        return self.machines[name]

    def _alive(self, name: str) -> tuple[Running, subprocess.Popen[bytes]]:
        running = self._machine(name)
        if running.process is None or running.state not in ("running", "paused"):
            raise LabError(f"machine {name} does not run: it is {running.state}")
        return running, running.process

    # -- what people ask

    def ps(self) -> list[dict[str, Any]]:
        """All machines."""
        return [
            {
                "name": r.machine.name, "engine": r.machine.engine, "arch": r.machine.arch, "state": r.state, "code": r.code,
                "pid": r.process.pid if r.process and r.state in ("running", "paused") else None, "since": r.since,
                "memory": r.machine.memory, "uses": [u.hardware for u in r.machine.uses],
            }
            for r in self.machines.values()
        ]  # fmt: skip

    def explain(self) -> list[dict[str, Any]]:
        """Of each machine, what runs it, why, and by which command."""
        return [
            {"name": r.machine.name, "why": [r.machine.why, *(r.launch.why if r.launch else [])],
             "command": r.launch.command if r.launch else []}
            for r in self.machines.values()
        ]  # fmt: skip

    async def stop(self, name: str, seconds: float = PATIENCE) -> None:
        """Ask a machine to power off; kill it if it does not."""
        running, process = self._alive(name)
        self._signal(running, process, signal.SIGCONT)
        with contextlib.suppress(GuestError):
            if running.machine.engine == "qemu" and running.launch and running.launch.control:
                async with qemu.Control(running.launch.control, name) as control:
                    await control.do("system_powerdown")
            elif running.machine.engine == "uml" and running.launch and running.launch.control:
                await asyncio.to_thread(uml.command, running.launch.control, "cad")
            else:
                process.terminate()
        end = time.monotonic() + seconds
        while running.state == "running" and time.monotonic() < end:
            await asyncio.sleep(0.02)
        if running.state == "running":
            await self.kill(name)

    async def kill(self, name: str) -> None:
        """End a machine's process at once."""
        running, process = self._alive(name)
        self._signal(running, process, signal.SIGKILL)
        while running.state != "ended":
            await asyncio.sleep(0.01)

    async def restart(self, name: str) -> None:
        """Power a machine off and on."""
        running = self._machine(name)
        if running.state in ("running", "paused"):
            await self.kill(name)
        self.start_machine(running)

    def pause(self, name: str) -> None:
        """Let a machine's process sleep."""
        running, process = self._alive(name)
        self._signal(running, process, signal.SIGSTOP)
        running.state = "paused"

    def resume(self, name: str) -> None:
        """Let it go on."""
        running, process = self._alive(name)
        self._signal(running, process, signal.SIGCONT)
        running.state = "running"

    def _signal(self, running: Running, process: subprocess.Popen[bytes], number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)

    async def status(self) -> dict[str, Any]:
        """What the host layer says of its hardware."""
        assert self.layer is not None
        found: dict[str, Any] = await self.layer.call("status")
        return found

    async def recent(self) -> dict[str, Any]:
        """The last accesses to each piece of hardware."""
        assert self.layer is not None
        found: dict[str, Any] = await self.layer.call("recent")
        return found

    async def release(self, hardware: str) -> bool:
        """Take an exclusive device away from its holder."""
        self._stream(hardware)
        assert self.layer is not None
        return bool(await self.layer.call("release", hardware=hardware))

    async def leave(self, hardware: str, name: str) -> bool:
        """Take a machine out of a device's queue."""
        self._stream(hardware)
        running = self._machine(name)
        if hardware not in [u.hardware for u in running.machine.uses]:
            raise LabError(f"machine {name} does not use {hardware}")
        assert self.layer is not None
        return bool(await self.layer.call("leave", hardware=hardware, guest=name))

    def _stream(self, hardware: str) -> None:
        known = [h.name for h in self.plan.hardware.values() if h.policy == "exclusive"]
        if hardware not in known:
            raise LabError(f"there is no exclusive hardware {hardware!r}{'; there is ' + ', '.join(known) if known else ''}")

    def type(self, name: str, text: str) -> None:
        """Type something at a machine's console."""
        self._alive(name)[0].console.type(text.encode())

    async def output(self, name: str, start: int = 0, wait: float = 0) -> dict[str, Any]:
        """What a console has shown from byte `start` on; waits for more for so many seconds if there is none."""
        running = self._machine(name)
        console = running.console
        if console.total <= start and wait:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(console.shown.wait(), wait)
        first = console.total - len(console.output)
        data = bytes(console.output[max(0, start - first) :])
        text = data.decode(errors="replace")
        return {"start": max(start, first), "end": console.total, "text": text, "state": running.state}

    async def take_warnings(self) -> list[str]:
        """Warnings so far, the host layer's among them."""
        if self.layer is not None:
            with contextlib.suppress(RpcError):  # it has died; `watch_layer` says so
                for text in await self.layer.call("take_warnings"):
                    self.warn(text)
        return list(self.warnings)

    def down(self) -> None:
        """End the lab."""
        self.over.set()

    # -- the whole

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one who asks."""
        await serve(reader, writer, {n: method(getattr(self, n), REFUSED) for n in METHODS})
        writer.close()

    async def run(self, ready: int, life: int | None) -> None:
        """The lab, until it is ended."""
        if life is not None:
            self.loop.add_reader(life, self.over.set)
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, self.over.set)
        tasks = []
        try:
            await self.start_layer()
            for machine in self.plan.machines.values():
                await self.add(machine)
            server = await asyncio.start_unix_server(self.serve, self.folder / "control", limit=LARGEST)
            tasks = [asyncio.create_task(self.watch_machines()), asyncio.create_task(self.watch_layer())]
            os.write(ready, b"ok\n")
            os.close(ready)
            await self.over.wait()
            server.close()
        finally:
            self.ending = True
            for task in tasks:
                task.cancel()
            await self.end()

    async def end(self) -> None:
        """End all processes."""
        for running in self.machines.values():
            if running.process is not None and running.process.poll() is None:
                self._signal(running, running.process, signal.SIGCONT)
                own = running.machine.engine == "softmetal"
                self._signal(running, running.process, signal.SIGTERM if own else signal.SIGKILL)
        for running in self.machines.values():
            if running.process is not None:
                try:
                    await asyncio.to_thread(running.process.wait, 5)
                except subprocess.TimeoutExpired:
                    self._signal(running, running.process, signal.SIGKILL)
                    running.process.wait()
            running.console.close()
        if self.layer is not None:
            self.layer.close()
        if self.layer_process is not None:
            await asyncio.to_thread(self.layer_process.wait, 10)


METHODS = (
    "ps", "explain", "stop", "kill", "restart", "pause", "resume", "status", "recent", "release", "leave", "type", "output",
    "take_warnings", "down",
)  # fmt: skip


def _reason(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


async def _run(file: Path, folder: Path, ready: int, life: int | None) -> None:
    await Supervisor(file, folder).run(ready, life)


def main() -> int:
    """See the module."""
    file, folder, ready = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[4])
    life = int(sys.argv[5]) if len(sys.argv) > 5 else None
    try:
        asyncio.run(_run(file, folder, ready, life))
    except REFUSED as error:
        with contextlib.suppress(OSError):
            os.write(ready, f"{error}\n".encode())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
