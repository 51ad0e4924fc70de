"""How the processes of a lab tell each other what to do: results, refusals, and what is no request at all."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softmetal.host.errors import HostError
from softmetal.host.rpc import Client, RpcError, method, serve

LIMIT = 1 << 16
GONE = r"^add: the (other side has gone|connection is lost)"


class Bench:
    """The methods of the tests."""

    def __init__(self):
        self.called = []

    def add(self, a, b=1):
        self.called.append((a, b))
        return {"sum": a + b}

    async def later(self, text):
        await asyncio.sleep(0)
        return text

    def much(self, size):
        return "x" * size

    def refuse(self):
        raise HostError(5, "disk store: it is broken")

    def crash(self):
        raise RuntimeError("a bug,\nin two lines")


@contextlib.asynccontextmanager
async def connected(bench=None):
    """A client, and the writer of the serving side's end."""
    ours, theirs = socket.socketpair()
    client = Client(*await asyncio.open_connection(sock=ours, limit=LIMIT))
    reader, writer = await asyncio.open_connection(sock=theirs, limit=LIMIT)
    bench = bench or Bench()
    methods = {n: method(getattr(bench, n), (HostError,)) for n in ("add", "later", "much", "refuse", "crash")}
    task = asyncio.create_task(serve(reader, writer, methods))
    try:
        yield client, writer
    finally:
        client.close()
        await task
        writer.close()


def run(scene):
    """Play a scene: a coroutine of a client and the other side's writer."""

    async def inside():
        async with connected() as ends:
            return await scene(*ends)

    return asyncio.run(inside())


def refusal(name, **arguments):
    """The line that a call is refused with, on a connection that works before and after."""

    async def scene(client, _):
        with pytest.raises(RpcError) as caught:
            await client.call(name, **arguments)
        assert await client.call("later", text="still there") == "still there"
        return str(caught.value)

    said = run(scene)
    assert "\n" not in said
    return said


def test_a_call_gives_what_the_method_gives():
    async def scene(client, _):
        return [await client.call("add", a=2, b=3), await client.call("add", a=2), await client.call("later", text="é\n\0")]

    assert run(scene) == [{"sum": 5}, {"sum": 3}, "é\n\0"]


def test_calls_that_are_made_at_once_get_their_own_results():
    async def scene(client, _):
        return await asyncio.gather(*(client.call("add", a=n) for n in range(50)))

    assert run(scene) == [{"sum": n + 1} for n in range(50)]


def test_what_is_refused_is_the_users_line_and_nothing_else():
    assert refusal("refuse") == "disk store: it is broken"


def test_a_method_that_is_not_there_is_named():
    assert refusal("explode") == "explode: Method not found explode"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [({}, "missing a required argument: 'a'"), ({"a": 1, "c": 2}, "got an unexpected keyword argument 'c'")],
)
def test_wrong_parameters_are_said_and_the_method_is_not_called(arguments, reason):
    assert refusal("add", **arguments) == f"add: Invalid params {reason}"


def test_a_bug_of_a_method_is_one_line_and_stops_nothing(caplog):
    caplog.set_level(logging.CRITICAL)
    assert refusal("crash") == "crash: Internal error a bug, in two lines"


def test_an_asker_that_gives_up_leaves_no_answer_for_the_next():
    async def scene(client, _):
        task = asyncio.create_task(client.call("later", text="late"))
        while not client.lock.locked():
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await client.call("later", text="mine")

    assert run(scene) == "mine"


NOISE = st.one_of(
    st.binary(max_size=80),
    st.sampled_from([b"[]", b"{}", b"null", b"3", b'"add"', b"[" * 10_000, b'{"jsonrpc": "2.0", "method": 3, "id": 1}',
                     b'{"jsonrpc": "2.0", "method": "add", "params": [1, 2, 3, 4], "id": 1}']),
)  # fmt: skip


@given(st.lists(NOISE.map(lambda line: line.replace(b"\n", b"")), max_size=5))
@settings(max_examples=60, deadline=None)
def test_lines_that_are_no_requests_are_answered_with_errors_and_stop_nothing(lines):
    logging.disable(logging.CRITICAL)
    bench = Bench()

    async def scene():
        async with connected(bench) as (client, _):
            for line in lines:
                client.writer.write(line + b"\n")
            client.writer.write(b'{"jsonrpc": "2.0", "method": "add", "params": {"a": 41}, "id": "last"}\n')
            answers = []
            while not answers or not isinstance(answers[-1], dict) or answers[-1].get("id") != "last":
                answers.append(json.loads(await client.reader.readline()))
            return answers

    try:
        *errors, last = asyncio.run(scene())
    finally:
        logging.disable(logging.NOTSET)
    assert last["result"] == {"sum": 42}
    assert all("error" in answer for answer in errors)
    assert bench.called == [(41, 1)]


def test_a_line_without_end_ends_the_connection_and_nothing_else():
    async def scene(client, writer):
        client.writer.write(b"x" * (2 * LIMIT))
        await client.writer.drain()
        writer.close()  # as those do who serve
        with pytest.raises(RpcError, match=GONE):
            await client.call("add", a=1)

    run(scene)


def test_when_the_other_side_goes_each_call_is_one_line():
    async def scene(client, writer):
        writer.close()
        with pytest.raises(RpcError, match=GONE) as caught:
            await client.call("add", a=1)
        assert "\n" not in str(caught.value)
        with pytest.raises(RpcError, match=GONE):
            await client.call("add", a=1)

    run(scene)


@pytest.mark.parametrize(
    "line", [b"hello", b"{}", b"[]", b"3", b"null", b"[{}]", b'{"id": 1}', b'{"error": 3, "id": 1}', b"[" * 20_000, b"\xff\xfe"]
)
def test_an_answer_that_is_none_is_one_line(line):
    async def scene():
        ours, theirs = socket.socketpair()
        client = Client(*await asyncio.open_connection(sock=ours, limit=LIMIT))
        theirs.sendall(line + b"\n")
        with theirs, pytest.raises(RpcError, match=f"^{re.escape('add: the other side answers what is no JSON-RPC: ')}b'"):
            await client.call("add", a=1)
        client.close()

    asyncio.run(scene())


def test_a_result_that_is_too_long_is_an_error_of_the_call():
    async def scene(client, _):
        assert len(await client.call("much", size=LIMIT - 100)) == LIMIT - 100
        with pytest.raises(RpcError, match=r"^much: the connection is lost \(Separator is (not )?found, .*\)$"):
            await client.call("much", size=2 * LIMIT)

    run(scene)
