"""A lab from Python.

    with Lab("lab.toml") as lab:
        lab["web1"].expect("login:")
        lab["web1"].send("root\\n")

It runs in processes of its own; `with` starts it, unless it runs already, and ends what it started.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

from softmetal.host.rpc import LARGEST, Client, RpcError
from softmetal.lab import places
from softmetal.lab.errors import LabError
from softmetal.lab.plan import read


class Lab:
    """A lab that a file describes. Raises LabError, as all its methods do."""

    def __init__(self, file: str | os.PathLike[str] = "lab.toml") -> None:
        self.file = Path(file)
        self.folder = places.folder_of(self.file)
        self.started = False
        self._life: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: Client | None = None

    # -- its life

    @property
    def running(self) -> bool:
        """Does it run, whoever started it?"""
        return places.running(self.folder)

    def up(self, *, tied: bool = False) -> None:
        """Start the host layer and all machines. `tied`: the lab ends with this process, whatever ends it."""
        read(self.file)  # what is wrong with the file is said here
        lock = places.lock(self.folder)
        ready, write = os.pipe()
        fds = [lock, write]
        if tied:
            life, self._life = os.pipe()
            fds.append(life)
        command = [sys.executable, "-m", "softmetal.lab.supervisor", str(self.file), str(self.folder), *map(str, fds)]
        with (self.folder / "supervisor.log").open("wb") as log:
            process = subprocess.Popen(
                command, pass_fds=fds, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        for fd in fds:
            os.close(fd)
        with os.fdopen(ready) as pipe:
            answer = pipe.read().strip()
        if answer != "ok":
            process.wait()
            text = (self.folder / "supervisor.log").read_text(errors="replace").strip() if self.folder.exists() else ""
            places.running(self.folder)  # removes what it left
            raise LabError(answer or f"the lab did not start: {text.splitlines()[-1] if text else 'no reason is known'}")
        self.started = True
        self._child = process

    def down(self) -> None:
        """End all machines and the host layer."""
        with contextlib.closing(self):
            self.call("down")
        while places.running(self.folder):
            time.sleep(0.01)
        if self.started:
            self._child.wait()
            self.started = False
            if self._life is not None:
                os.close(self._life)
                self._life = None

    def __enter__(self) -> Lab:
        if not self.running:
            self.up(tied=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self.started:
            self.down()
        else:
            self.close()

    def close(self) -> None:
        """Forget the lab; it goes on."""
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._loop = None

    # -- asking it

    def call(self, method: str, /, **arguments: Any) -> Any:
        """What the supervisor answers; see `supervisor.METHODS`."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
            self._thread.start()
        return self._wait(self._call(method, arguments))

    def _wait(self, what: Coroutine[Any, Any, Any]) -> Any:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(what, self._loop).result()

    async def _call(self, name: str, arguments: dict[str, Any]) -> Any:
        if self._client is None:
            try:
                self._client = Client(*await asyncio.open_unix_connection(self.folder / "control", limit=LARGEST))
            except OSError:
                raise LabError(f"the lab of {self.file} does not run: softmetal up starts it") from None
        try:
            return await self._client.call(name, **arguments)
        except RpcError as error:
            raise LabError(str(error)) from None

    # -- its machines

    def __getitem__(self, name: str) -> LabMachine:
        names = list(self)
        if name not in names:
            raise LabError(f"there is no machine {name!r}; there are {', '.join(names)}")
        return LabMachine(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter([row["name"] for row in self.call("ps")])

    def __repr__(self) -> str:
        return f"Lab({os.fspath(self.file)!r})"


class LabMachine:
    """One machine of a lab."""

    def __init__(self, lab: Lab, name: str) -> None:
        self.lab, self.name = lab, name
        self.seen = 0
        """Bytes of its console's output that `expect` has passed."""

    def _call(self, method: str, **arguments: Any) -> Any:
        return self.lab.call(method, name=self.name, **arguments)

    @property
    def state(self) -> str:
        """created, running, paused or ended."""
        return str(next(row["state"] for row in self.lab.call("ps") if row["name"] == self.name))

    def send(self, text: str) -> None:
        """Type something at its console."""
        self._call("type", text=text)

    def expect(self, pattern: str, seconds: float = 300) -> str:
        """Wait until its console shows a regular expression; the text up to its end."""
        found, text = self._wait(pattern, seconds)
        if not found:
            tail = f"its console ends with {text[-300:]!r}"
            raise LabError(f"machine {self.name} did not show {pattern!r} in {seconds:g} s; {tail}")
        return text

    def _wait(self, pattern: str, seconds: float) -> tuple[bool, str]:
        """Did the console show it in time? And the text up to its end, or all that there was."""
        end = time.monotonic() + seconds
        text: str = ""
        at = self.seen
        while True:
            got = self._call("output", start=at, wait=min(1.0, max(0.0, end - time.monotonic())))
            if got["start"] > at:  # more has passed than is kept
                text = ""
                self.seen = got["start"]
            text += got["text"]
            at = got["end"]
            found = re.search(pattern, text)
            if found:
                self.seen += len(text[: found.end()].encode())
                return True, text[: found.end()]
            if got["state"] == "ended" and not got["text"]:
                tail = f"its console ends with {text[-300:]!r}"
                raise LabError(f"machine {self.name} ended and never showed {pattern!r}; {tail}")
            if time.monotonic() > end:
                return False, text

    def execute(self, command: str, seconds: float = 300) -> tuple[int, str]:
        """Carry out a command of the shell that its console shows, once it does; exit code and output."""
        end = time.monotonic() + seconds
        self.seen = self._call("output", start=1 << 60)["end"]
        patience = 1.0
        while True:  # what is typed before there is a shell may be lost
            mark = _mark()
            self.send(f"echo S{mark[:6]}''{mark[6:]}\n")
            found, text = self._wait(rf"S{mark}\r?\n", patience)
            if found:
                break
            if time.monotonic() > end:
                tail = f"its console ends with {text[-300:]!r}"
                raise LabError(f"machine {self.name} has shown no shell in {seconds:g} s; {tail}")
            patience *= 2
        mark = _mark()
        self.send(f"echo B{mark[:6]}''{mark[6:]}; {command}\necho E{mark[:6]}''{mark[6:]} $?\n")
        self.expect(rf"B{mark}\r?\n", max(1.0, end - time.monotonic()))
        text = self.expect(rf"E{mark} (\d+)", max(1.0, end - time.monotonic()))
        code = int(text.rsplit(" ", 1)[1])
        lines = text.split(f"E{mark}")[0].replace("\r\n", "\n")
        kept = [line for line in lines.split("\n") if mark[:6] not in line]
        return code, "\n".join(kept)

    def stop(self) -> None:
        """Ask it to power off."""
        self._call("stop")

    def kill(self) -> None:
        """End its process."""
        self._call("kill")

    def restart(self) -> None:
        """Power it off and on."""
        self._call("restart")
        self.seen = 0

    def pause(self) -> None:
        """Let it sleep."""
        self._call("pause")

    def resume(self) -> None:
        """Let it go on."""
        self._call("resume")


def _mark() -> str:
    """A word that no guest prints by itself."""
    return uuid.uuid4().hex[:12]
