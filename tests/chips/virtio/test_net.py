"""The network device: frames out, frames in over one buffer or many, full rings, what is dropped."""

import pytest

from softmetal.chips.virtio.mmio import COMMON, Register, Status
from softmetal.chips.virtio.net import F_MAC, F_MRG_RXBUF, F_STATUS, LARGEST, VirtioNet
from softmetal.lang import u1
from softmetal.testing.bench import bench

from .bed import Bed, Driver

RECEIVE, TRANSMIT = 0, 1
PLAIN = bytes(10)


class NetBed(Bed):
    device: VirtioNet

    def poll(self) -> None:
        self.device.poll(self)

    def resume(self) -> None:
        self.device.resume(self)

    def set_link(self, up: u1) -> None:
        self.device.set_link(up)


@pytest.fixture
def bed(engine):
    made = bench(NetBed, engine)
    made.chip.device.mac[:] = bytes.fromhex("525400123456")
    made.chip.device.offload = 1
    yield made
    assert made.chip.stray == 0


@pytest.fixture
def driver(bed):
    return Driver(bed)


def frame(size, seed=1):
    return bytes((i * 37 + seed) & 0xFF for i in range(size))


def receive(driver, record):
    assert driver.device.feed(record)
    driver.bed.poll()


def test_the_configuration_holds_the_address_and_the_link(driver):
    assert bytes(driver.get(Register.CONFIG + i, 1) for i in range(6)).hex() == "525400123456"
    assert driver.get(Register.CONFIG + 6, 2) == 1
    driver.bed.set_link(0)
    assert driver.get(Register.CONFIG + 6, 2) == 0
    assert driver.get(Register.INTERRUPT_STATUS) == 2


def test_a_frame_goes_out_with_its_header(driver):
    header = bytes(range(10))
    driver.send([driver.buffer(header + b"\0\0"), driver.buffer(frame(61)), driver.buffer(frame(1400))], TRANSMIT)
    assert driver.device.frames() == [header + frame(61) + frame(1400)]
    assert driver.back(TRANSMIT) == [(0, 0)]


def test_the_header_says_nothing_where_nothing_was_agreed(bed):
    driver = Driver(bed, COMMON | 1 << F_MAC)
    driver.send([driver.buffer(b"\xff" * 8 + bytes(4) + frame(60))], TRANSMIT)
    assert driver.device.frames() == [PLAIN + frame(60)]


def test_without_offload_none_is_offered(engine):
    assert Driver(bench(NetBed, engine)).offered() == COMMON | 1 << F_MAC | 1 << F_STATUS | 1 << F_MRG_RXBUF


@pytest.mark.parametrize("segments", [[1600], [12, 1514], [5, 6, 3, 700, 900]])
def test_a_frame_comes_in(driver, segments):
    spaces = [driver.space(n) for n in segments]
    driver.send(spaces, RECEIVE)
    assert driver.back(RECEIVE) == []
    receive(driver, PLAIN + frame(1001))
    assert driver.back(RECEIVE) == [(0, 1013)]
    assert b"".join(map(driver.content, spaces))[:1013] == PLAIN + b"\1\0" + frame(1001)


def test_a_long_record_is_spread_over_buffers(driver):
    spaces = [driver.space(1000) for _ in range(8)]
    for i, space in enumerate(spaces):
        driver.offer([space], RECEIVE, first=i)
    receive(driver, PLAIN + frame(5000))
    assert driver.back(RECEIVE) == [*((i, 1000) for i in range(5)), (5, 12)]
    text = b"".join(map(driver.content, spaces))
    assert text[:5012] == PLAIN + b"\6\0" + frame(5000)


def test_a_record_waits_until_there_are_buffers_for_all_of_it(driver):
    spaces = [driver.space(600) for _ in range(3)]
    for i in (0, 1):
        driver.offer([spaces[i]], RECEIVE, first=i)
    receive(driver, PLAIN + frame(1500))
    assert driver.back(RECEIVE) == []
    assert not driver.device.irq
    driver.send([spaces[2]], RECEIVE, first=2)
    assert [n for _, n in driver.back(RECEIVE)] == [600, 600, 312]
    assert b"".join(map(driver.content, spaces))[12:1512] == frame(1500)


def test_a_record_that_no_buffers_can_hold_is_dropped(driver):
    for i in range(16):
        driver.offer([driver.space(20)], RECEIVE, first=i)
    receive(driver, PLAIN + frame(400))
    assert driver.back(RECEIVE) == []
    assert driver.device.dropped == 1
    receive(driver, PLAIN + frame(28))
    assert driver.back(RECEIVE) == [(0, 20), (1, 20)]


def test_without_merging_a_record_has_one_buffer(bed):
    driver = Driver(bed, COMMON | 1 << F_MAC)
    spaces = [driver.space(100), driver.space(100)]
    for i in (0, 1):
        driver.offer([spaces[i]], RECEIVE, first=i)
    receive(driver, PLAIN + frame(89))
    receive(driver, PLAIN + frame(88))
    assert driver.back(RECEIVE) == [(0, 100)]
    assert driver.content(spaces[0]) == PLAIN + b"\1\0" + frame(88)
    assert driver.device.dropped == 1


def test_a_buffer_too_small_for_a_header_breaks_the_queue(driver):
    driver.send([driver.space(11)], RECEIVE)
    receive(driver, PLAIN + frame(60))
    assert driver.broken


def test_the_largest_record_passes_both_ways(driver):
    text = frame(LARGEST - 10)
    driver.send([driver.buffer(PLAIN + b"\0\0"), driver.buffer(text)], TRANSMIT)
    [record] = driver.device.frames()
    assert record == PLAIN + text
    space = driver.space(LARGEST + 2)
    driver.send([space], RECEIVE)
    receive(driver, record)
    assert driver.content(space) == PLAIN + b"\1\0" + text


@pytest.mark.parametrize("size", [0, 11, LARGEST + 3])
def test_a_frame_that_cannot_be_is_dropped(driver, size):
    driver.send([driver.buffer(bytes(size))], TRANSMIT)
    assert driver.device.frames() == []
    assert driver.back(TRANSMIT) == [(0, 0)]
    assert driver.device.dropped == 1


def test_a_full_ring_calls_the_host_and_nothing_is_lost(driver):
    long = driver.buffer(PLAIN + b"\0\0" + frame(65000))
    for i in range(16):
        driver.offer([long], TRANSMIT, first=i)
    driver.kick(TRANSMIT)
    assert not driver.device.calls
    driver.send([driver.buffer(PLAIN + b"\0\0" + frame(50, 9))], TRANSMIT)
    driver.send([long], TRANSMIT, first=1)
    assert driver.device.calls
    first = driver.device.frames()
    driver.bed.resume()
    assert not driver.device.calls
    second = driver.device.frames()
    assert [len(f) for f in first + second] == [65010] * 16 + [60, 65010]
    assert second == [PLAIN + frame(65000)]


def test_records_go_round_the_ring(driver):
    space = driver.space(70000)
    for i in range(40):
        driver.send([space], RECEIVE)
        text = frame(60000 + i, i)
        receive(driver, PLAIN + text)
        assert driver.back(RECEIVE) == [(0, len(text) + 12)]
        assert driver.content(space)[12 : 12 + len(text)] == text


def test_a_full_ring_takes_no_more_from_outside(driver):
    count = 0
    while driver.device.feed(PLAIN + frame(1500)):
        count += 1
    assert count == (1 << 20) // 1520
    with pytest.raises(ValueError, match="a record of 9 bytes; it has 10"):
        driver.device.feed(bytes(9))


def test_a_long_segment_is_for_drivers_that_asked_for_them(bed):
    driver = Driver(bed, COMMON | 1 << F_MRG_RXBUF)
    driver.send([driver.space(2000)], RECEIVE)
    receive(driver, b"\0\1" + bytes(8) + frame(1000))
    assert driver.device.dropped == 1
    assert driver.back(RECEIVE) == []


def test_a_checksum_that_was_left_out_is_made_for_a_driver_that_needs_it(bed):
    driver = Driver(bed, COMMON | 1 << F_MRG_RXBUF)
    space = driver.space(200)
    driver.send([space], RECEIVE)
    record = b"\1\0" + bytes(4) + (14).to_bytes(2, "little") + (6).to_bytes(2, "little") + frame(75)
    receive(driver, record)
    text = driver.content(space)
    assert text[0] == 0
    made, start = text[12:87], frame(75)[20:22]  # the field holds the sum of what is not in the frame
    words = start + made[14:20] + made[20:] + b"\0"
    total = sum(int.from_bytes(words[i : i + 2], "big") for i in range(0, len(words), 2))
    assert total % 0xFFFF == 0


def test_a_driver_with_headers_of_another_length_is_not_agreed_with(bed):
    driver = Driver(bed, 1 << F_MAC)
    assert driver.get(Register.STATUS) == Status.ACKNOWLEDGE | Status.DRIVER


def test_the_features_are_those_of_the_specification(bed):
    """VIRTIO 5.1.3: CSUM 0, GUEST_CSUM 1, MAC 5, GUEST_TSO4 and 6 7 and 8, HOST_TSO4 and 6 11 and 12, MRG_RXBUF 15, STATUS 16."""
    always, offloads = {5, 15, 16}, {0, 1, 7, 8, 11, 12}
    for offload, bits in ((0, always), (1, always | offloads)):
        bed.chip.device.offload = offload
        assert Driver(bed).offered() & ~COMMON == sum(1 << bit for bit in bits)
