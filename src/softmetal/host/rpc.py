"""JSON-RPC 2.0, a message a line, on a stream: how the processes of a lab are told what to do.

Requests are dispatched and built by jsonrpcserver and jsonrpcclient (decision 20).
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from jsonrpcclient import Ok, parse, request
from jsonrpcserver import Error, Result, Success, async_dispatch

LARGEST = 16 << 20
"""Bytes of a message."""
REFUSED = 1
"""The code of an error that has one line for the user."""


class RpcError(Exception):
    """The other side refused, or is gone: one line."""


def method(function: Callable[..., Any], errors: tuple[type[Exception], ...]) -> Callable[..., Awaitable[Result]]:
    """A function as a method that can be called from the other side; exceptions of `errors` are the user's."""

    async def call(**arguments: Any) -> Result:
        try:
            found = function(**arguments)
            if inspect.isawaitable(found):
                found = await found
        except errors as error:
            return Error(REFUSED, str(error))
        return Success(found)

    call.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return call


async def serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, methods: Mapping[str, Callable[..., Awaitable[Result]]]
) -> None:
    """Answer requests until the other side closes the stream."""
    with contextlib.suppress(ConnectionError, asyncio.LimitOverrunError, ValueError):  # ValueError: a line without end
        while line := await reader.readline():
            answer = await async_dispatch(line.decode(errors="replace"), methods=dict(methods))
            if answer:
                writer.write(answer.encode() + b"\n")
                await writer.drain()


class Client:
    """The asking side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.lock = asyncio.Lock()

    async def call(self, name: str, /, **arguments: Any) -> Any:
        """What a method gives. Raises RpcError."""
        async with self.lock:
            try:
                asked = request(name, params=arguments)
                self.writer.write(json.dumps(asked).encode() + b"\n")
                await self.writer.drain()
                found = await self._answer(name, asked["id"])
            except (ConnectionError, ValueError) as error:
                raise RpcError(f"{name}: the connection is lost ({error})") from None
        if isinstance(found, Ok):
            return found.result
        said = found.message if found.code == REFUSED else f"{name}: {found.message} {found.data or ''}"
        raise RpcError(" ".join(str(said).split("\n")).strip())

    async def _answer(self, name: str, number: int) -> Any:
        """The answer to a request; those to requests whose askers no longer wait are passed over."""
        while line := await self.reader.readline():
            try:
                given = json.loads(line)
                found: Any = parse(given)
                its = given["id"]
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
                raise RpcError(f"{name}: the other side answers what is no JSON-RPC: {line[:60]!r}") from None
            if its in (number, None):
                return found
        raise RpcError(f"{name}: the other side has gone")

    def close(self) -> None:
        """End the connection."""
        self.writer.close()
