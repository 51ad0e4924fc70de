"""The transport: registers, the handshake of status and features, queues that are wrong, interrupts."""

import pytest

from softmetal.chips.device import Dma
from softmetal.chips.virtio.mmio import EVENT_IDX, INDIRECT_DESC, VERSION_1, Register, Status, VirtioDevice
from softmetal.chips.virtio.queue import INDIRECT, NEXT, WRITE, Chain
from softmetal.lang import u1, u32
from softmetal.testing.bench import bench

from .bed import BASE, SIZE, Bed, Driver


class Echo(VirtioDevice):
    """Gives each chain back, with its first readable byte in its first writable one."""

    DEVICE_ID = 42
    QUEUES = 2
    CONFIG_WORDS = 3
    FEATURES = 1 << 3

    chain: Chain

    def config_word(self, index: u32) -> u32:
        return 0x44332211 + index

    def notify(self, bus: Dma, queue: u1) -> None:
        while self.take(bus, queue, self.chain):
            self.chain.put(bus, self.chain.get(bus, 1), 1)
            self.give(bus, queue, self.chain, 1)
        self.publish(bus, queue)


class EchoBed(Bed):
    device: Echo

    def change(self) -> None:
        self.device.changed()


@pytest.fixture
def bed(engine):
    made = bench(EchoBed, engine)
    yield made
    assert made.chip.stray == 0


@pytest.fixture
def driver(bed):
    return Driver(bed)


def entry(address=BASE + 0x8000, length=4, flags=0, follows=0):
    return b"".join(v.to_bytes(n, "little") for v, n in ((address, 8), (length, 4), (flags, 2), (follows, 2)))


def test_a_place_without_a_device_has_identity_zero(bed):
    assert bed.load(Register.MAGIC, 4) == int.from_bytes(b"virt", "little")
    assert bed.load(Register.VERSION, 4) == 2
    assert bed.load(Register.DEVICE_ID, 4) == 0
    assert not bed.chip.device.unmodelled
    assert bed.load(Register.STATUS, 4) == 0
    assert bed.chip.device.unmodelled


def test_the_handshake_ends_in_driver_ok(driver):
    assert driver.get(Register.DEVICE_ID) == 42
    assert driver.offered() == 1 << 3 | 1 << INDIRECT_DESC | 1 << EVENT_IDX | 1 << VERSION_1
    assert driver.get(Register.STATUS) == 15
    assert not driver.device.unmodelled


@pytest.mark.parametrize("features", [0, 1 << 3])
def test_a_driver_that_does_not_know_version_1_is_agreed_with(bed, features):
    driver = Driver(bed, features)
    assert driver.get(Register.STATUS) == 15
    driver.send([driver.buffer(b"x"), driver.space(1)])
    assert driver.back() == [(0, 1)]


def test_the_vendor_is_the_one_that_guests_of_the_machine_look_for(driver):
    assert driver.get(Register.VENDOR_ID).to_bytes(4, "little") == b"QEMU"


@pytest.mark.parametrize("features", [1 << VERSION_1 | 1 << 4, 1 << 4])
def test_features_that_were_not_offered_are_not_agreed_to(bed, features):
    driver = Driver(bed, features)
    assert driver.get(Register.STATUS) == Status.ACKNOWLEDGE | Status.DRIVER
    driver.send([driver.buffer(b"x"), driver.space(1)])
    assert driver.back() == []


def test_there_are_no_features_above_the_first_64(driver):
    driver.set(Register.DEVICE_FEATURES_SEL, 2)
    assert driver.get(Register.DEVICE_FEATURES) == 0
    driver.set(Register.DRIVER_FEATURES_SEL, 2)
    driver.set(Register.DRIVER_FEATURES, 0)
    assert not driver.device.unmodelled


def test_features_stay_once_agreed_to(driver):
    driver.set(Register.DRIVER_FEATURES_SEL, 0)
    driver.set(Register.DRIVER_FEATURES, 0)
    assert driver.device.driver_features == driver.features


@pytest.mark.parametrize(
    ("offset", "size", "value"),
    [(0, 4, 0x44332211), (1, 1, 0x22), (2, 2, 0x4433), (3, 4, 0x33221244), (0, 8, 0x44332212_44332211), (11, 1, 0x44)],
)
def test_the_configuration_is_read_at_any_offset_and_size(driver, offset, size, value):
    assert driver.get(Register.CONFIG + offset, size) == value
    assert not driver.device.unmodelled


@pytest.mark.parametrize(("offset", "size"), [(12, 4), (10, 4), (0, 0), (0, 15), (0xFFFFFE00, 8)])
def test_beyond_the_configuration_is_unmodelled(driver, offset, size):
    driver.bed.load(Register.CONFIG + offset, size)
    assert driver.device.unmodelled


@pytest.mark.parametrize("size", [1, 2, 8])
def test_registers_are_words(driver, size):
    assert driver.get(Register.MAGIC, size) == 0
    assert driver.device.unmodelled
    driver.device.unmodelled = 0
    driver.set(Register.STATUS, 0, size)
    assert driver.device.unmodelled
    assert driver.get(Register.STATUS) == 15


def test_a_change_of_the_configuration_is_told(driver):
    driver.bed.change()
    assert driver.get(Register.CONFIG_GENERATION) == 1
    assert driver.get(Register.INTERRUPT_STATUS) == 2
    assert driver.device.irq


@pytest.mark.parametrize("queue", [0, 1])
@pytest.mark.parametrize("indirect", [False, True])
def test_a_chain_comes_back_with_an_interrupt(driver, queue, indirect):
    space = driver.space(2)
    driver.send([driver.buffer(b"q"), space], queue, first=3, indirect=indirect)
    assert driver.back(queue) == [(3, 1)]
    assert driver.content(space) == b"q\0"
    assert driver.get(Register.INTERRUPT_STATUS) == 1
    driver.set(Register.INTERRUPT_ACK, 1)
    assert not driver.device.irq


def test_direct_descriptors_may_lead_to_an_indirect_table(driver):
    space = driver.space(2)
    address, length, _ = driver.buffer(driver.describe([space]))
    driver.send([driver.buffer(b"q"), (address, length, INDIRECT)])
    assert driver.content(space) == b"q\0"


def test_empty_segments_are_passed_over(driver):
    space = driver.space(2)
    driver.send([(0, 0, 0), driver.buffer(b"q"), (0, 0, 0), (0, 0, WRITE), space])
    assert driver.content(space) == b"q\0"


def test_the_rings_go_round(driver):
    for i in range(40):
        space = driver.space(1)
        driver.send([driver.buffer(bytes([i])), space], first=i % 14)
        assert driver.back() == [(i % 14, 1)]
        assert driver.content(space) == bytes([i])


def test_without_event_indexes_a_flag_holds_interrupts_back(bed):
    driver = Driver(bed, 1 << VERSION_1)
    driver.poke(driver.avail(0), b"\1")
    driver.send([driver.buffer(b"q"), driver.space(1)])
    assert len(driver.back()) == 1
    assert not bed.chip.device.irq
    driver.poke(driver.avail(0), b"\0")
    driver.send([driver.buffer(b"q"), driver.space(1)])
    assert bed.chip.device.irq


def test_with_event_indexes_the_interrupt_comes_when_the_index_is_passed(driver):
    driver.poke(driver.avail(0) + 4 + 2 * driver.size, (3).to_bytes(2, "little"))
    for irq in (0, 0, 0, 1):
        driver.send([driver.buffer(b"q"), driver.space(1)])
        assert driver.device.irq == irq
    driver.set(Register.INTERRUPT_ACK, 1)
    driver.send([driver.buffer(b"q"), driver.space(1)])
    assert not driver.device.irq


def test_the_device_asks_to_be_told_of_the_next_chain(driver):
    for i in range(1, 4):
        driver.send([driver.buffer(b"q"), driver.space(1)])
        assert driver.peek(driver.used(0) + 4 + 8 * driver.size, 2) == bytes([i, 0])


def test_reset_forgets_all(driver):
    driver.send([driver.buffer(b"q"), driver.space(1)])
    driver.set(Register.STATUS, 0)
    assert not driver.device.irq
    assert driver.get(Register.STATUS) == 0
    assert driver.get(Register.QUEUE_READY) == 0
    assert driver.device.driver_features == 0
    driver.set(Register.QUEUE_NOTIFY, 0)
    again = Driver(driver.bed)
    again.poke(again.avail(0), bytes(64))
    again.send([again.buffer(b"q"), again.space(1)])
    assert not again.broken


def test_a_queue_that_is_not_ready_or_not_there_is_not_looked_at(driver):
    driver.set(Register.QUEUE_SEL, 0)
    driver.set(Register.QUEUE_READY, 0)
    driver.send([driver.buffer(b"q"), driver.space(1)])
    driver.kick(2)
    driver.kick(0xFFFFFFFF)
    assert driver.back() == []
    assert not driver.broken


def test_a_ready_queue_stays_as_it_is(driver):
    driver.set(Register.QUEUE_SEL, 1)
    driver.set(Register.QUEUE_NUM, 3)
    driver.set(Register.QUEUE_DESC_HIGH, 1)
    space = driver.space(1)
    driver.send([driver.buffer(b"q"), space], 1)
    assert driver.content(space) == b"q"


@pytest.mark.parametrize(
    "wrong",
    [
        {"QUEUE_NUM": 0}, {"QUEUE_NUM": 3}, {"QUEUE_NUM": 512}, {"QUEUE_NUM": 0x10010},
        {"QUEUE_DESC_LOW": BASE + 8}, {"QUEUE_DRIVER_LOW": BASE + 1}, {"QUEUE_DEVICE_LOW": BASE + 2},
        {"QUEUE_DESC_LOW": BASE - 16}, {"QUEUE_DRIVER_LOW": 0}, {"QUEUE_DEVICE_LOW": BASE + SIZE - 16 * 8},
        {"QUEUE_DESC_HIGH": 1}, {"QUEUE_DRIVER_HIGH": 0xFFFFFFFF}, {"QUEUE_DEVICE_HIGH": 1},
        {"QUEUE_DESC_LOW": 0xFFFFFFF0, "QUEUE_DESC_HIGH": 0xFFFFFFFF},
    ],
)  # fmt: skip
def test_a_queue_that_cannot_be_is_refused(driver, wrong):
    driver.set(Register.QUEUE_SEL, 0)
    driver.set(Register.QUEUE_READY, 0)
    driver.make(0, **wrong)
    assert driver.get(Register.QUEUE_READY) == 0
    assert driver.broken
    assert driver.get(Register.INTERRUPT_STATUS) == 2


FAR = BASE + SIZE - 1


@pytest.mark.parametrize(
    "chain",
    [
        {0: entry(flags=NEXT, follows=0)},
        {0: entry(flags=NEXT, follows=1), 1: entry(flags=NEXT, follows=0)},
        {0: entry(length=0, flags=NEXT, follows=0)},
        {0: entry(flags=NEXT, follows=16)},
        {0: entry(address=FAR, length=2)},
        {0: entry(address=0)},
        {0: entry(address=2**64 - 1, length=2)},
        {0: entry(length=2**32 - 1)},
        {0: entry(flags=NEXT | WRITE, follows=1), 1: entry()},
        {0: entry(flags=INDIRECT, length=8)},
        {0: entry(flags=INDIRECT, length=0)},
        {0: entry(flags=INDIRECT, length=2**32 - 16)},
        {0: entry(flags=INDIRECT, length=16, address=FAR)},
        {0: entry(flags=INDIRECT | NEXT, length=16, follows=1), 1: entry()},
        {0: entry(flags=INDIRECT, length=16, address=BASE)},
        {0: entry(flags=INDIRECT, length=17, address=BASE + 64), 4: entry()},
        {
            0: entry(flags=INDIRECT, length=16, address=BASE + 64),
            4: entry(flags=INDIRECT, length=16, address=BASE + 80),
            5: entry(),
        },
    ],
)
def test_a_chain_that_cannot_be_ends_the_device_until_it_is_reset(driver, chain):
    for index, text in chain.items():
        driver.poke(driver.desc(0) + 16 * index, text)
    driver.offer_head(0)
    driver.kick()
    assert driver.broken
    assert driver.get(Register.INTERRUPT_STATUS) == 2
    driver.send([driver.buffer(b"q"), driver.space(1)], 1)
    assert driver.back(0) == driver.back(1) == []
    again = Driver(driver.bed)
    assert again.get(Register.STATUS) == 15


def test_an_indirect_table_needs_the_feature(bed):
    driver = Driver(bed, 1 << VERSION_1)
    driver.send([driver.buffer(b"q")], indirect=True)
    assert driver.broken


def test_a_head_outside_the_table_breaks_the_queue(driver):
    driver.offer_head(16)
    driver.kick()
    assert driver.broken


def test_an_index_that_jumps_breaks_the_queue(driver):
    driver.poke(driver.avail(0) + 2, (17).to_bytes(2, "little"))
    driver.kick()
    assert driver.broken


def test_a_chain_longer_than_any_queue_breaks_the_queue(driver):
    part = driver.space(1)
    address, length, _ = driver.buffer(driver.describe([part] * 257))
    driver.send([(address, length, INDIRECT)])
    assert driver.broken


def test_each_register_is_where_the_specification_puts_it():
    """VIRTIO 4.2.2, table "MMIO Device Register Layout"."""
    assert {register.name: int(register) for register in Register} == {
        "MAGIC": 0x000, "VERSION": 0x004, "DEVICE_ID": 0x008, "VENDOR_ID": 0x00C, "DEVICE_FEATURES": 0x010,
        "DEVICE_FEATURES_SEL": 0x014, "DRIVER_FEATURES": 0x020, "DRIVER_FEATURES_SEL": 0x024, "QUEUE_SEL": 0x030,
        "QUEUE_NUM_MAX": 0x034, "QUEUE_NUM": 0x038, "QUEUE_READY": 0x044, "QUEUE_NOTIFY": 0x050, "INTERRUPT_STATUS": 0x060,
        "INTERRUPT_ACK": 0x064, "STATUS": 0x070, "QUEUE_DESC_LOW": 0x080, "QUEUE_DESC_HIGH": 0x084, "QUEUE_DRIVER_LOW": 0x090,
        "QUEUE_DRIVER_HIGH": 0x094, "QUEUE_DEVICE_LOW": 0x0A0, "QUEUE_DEVICE_HIGH": 0x0A4, "SHM_SEL": 0x0AC,
        "SHM_LEN_LOW": 0x0B0, "SHM_LEN_HIGH": 0x0B4, "SHM_BASE_LOW": 0x0B8, "SHM_BASE_HIGH": 0x0BC, "CONFIG_GENERATION": 0x0FC,
        "CONFIG": 0x100,
    }  # fmt: skip
    assert {status.name: int(status) for status in Status} == {
        "ACKNOWLEDGE": 1, "DRIVER": 2, "DRIVER_OK": 4, "FEATURES_OK": 8, "NEEDS_RESET": 64, "FAILED": 128,
    }  # fmt: skip
    assert (INDIRECT_DESC, EVENT_IDX, VERSION_1) == (28, 29, 32)


@pytest.mark.parametrize("part", ["DESC", "DRIVER", "DEVICE"])
@pytest.mark.parametrize("beyond", [False, True])
def test_a_ring_may_end_where_memory_does_and_not_behind_it(driver, part, beyond):
    """VIRTIO 2.7: descriptors take 16 bytes each, the available ring 6 + 2 each, the used ring 6 + 8 each."""
    size, align = {"DESC": (16 * 16, 16), "DRIVER": (6 + 2 * 16, 2), "DEVICE": (6 + 8 * 16, 4)}[part]
    last = (BASE + SIZE - size) // align * align
    driver.set(Register.QUEUE_SEL, 0)
    driver.set(Register.QUEUE_READY, 0)
    driver.make(0, **{f"QUEUE_{part}_LOW": last + align * beyond})
    assert driver.broken == beyond


@pytest.mark.parametrize("part", ["DESC", "DRIVER", "DEVICE"])
def test_the_high_half_of_a_ring_s_address_counts(driver, part):
    driver.set(Register.QUEUE_SEL, 0)
    driver.set(Register.QUEUE_READY, 0)
    driver.make(0, **{f"QUEUE_{part}_HIGH": 1})
    assert driver.broken


@pytest.mark.parametrize("part", ["DESC", "DRIVER", "DEVICE"])
@pytest.mark.parametrize("order", [("LOW", "HIGH"), ("HIGH", "LOW")])
def test_an_address_is_set_by_halves_in_any_order_and_again(driver, part, order):
    driver.set(Register.QUEUE_SEL, 0)
    driver.set(Register.QUEUE_READY, 0)
    for value in (0xFFFF_FFFF_FFFF_FFFF, 0x1234_5678_9ABC_DEF0):
        for half in order:
            driver.set(Register[f"QUEUE_{part}_{half}"], value & 0xFFFF_FFFF if half == "LOW" else value >> 32)
        assert getattr(driver.device.queues[0], part.lower()) == value
