"""A machine's console in the supervisor: who sees what, what is kept, and that nobody is waited for."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softmetal.lab.console import KEPT, MOST_HELD, PIECE, Console

TURNS = 100_000


class Bench:
    """A console in the loop that runs, with a machine's end and people's."""

    def __init__(self, folder):
        self.folder = folder
        self.loop = asyncio.get_running_loop()
        self.errors = []
        self.loop.set_exception_handler(lambda _, context: self.errors.append(context))
        self.console = Console(folder / "web.con", folder / "web.log", self.loop)

    def machine(self):
        """Start a machine; its end."""
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        self.console.connect(ours.detach())
        return theirs

    async def viewer(self):
        """Someone who looks at the console."""
        sock = socket.socket(socket.AF_UNIX)
        sock.setblocking(False)
        before = len(self.console.viewers)
        sock.connect(str(self.folder / "web.con"))
        await self.until(lambda: len(self.console.viewers) > before)
        return sock

    async def until(self, condition):
        for _ in range(TURNS):
            if condition():
                return
            await asyncio.sleep(0)
        raise AssertionError("it never came")

    async def show(self, machine, data):
        """Let a machine show something, and the console see it."""
        total = self.console.total + len(data)
        await self.loop.sock_sendall(machine, data)
        await self.shown(total)

    async def shown(self, total):
        await self.until(lambda: self.console.total >= total)

    async def receive(self, sock, size):
        data = b""
        while len(data) < size:
            piece = await self.loop.sock_recv(sock, size - len(data))
            assert piece, "it hung up"
            data += piece
        return data

    def log(self):
        return (self.folder / "web.log").read_bytes()


@pytest.fixture
def play(tmp_path):
    """Play a scene: a coroutine of a bench."""

    def play(scene):
        async def inside():
            bench = Bench(tmp_path)
            try:
                await asyncio.wait_for(scene(bench), 30)
            finally:
                bench.console.close()
            assert bench.errors == []

        asyncio.run(inside())

    return play


def nothing_to_read(sock):
    with pytest.raises(BlockingIOError):
        sock.recv(1)
    return True


def test_all_who_look_see_what_is_shown_from_then_on_and_the_log_has_all(play):
    async def scene(bench):
        machine = bench.machine()
        await bench.show(machine, b"boot\r\n")
        first, second = await bench.viewer(), await bench.viewer()
        await bench.show(machine, b"login: ")
        third = await bench.viewer()
        await bench.show(machine, b"\xff\0")
        assert await bench.receive(first, 9) == await bench.receive(second, 9) == b"login: \xff\0"
        assert await bench.receive(third, 2) == b"\xff\0"
        assert nothing_to_read(first)
        assert bytes(bench.console.output) == bench.log() == b"boot\r\nlogin: \xff\0"
        assert bench.console.total == 15

    play(scene)


def test_only_the_last_of_the_output_is_kept_and_the_log_keeps_all(play):
    async def scene(bench):
        machine = bench.machine()
        data = bytes(n % 251 for n in range(KEPT + 1000))
        for at in range(0, len(data), 10_000):
            await bench.show(machine, data[at : at + 10_000])
        assert bytes(bench.console.output) == data[-KEPT:]
        assert bench.console.total == len(data)
        assert bench.log() == data

    play(scene)


def test_a_log_goes_on_where_it_ended(play, tmp_path):
    (tmp_path / "web.log").write_bytes(b"before\n")

    async def scene(bench):
        await bench.show(bench.machine(), b"after\n")
        assert bench.log() == b"before\nafter\n"

    play(scene)


def test_a_viewer_who_does_not_read_is_not_waited_for_and_no_more_than_so_much_is_held(play):
    async def scene(bench):
        machine, asleep, awake = bench.machine(), await bench.viewer(), await bench.viewer()
        seen, block = 0, b"x" * PIECE
        while seen < 3 * MOST_HELD:
            await bench.show(machine, block)
            seen += len(await bench.receive(awake, len(block)))
        held = sorted(map(len, bench.console.viewers.values()))
        assert held[0] == 0
        assert MOST_HELD <= held[1] < MOST_HELD + PIECE
        got = 0
        while any(bench.console.viewers.values()):  # when it wakes up it gets what was held, and then goes on as others do
            got += len(await bench.loop.sock_recv(asleep, PIECE))
        with contextlib.suppress(BlockingIOError):
            while True:
                got += len(asleep.recv(PIECE))
        assert got >= MOST_HELD
        await bench.show(machine, b"news")
        assert await bench.receive(asleep, 4) == await bench.receive(awake, 4) == b"news"

    play(scene)


def test_who_leaves_disturbs_nobody(play):
    async def scene(bench):
        machine, one, other = bench.machine(), await bench.viewer(), await bench.viewer()
        one.close()
        await bench.until(lambda: len(bench.console.viewers) == 1)
        await bench.show(machine, b"a")
        gone = await bench.viewer()
        gone.shutdown(socket.SHUT_RD)  # it is found when something is sent to it
        await bench.show(machine, b"b")
        await bench.until(lambda: len(bench.console.viewers) == 1)
        await bench.show(machine, b"c")
        assert await bench.receive(other, 3) == b"abc"

    play(scene)


def test_what_anyone_types_reaches_the_machine_in_order(play):
    async def scene(bench):
        machine, one, other = bench.machine(), await bench.viewer(), await bench.viewer()
        await bench.loop.sock_sendall(one, b"root\r")
        assert await bench.receive(machine, 5) == b"root\r"
        await bench.loop.sock_sendall(other, b"ls\r")
        assert await bench.receive(machine, 3) == b"ls\r"
        bench.console.type(b"exit\r")
        assert await bench.receive(machine, 5) == b"exit\r"
        assert nothing_to_read(one)  # the machine echoes, not the console

    play(scene)


def test_typing_waits_for_a_machine_that_is_busy_but_only_so_much_of_it(play):
    async def scene(bench):
        machine = bench.machine()
        data = bytes(n % 251 for n in range(MOST_HELD))
        bench.console.type(data)
        assert bench.console.typed  # its socket does not hold that much
        assert await bench.receive(machine, len(data)) == data
        for _ in range(8):
            bench.console.type(data)
        assert len(bench.console.typed) < 2 * MOST_HELD

    play(scene)


def test_what_is_typed_while_no_machine_runs_goes_nowhere(play):
    async def scene(bench):
        bench.console.type(b"early")
        machine = bench.machine()
        bench.console.type(b"now")
        assert await bench.receive(machine, 3) == b"now"
        bench.console.type(bytes(MOST_HELD))  # more than its socket holds, and it reads nothing
        assert bench.console.typed
        bench.console.disconnect()
        again = bench.machine()
        bench.console.type(b"again")
        assert await bench.receive(again, 5) == b"again"

    play(scene)


def test_when_a_machine_ends_the_rest_of_its_output_is_shown(play):
    async def scene(bench):
        machine, viewer = bench.machine(), await bench.viewer()
        rest = b"y" * 100_000
        machine.setblocking(True)
        machine.send(rest)
        machine.close()
        bench.console.disconnect()  # the loop has had no turn
        assert bench.console.total == len(rest)
        assert bench.log() == rest
        assert await bench.receive(viewer, len(rest)) == rest
        assert bench.console.fd == -1
        bench.console.disconnect()

    play(scene)


def test_viewers_stay_when_the_machine_starts_again(play):
    async def scene(bench):
        first, viewer = bench.machine(), await bench.viewer()
        await bench.show(first, b"one")
        second = bench.machine()
        with pytest.raises(BrokenPipeError):  # its console is no longer the console
            first.send(b"lost")
        await bench.show(second, b"two")
        assert await bench.receive(viewer, 6) == b"onetwo"
        await bench.loop.sock_sendall(viewer, b"x")
        assert await bench.receive(second, 1) == b"x"

    play(scene)


@pytest.mark.parametrize("made", [socket.socketpair, os.openpty])
def test_a_machine_that_closes_its_end_leaves_the_loop_in_peace(play, monkeypatch, made):
    looks = []
    shows = Console._shows
    monkeypatch.setattr(Console, "_shows", lambda self: (looks.append(1), shows(self)))

    async def scene(bench):
        ours, theirs = (end if isinstance(end, int) else end.detach() for end in made())
        bench.console.connect(ours)
        os.write(theirs, b"end")
        await bench.shown(3)
        os.close(theirs)
        before = len(looks)
        await bench.until(lambda: len(looks) > before)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(looks) == before + 1
        assert bytes(bench.console.output) == b"end"

    play(scene)


def test_who_waits_for_output_is_woken_by_it(play):
    async def scene(bench):
        machine = bench.machine()
        waits = asyncio.create_task(bench.console.shown.wait())
        await asyncio.sleep(0)
        assert not waits.done()
        await bench.show(machine, b"!")
        await waits
        assert not bench.console.shown.is_set()  # for the next output

    play(scene)


def test_closing_lets_go_of_everyone(play):
    async def scene(bench):
        machine, viewer = bench.machine(), await bench.viewer()
        bench.console.close()
        assert await bench.loop.sock_recv(viewer, 1) == b""
        assert await bench.loop.sock_recv(machine, 1) == b""
        with pytest.raises(ConnectionRefusedError), socket.socket(socket.AF_UNIX) as late:
            late.connect(str(bench.folder / "web.con"))
        bench.console = Console(bench.folder / "web.con", bench.folder / "web.log", bench.loop)  # in its place

    play(scene)


@given(st.lists(st.one_of(st.binary(min_size=1, max_size=50), st.just("viewer"), st.just("restart")), max_size=15))
@settings(max_examples=30, deadline=None)
def test_each_viewer_sees_exactly_what_was_shown_after_it_came(tmp_path_factory, events):
    folder = tmp_path_factory.mktemp("console")

    async def scene():
        bench = Bench(folder)
        machine, shown, viewers = bench.machine(), b"", []
        for event in events:
            if event == "viewer":
                await bench.shown(len(shown))
                viewers.append((await bench.viewer(), len(shown)))
            elif event == "restart":
                machine = bench.machine()
            else:
                await bench.loop.sock_sendall(machine, event)
                shown += event
        bench.console.disconnect()
        for sock, start in viewers:
            assert await bench.receive(sock, len(shown) - start) == shown[start:]
        assert bench.log() == shown
        bench.console.close()
        assert bench.errors == []

    asyncio.run(scene())
    assert os.path.exists(folder / "web.log")
