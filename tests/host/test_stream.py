"""A serial device that guests use one at a time: each transaction whole, each answer to its asker, and what ends a lease."""

from __future__ import annotations

import asyncio
import os
import socket
import threading

import pytest

from softmetal.host.arbiter import End, Exclusive, FrameRule, Terms
from softmetal.host.stream import SocketLine, StreamDevice, StreamError, StreamGuest

from .instrument import END, Instrument, answer, request

LINES = FrameRule(ends=END)
PATIENCE = 20


class Layer:
    """A host layer with one instrument, in a thread of its own."""

    def __init__(self, folder, instrument, terms=None, rule=LINES, **priorities):
        self.loop = asyncio.new_event_loop()
        self.warnings = []
        self.arbiter = Exclusive("scale", terms or Terms())
        self.device = StreamDevice(instrument.path, self.arbiter, rule, self.loop, self.warnings.append)
        self.guests = {n: StreamGuest(n, self.device, p) for n, p in priorities.items()}
        for name, guest in self.guests.items():
            SocketLine(guest, folder / name)
        self.folder = folder
        self.thread = threading.Thread(target=self.loop.run_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ask(self.device.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def ask(self, call, *args):
        """What a call inside of the layer gives."""

        async def inside():
            return call(*args)

        return asyncio.run_coroutine_threadsafe(inside(), self.loop).result(PATIENCE)

    def port(self, name):
        """A guest's serial port."""
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(PATIENCE)
        sock.connect(str(self.folder / name))
        return sock

    def until(self, condition):
        """Until something is so inside of the layer."""
        for _ in range(200_000):
            if self.ask(condition):
                return
        raise AssertionError("it never came")


@pytest.fixture
def instrument():
    made = Instrument(silent=("mute",))
    yield made
    made.close()


def receive(sock, size):
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        assert piece
        data += piece
    return data


def talk(sock, name, number):
    sock.sendall(request(name, number))
    expected = answer(name, number)
    assert receive(sock, len(expected)) == expected


def test_two_guests_at_once_garble_nothing_and_each_gets_its_answers(tmp_path, instrument):
    names = ("a", "b", "c", "d", "e", "f")
    with Layer(tmp_path, instrument, **dict.fromkeys(names, 0)) as layer:
        ports = {n: layer.port(n) for n in names}
        failures = []

        def work(name):
            try:
                for i in range(100):
                    talk(ports[name], name, i)
            except BaseException as error:
                failures.append((name, error))

        threads = [threading.Thread(target=work, args=(n,)) for n in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert instrument.garbled == []
        assert sorted(instrument.log) == sorted((n, i) for n in names for i in range(100))
        for name in names:
            assert [i for n, i in instrument.log if n == name] == list(range(100))
        layer.until(lambda: not layer.arbiter.holder)
        assert {n: a.accesses for n, a in layer.arbiter.ledger.accounts.items()} == dict.fromkeys(names, 100)


def test_a_request_that_comes_in_pieces_holds_the_device_until_its_answer(tmp_path, instrument):
    with Layer(tmp_path, instrument, a=0, b=0) as layer:
        a, b = layer.port("a"), layer.port("b")
        a.sendall(b"a:")
        layer.until(lambda: layer.arbiter.holder)
        b.sendall(request("b", 1))
        layer.until(lambda: layer.arbiter.queue)
        a.sendall(b"7" + END)
        assert receive(a, len(answer("a", 7))) == answer("a", 7)
        assert receive(b, len(answer("b", 1))) == answer("b", 1)
        assert instrument.log == [("a", 7), ("b", 1)]


def test_requests_that_a_guest_sends_at_once_take_turns_with_others(tmp_path, instrument):
    with Layer(tmp_path, instrument, a=0, b=0, mute=0) as layer:
        mute, a, b = layer.port("mute"), layer.port("a"), layer.port("b")
        mute.sendall(request("mute", 0))
        instrument.wait(1)
        a.sendall(request("a", 1) + request("a", 2))
        layer.until(lambda: len(layer.arbiter.queue) == 1)
        b.sendall(request("b", 1))
        layer.until(lambda: len(layer.arbiter.queue) == 2)
        layer.ask(layer.device.release)
        assert receive(a, len(answer("a", 1)) * 2) == answer("a", 1) + answer("a", 2)
        assert receive(b, len(answer("b", 1))) == answer("b", 1)
        assert instrument.log[1:] == [("a", 1), ("b", 1), ("a", 2)]


def test_priority_decides_who_is_next(tmp_path, instrument):
    with Layer(tmp_path, instrument, mute=0, low=0, high=3) as layer:
        ports = {n: layer.port(n) for n in ("mute", "low", "high")}
        ports["mute"].sendall(request("mute", 0))
        instrument.wait(1)
        for i, name in enumerate(("low", "high"), 1):
            ports[name].sendall(request(name, 5))
            layer.until(lambda i=i: len(layer.arbiter.queue) == i)
        layer.ask(layer.device.release)
        for name in ("low", "high"):
            receive(ports[name], len(answer(name, 5)))
        assert instrument.log[1:] == [("high", 5), ("low", 5)]


def test_a_guest_that_dies_in_the_middle_lets_the_next_go_on(tmp_path, instrument):
    with Layer(tmp_path, instrument, mute=0, b=0) as layer:
        mute, b = layer.port("mute"), layer.port("b")
        mute.sendall(request("mute", 0))
        instrument.wait(1)
        b.sendall(request("b", 2))
        layer.until(lambda: layer.arbiter.queue)
        mute.close()
        assert receive(b, len(answer("b", 2))) == answer("b", 2)
        assert [(g, w) for g, w, _ in layer.arbiter.ends] == [("mute", End.DIED)]


def test_a_guest_that_holds_too_long_is_pre_empted(tmp_path, instrument):
    with Layer(tmp_path, instrument, Terms(max_hold=0.01), mute=0, b=0) as layer:
        mute, b = layer.port("mute"), layer.port("b")
        mute.sendall(request("mute", 0))
        instrument.wait(1)
        talk(b, "b", 1)
        assert ("mute", End.MAX_HOLD) in [(g, w) for g, w, _ in layer.arbiter.ends]


def test_an_answer_that_comes_too_late_goes_to_nobody(tmp_path, instrument):
    with Layer(tmp_path, instrument, Terms(quiet=0.05), mute=0, b=0) as layer:
        mute, b = layer.port("mute"), layer.port("b")
        mute.sendall(request("mute", 0))
        instrument.wait(1)
        b.sendall(request("b", 1))
        layer.until(lambda: layer.arbiter.queue)
        layer.ask(layer.device.release)
        os.write(instrument.master, b"mute:0=6" + END)
        assert receive(b, len(answer("b", 1))) == answer("b", 1)
        assert layer.device.stray == len(b"mute:0=6" + END)


def test_a_guest_that_waits_can_leave_and_what_it_asked_is_not_sent(tmp_path, instrument):
    with Layer(tmp_path, instrument, mute=0, b=0, c=0) as layer:
        ports = {n: layer.port(n) for n in ("mute", "b", "c")}
        ports["mute"].sendall(request("mute", 0))
        instrument.wait(1)
        for i, name in enumerate("bc", 1):
            ports[name].sendall(request(name, 1))
            layer.until(lambda i=i: len(layer.arbiter.queue) == i)
        assert layer.ask(layer.guests["b"].leave)
        assert not layer.ask(layer.guests["mute"].leave)
        layer.ask(layer.device.release)
        receive(ports["c"], len(answer("c", 1)))
        assert instrument.log == [("mute", 0), ("c", 1)]
        talk(ports["b"], "b", 9)


def test_a_deadline_drops_the_request(tmp_path, instrument):
    with Layer(tmp_path, instrument, Terms(deadline=0.01), mute=0, b=0) as layer:
        mute, b = layer.port("mute"), layer.port("b")
        mute.sendall(request("mute", 0))
        instrument.wait(1)
        b.sendall(request("b", 1))
        layer.until(lambda: layer.arbiter.ends)
        assert [(g, w) for g, w, _ in layer.arbiter.ends] == [("b", End.DEADLINE)]
        layer.ask(layer.device.release)
        talk(b, "b", 2)
        assert instrument.log == [("mute", 0), ("b", 2)]


def test_requests_may_have_another_end_than_answers(tmp_path, instrument):
    with Layer(tmp_path, instrument, rule=FrameRule(ends=END, request=b";"), mute=0, b=0) as layer:
        mute, b = layer.port("mute"), layer.port("b")
        mute.sendall(b"x;")
        layer.until(lambda: layer.arbiter.holder and layer.guests["mute"].complete)
        os.write(instrument.master, b"answer" + END)
        assert receive(mute, 8) == b"answer" + END
        layer.until(lambda: not layer.arbiter.holder)
        b.sendall(b"y;")
        layer.until(lambda: layer.arbiter.holder is layer.guests["b"].party)


def test_without_frames_a_lease_lasts_until_the_line_is_idle(tmp_path, instrument):
    with Layer(tmp_path, instrument, Terms(idle=0.02), FrameRule(), a=0, b=0) as layer:
        a, b = layer.port("a"), layer.port("b")
        a.sendall(request("a", 1))
        b.sendall(request("b", 1))
        assert receive(a, len(answer("a", 1))) == answer("a", 1)
        assert receive(b, len(answer("b", 1))) == answer("b", 1)


def test_a_device_that_is_gone_is_said_once_and_waited_for(tmp_path, instrument):
    link = tmp_path / "device"
    link.symlink_to(instrument.path)
    instrument.path = str(link)
    other = Instrument()
    with Layer(tmp_path, instrument, a=0) as layer:
        a = layer.port("a")
        talk(a, "a", 1)
        link.unlink()
        link.symlink_to(other.path)
        instrument.close()
        layer.until(lambda: layer.device.fd < 0)
        a.sendall(request("a", 2))
        assert receive(a, len(answer("a", 2))) == answer("a", 2)
        assert other.log == [("a", 2)]
        assert layer.warnings == [
            f"scale: {link} is gone (Input/output error); waiting for it to come back", f"scale: {link} is back"
        ]  # fmt: skip
    other.close()


def test_a_device_that_is_not_there_is_one_line(tmp_path):
    loop = asyncio.new_event_loop()
    with pytest.raises(StreamError, match=r"^device /dev/nothing: No such file or directory$"):
        StreamDevice("/dev/nothing", Exclusive("x", Terms()), LINES, loop, print)
    loop.close()


def test_a_speed_that_no_line_has_is_refused(instrument):
    with pytest.raises(StreamError, match="there is no line speed of 12345 bits a second"):
        StreamDevice(instrument.path, Exclusive("x", Terms()), LINES, asyncio.new_event_loop(), print, speed=12345)


def test_a_program_behaves_as_a_device_and_is_started_again_when_it_ends(tmp_path):
    script = tmp_path / "device.sh"
    script.write_text("while read -r line; do printf '%s=%s\\r\\n' \"$line\" $$; case $line in end*) exit;; esac; done\n")
    loop, warnings = asyncio.new_event_loop(), []
    device = StreamDevice("", Exclusive("x", Terms()), LINES, loop, warnings.append, command="sh device.sh", folder=str(tmp_path))
    SocketLine(StreamGuest("a", device), tmp_path / "a")
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(PATIENCE)
        sock.connect(str(tmp_path / "a"))
        answers = []
        with sock, sock.makefile("rb") as lines:
            for text in ("one", "end", "two"):
                while text == "two" and len(warnings) < 2:  # what is sent while it is dying is lost
                    pass
                sock.sendall(f"{text}\r\n".encode())
                answers.append(lines.readline().decode().strip().replace("\r", "").split("="))
    finally:
        loop.call_soon_threadsafe(device.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    assert [name for name, _ in answers] == ["one", "end", "two"]
    assert answers[0][1] == answers[1][1] != answers[2][1]
    gone = "x: sh device.sh is gone (Input/output error); waiting for it to come back"
    assert warnings == [gone, "x: sh device.sh is back"]


def test_a_program_that_is_not_there_is_one_line(tmp_path):
    loop = asyncio.new_event_loop()
    with pytest.raises(StreamError, match=r"^device 'nothing here': No such file or directory$"):
        StreamDevice("", Exclusive("x", Terms()), LINES, loop, print, command="nothing here", folder=str(tmp_path))
    loop.close()
