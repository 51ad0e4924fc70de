"""The GPU: resources, the memory behind them, copying, what the screen shows, what is refused."""

import struct

import pytest

from softmetal.chips.virtio.gpu import Answer, Command, VirtioGpu
from softmetal.chips.virtio.mmio import Register
from softmetal.lang import u32
from softmetal.testing.bench import bench

from .bed import BASE, SIZE, Bed, Driver

CONTROL, CURSOR = 0, 1
BGRX, RGBX = 2, 134


class GpuBed(Bed):
    device: VirtioGpu

    def resize(self, width: u32, height: u32) -> None:
        self.device.resize(width, height)

    def resume(self) -> None:
        self.device.resume(self)


@pytest.fixture
def driver(engine):
    bed = bench(GpuBed, engine)
    yield Driver(bed)
    assert bed.chip.stray == 0


def ask(driver, command, *values, form="I", more=b"", flags=0, fence=0, queue=CONTROL):
    """Send a request; (type of the response, all of it)."""
    layout = form if len(form) > 1 or not values else f"{len(values)}{form}"
    body = struct.pack("<" + layout, *values) if values else b""
    response = driver.space(408)
    driver.send([driver.buffer(struct.pack("<IIQII", command, flags, fence, 7, 9) + body + more), response], queue)
    text = driver.content(response)
    return Answer(int.from_bytes(text[:4], "little")), text


def create(driver, id=1, width=8, height=4, format=RGBX):
    return ask(driver, Command.RESOURCE_CREATE_2D, id, format, width, height)[0]


def attach(driver, runs, id=1):
    more = b"".join(struct.pack("<QII", address, length, 0) for address, length in runs)
    return ask(driver, Command.RESOURCE_ATTACH_BACKING, id, len(runs), more=more)[0]


def transfer(driver, x, y, width, height, offset=0, id=1):
    return ask(driver, Command.TRANSFER_TO_HOST_2D, x, y, width, height, offset, id, 0, form="4IQII")[0]


def show(driver, x, y, width, height, id=1, screen=0):
    return ask(driver, Command.SET_SCANOUT, x, y, width, height, screen, id)[0]


def test_there_is_one_screen_with_a_size(driver):
    answer, text = ask(driver, Command.GET_DISPLAY_INFO)
    assert answer == Answer.OK_DISPLAY_INFO
    assert struct.unpack_from("<6I", text, 24) == (0, 0, 1024, 768, 1, 0)
    assert text[48:] == bytes(360)
    assert driver.back(CONTROL) == [(0, 408)]
    assert driver.get(Register.CONFIG + 8) == 1
    assert driver.get(Register.CONFIG + 12) == 0


def test_another_size_is_an_event_that_the_driver_clears(driver):
    driver.bed.resize(640, 480)
    assert driver.get(Register.INTERRUPT_STATUS) == 2
    assert driver.get(Register.CONFIG) == 1
    driver.set(Register.CONFIG + 4, 1)
    assert driver.get(Register.CONFIG) == 0
    assert struct.unpack_from("<6I", ask(driver, Command.GET_DISPLAY_INFO)[1], 24) == (0, 0, 640, 480, 1, 0)


def test_a_fence_comes_back(driver):
    _, text = ask(driver, Command.GET_DISPLAY_INFO, flags=3, fence=0x1122334455667788)
    assert struct.unpack_from("<IQII", text, 4) == (1, 0x1122334455667788, 7, 9)
    _, text = ask(driver, Command.GET_DISPLAY_INFO, fence=5)
    assert struct.unpack_from("<IQII", text, 4) == (0, 0, 7, 9)


@pytest.mark.parametrize("cuts", [[128], [3, 61, 0, 64], [1] * 128])
def test_what_the_guest_drew_is_on_the_screen(driver, cuts):
    pixels = bytes(range(128))
    runs, at = [], 0
    for size in cuts:
        runs.append((driver.buffer(pixels[at : at + size])[0], size))
        at += size
    assert create(driver) == attach(driver, runs) == Answer.OK_NODATA
    assert transfer(driver, 0, 0, 8, 4) == Answer.OK_NODATA
    assert show(driver, 0, 0, 8, 4) == Answer.OK_NODATA
    width, height, picture = driver.device.picture()
    assert (width, height) == (8, 4)
    assert picture == b"".join(pixels[i : i + 3] + b"\xff" for i in range(0, 128, 4))
    assert ask(driver, Command.RESOURCE_FLUSH, 0, 0, 8, 4, 1, 0)[0] == Answer.OK_NODATA
    assert driver.device.flushes == 1


def test_a_rectangle_is_copied_to_its_place_and_a_part_is_shown(driver):
    pixels = bytes(range(128))
    create(driver, format=BGRX)
    attach(driver, [(driver.buffer(pixels)[0], 128)])
    assert transfer(driver, 2, 1, 3, 2, offset=32 + 8) == Answer.OK_NODATA
    show(driver, 1, 1, 5, 3)
    got = driver.device.picture()[2]
    rows = [[got[20 * y + 4 * x : 20 * y + 4 * x + 4] for x in range(5)] for y in range(3)]
    drawn = [[32 * y + 4 * x for x in (2, 3, 4)] for y in (1, 2)]
    black = b"\0\0\0\xff"
    for y in (0, 1):
        assert rows[y] == [black, *(bytes((at + 2, at + 1, at, 255)) for at in drawn[y]), black]
    assert rows[2] == [black] * 5


def test_a_screen_without_a_resource_is_black(driver):
    width, height, picture = driver.device.picture()
    assert len(picture) == 4 * width * height
    create(driver)
    show(driver, 0, 0, 8, 4)
    assert driver.device.picture()[:2] == (8, 4)
    assert show(driver, 0, 0, 0, 0, id=0) == Answer.OK_NODATA
    assert driver.device.picture()[:2] == (1024, 768)
    show(driver, 0, 0, 8, 4)
    assert ask(driver, Command.RESOURCE_UNREF, 1, 0)[0] == Answer.OK_NODATA
    assert driver.device.picture()[:2] == (1024, 768)


def test_memory_for_pixels_is_used_again(driver):
    side = 2896  # 32 MiB
    assert [create(driver, i, side, side) for i in (1, 2)] == [Answer.OK_NODATA] * 2
    assert create(driver, 3, side, side) == Answer.OUT_OF_MEMORY
    ask(driver, Command.RESOURCE_UNREF, 1, 0)
    assert create(driver, 3, side, side) == Answer.OK_NODATA
    assert sorted(driver.device.pixels.start[:2]) == [0, 4 * side * side]


def test_there_are_64_resources(driver):
    assert {create(driver, i) for i in range(1, 65)} == {Answer.OK_NODATA}
    assert create(driver, 65) == Answer.OUT_OF_MEMORY


@pytest.mark.parametrize(
    ("make", "answer"),
    [
        (lambda d: create(d, 0), Answer.INVALID_RESOURCE_ID),
        (lambda d: create(d, 1), Answer.INVALID_RESOURCE_ID),
        (lambda d: create(d, 2, format=5), Answer.INVALID_PARAMETER),
        (lambda d: create(d, 2, width=0), Answer.INVALID_PARAMETER),
        (lambda d: create(d, 2, 2**31, 2**31), Answer.OUT_OF_MEMORY),
        (lambda d: create(d, 2, 2**32 - 1, 2**32 - 1), Answer.OUT_OF_MEMORY),
        (lambda d: ask(d, Command.RESOURCE_UNREF, 2, 0)[0], Answer.INVALID_RESOURCE_ID),
        (lambda d: ask(d, Command.RESOURCE_UNREF, 0, 0)[0], Answer.INVALID_RESOURCE_ID),
        (lambda d: show(d, 0, 0, 9, 4), Answer.INVALID_PARAMETER),
        (lambda d: show(d, 2**32 - 1, 0, 2, 4), Answer.INVALID_PARAMETER),
        (lambda d: show(d, 0, 0, 0, 0), Answer.INVALID_PARAMETER),
        (lambda d: show(d, 0, 0, 8, 4, screen=1), Answer.INVALID_SCANOUT_ID),
        (lambda d: show(d, 0, 0, 8, 4, id=3), Answer.INVALID_RESOURCE_ID),
        (lambda d: attach(d, [(BASE, 16)], id=2), Answer.INVALID_RESOURCE_ID),
        (lambda d: attach(d, [], id=7), Answer.INVALID_PARAMETER),
        (lambda d: attach(d, [(BASE + SIZE, 16)], id=7), Answer.INVALID_PARAMETER),
        (lambda d: attach(d, [(BASE, 16)]), Answer.INVALID_PARAMETER),
        (lambda d: ask(d, Command.RESOURCE_ATTACH_BACKING, 7, 2**32 - 1)[0], Answer.INVALID_PARAMETER),
        (lambda d: ask(d, Command.RESOURCE_DETACH_BACKING, 9, 0)[0], Answer.INVALID_RESOURCE_ID),
        (lambda d: transfer(d, 0, 0, 8, 4, offset=1), Answer.INVALID_PARAMETER),
        (lambda d: transfer(d, 0, 0, 8, 4, offset=2**64 - 1), Answer.INVALID_PARAMETER),
        (lambda d: transfer(d, 1, 0, 8, 4), Answer.INVALID_PARAMETER),
        (lambda d: transfer(d, 0, 0, 8, 4, id=5), Answer.INVALID_RESOURCE_ID),
        (lambda d: transfer(d, 0, 0, 0, 0, offset=2**64 - 1), Answer.OK_NODATA),
        (lambda d: ask(d, Command.RESOURCE_FLUSH, 0, 0, 9, 4, 1, 0)[0], Answer.INVALID_PARAMETER),
        (lambda d: ask(d, 0x0200)[0], Answer.UNSPEC),
        (lambda d: ask(d, Command.RESOURCE_CREATE_2D)[0], Answer.INVALID_RESOURCE_ID),
    ],
)
def test_what_cannot_be_is_answered_with_an_error(driver, make, answer):
    create(driver)
    create(driver, 7)
    attach(driver, [(driver.buffer(bytes(128))[0], 128)])
    assert make(driver) == answer
    assert not driver.broken


def test_detached_memory_is_not_copied(driver):
    create(driver)
    attach(driver, [(driver.buffer(b"x" * 128)[0], 128)])
    assert ask(driver, Command.RESOURCE_DETACH_BACKING, 1, 0)[0] == Answer.OK_NODATA
    assert transfer(driver, 0, 0, 8, 4) == Answer.INVALID_PARAMETER
    assert attach(driver, [(BASE, 128)]) == Answer.OK_NODATA


def test_the_cursor_is_remembered(driver):
    create(driver, 5)
    assert ask(driver, Command.UPDATE_CURSOR, 0, 10, 20, 0, 5, 1, 2, 0, queue=CURSOR)[0] == Answer.OK_NODATA
    assert ask(driver, Command.MOVE_CURSOR, 0, 30, 40, 0, 0, 0, 0, 0, queue=CURSOR)[0] == Answer.OK_NODATA
    gpu = driver.device
    assert (gpu.cursor, gpu.cursor_x, gpu.cursor_y, gpu.hot_x, gpu.hot_y) == (5, 30, 40, 1, 2)
    assert ask(driver, Command.UPDATE_CURSOR, 0, 0, 0, 0, 6, 0, 0, 0, queue=CURSOR)[0] == Answer.INVALID_RESOURCE_ID


def test_a_request_without_a_whole_header_breaks_the_queue(driver):
    driver.send([driver.buffer(bytes(23)), driver.space(24)])
    assert driver.broken


def test_a_response_may_find_no_room(driver):
    driver.send([driver.buffer(struct.pack("<6I", Command.GET_DISPLAY_INFO, 0, 0, 0, 0, 0)), driver.space(30)])
    assert driver.back(CONTROL) == [(0, 30)]


def test_much_copying_lets_the_host_look_in_between(engine):
    if engine == "golden":
        pytest.skip("copies 64 MiB")
    driver = Driver(bench(GpuBed, engine))
    create(driver, 1, 4096, 4000)
    assert attach(driver, [(BASE, SIZE)] * 63) == Answer.OK_NODATA
    request = struct.pack("<IIQII4IQII", Command.TRANSFER_TO_HOST_2D, 0, 0, 0, 0, 0, 0, 4096, 4000, 0, 1, 0)
    text, response = driver.buffer(request), driver.space(24)
    driver.back(CONTROL)
    for i in range(3):
        driver.offer([text, response], first=2 * i)
    driver.kick()
    assert driver.device.calls
    assert len(driver.back(CONTROL)) == 2
    driver.bed.resume()
    assert not driver.device.calls
    assert len(driver.back(CONTROL)) == 1
