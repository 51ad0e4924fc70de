"""Chips that are chosen when running. Each: a program and its message, as in `test_errors`."""

CLASSES = """\
class Device(Chip):
    irq: u1
    def read(self, offset: u8) -> u8:
        return offset
class Disk(Device):
    size: u8
    KIND = 2
    def read(self, offset: u8) -> u8:
        return self.size
class Net(Device):
    KIND = 3
    def read(self, offset: u4) -> u8:
        return 1
class Timer(Chip):
    count: u8
====
    disks: Disk[3]
    net: Net
    timer: Timer
"""

WRONG = {
    "index among chips": (CLASSES + """\
    def f(self, i: u2) -> u1:
        return (self.disks[0], self.disks[1], self.net)[i].irq
""", """\
chip.py:30:57: error: index i (0..3) can leave these chips, 0..2
            return (self.disks[0], self.disks[1], self.net)[i].irq
                                                            ^
  write instead: if i < 3: around it
"""),
    "a number among chips": (CLASSES + """\
    def f(self, i: u1) -> u1:
        return (self.net, self.n)[i].irq
""", """\
chip.py:30:27: error: an integer is among chips
            return (self.net, self.n)[i].irq
                              ^~~~~~
  write instead: a chip
"""),
    "chips with nothing in common": (CLASSES + """\
    def f(self) -> u1:
        device = self.net if self.n else self.timer
        return device.irq
""", """\
chip.py:30:18: error: Net and Timer have no class of chips in common
            device = self.net if self.n else self.timer
                     ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
  write instead: chips of one class, or of classes derived from one
"""),
    "a field of one of the classes only": (CLASSES + """\
    def f(self) -> u8:
        device = self.net if self.n else self.disks[0]
        return device.size
""", """\
chip.py:31:16: error: Device, which is all that is known of this chip, has no field or method 'size'
            return device.size
                   ^~~~~~~~~~~
  write instead: a field the class annotates
"""),
    "methods that differ in their parameters": (CLASSES + """\
    def f(self, i: u1) -> u8:
        return (self.net, self.disks[2])[i].read(9)
""", """\
chip.py:30:16: error: read() of Net has other parameters or results than that of Disk
            return (self.net, self.disks[2])[i].read(9)
                   ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
  write instead: the same for all classes derived from Device
"""),
    "a field that lies elsewhere": ("""\
class Device(Chip):
    irq: u1
    count: u8
class Disk(Device):
    irq: u64
====
    disk: Disk
    plain: Device
    def f(self, i: u1) -> u8:
        return (self.disk, self.plain)[i].count
""", """\
chip.py:19:16: error: count lies elsewhere in Disk than in Device
            return (self.disk, self.plain)[i].count
                   ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
  write instead: one field count, in Device
"""),
    "the board among its chips": ("""\
class Device(Chip):
    irq: u1
====
    net: Device
    def f(self) -> u8:
        chip = self.net if self.n else self
        return chip.irq
""", """\
chip.py:15:16: error: Main is the board itself, which is not chosen when running
            chip = self.net if self.n else self
                   ^~~~~~~~~~~~~~~~~~~~~~~~~~~~
  write instead: a chip in it
"""),
    "a chip and a number in one variable": (CLASSES + """\
    def f(self) -> u8:
        v = self.net
        v = 3
        return v
""", """\
chip.py:31:9: error: 'v' is a number here and a chip there
            v = 3
            ^
  write instead: two names
"""),
    "a number and a chip in one variable": (CLASSES + """\
    def f(self) -> u8:
        v = 3
        if self.n:
            v = self.net
        return 1
""", """\
chip.py:32:13: error: 'v' is a number here and a chip there
                v = self.net
                ^
  write instead: two names
"""),
    "a chip for a variable of another class": (CLASSES + """\
    def f(self) -> u8:
        disk: Disk = self.net
        return disk.size
""", """\
chip.py:30:9: error: disk is a Disk, the chip Net is given
            disk: Disk = self.net
            ^~~~
  write instead: a chip of class Disk
"""),
    "a number for a variable that is a chip": (CLASSES + """\
    def f(self) -> u8:
        disk: Disk = self.n
        return 1
""", """\
chip.py:30:22: error: disk is a Disk, an integer is given
            disk: Disk = self.n
                         ^~~~~~
  write instead: a chip of class Disk
"""),
    "a chip for a variable that is a number": (CLASSES + """\
    def f(self) -> u8:
        disk: u8 = self.net
        return disk
""", """\
chip.py:30:9: error: disk is a u8, the chip Net is given
            disk: u8 = self.net
            ^~~~
  write instead: one of its fields
"""),
    "a chip stored in a field": (CLASSES + """\
    def f(self) -> None:
        self.n = self.net
""", """\
chip.py:30:18: error: the chip Net is used as a number
            self.n = self.net
                     ^~~~~~~~
  write instead: one of the chip's fields
"""),
    "a chip as a condition": (CLASSES + """\
    def f(self) -> u8:
        device = self.net if self.n else self.disks[1]
        return 1 if device else 2
""", """\
chip.py:31:21: error: the chip Device is used as a number
            return 1 if device else 2
                        ^~~~~~
  write instead: one of the chip's fields
"""),
    "a chip may not be set": (CLASSES + """\
    def f(self) -> u1:
        if self.n:
            device = self.net
        return device.irq
""", """\
chip.py:32:16: error: 'device' may not be set here
            return device.irq
                   ^~~~~~
  write instead: a value for device on every way that leads here
"""),
    "a chip returned for another": (CLASSES + """\
    def find(self) -> Disk:
        return self.net
    def f(self) -> u8:
        return self.find().size
""", """\
chip.py:30:16: error: the chip Net is returned, the result is a Disk
            return self.net
                   ^~~~~~~~
  write instead: a chip of class Disk
"""),
    "a number returned for a chip": (CLASSES + """\
    def find(self) -> Disk:
        return self.n
    def f(self) -> u8:
        return self.find().size
""", """\
chip.py:30:16: error: an integer is returned, the result is a Disk
            return self.n
                   ^~~~~~
  write instead: a chip of class Disk
"""),
    "a function that gives a chip, apart": (CLASSES + """\
    @noinline
    def find(self) -> Device:
        return self.net
    def f(self) -> u8:
        return self.find().irq
""", """\
chip.py:30:23: error: a function that gives a chip is not compiled apart
        def find(self) -> Device:
                          ^~~~~~
  write instead: no @cold, no @noinline
"""),
    "a chip given for another": (CLASSES + """\
    def size(self, disk: Disk) -> u8:
        return disk.size
    def f(self, i: u1) -> u8:
        return self.size((self.disks[0], self.net)[i])
""", """\
chip.py:32:16: error: disk is a Disk, Device is given
            return self.size((self.disks[0], self.net)[i])
                   ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
  write instead: a chip of class Disk
"""),
    "assign of chips of several classes": (CLASSES + """\
    def f(self, i: u1) -> None:
        (self.disks[0], self.net)[i].assign(self.net)
""", """\
chip.py:30:9: error: of which classes these chips are is known only when running
            (self.disks[0], self.net)[i].assign(self.net)
            ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
  write instead: chips of one class
"""),
    "a chip found behind other arguments": (CLASSES + """\
    def next(self) -> Device:
        self.n += 1
        return self.net
    def irq(self, n: u8, device: Device) -> u8:
        return n + device.irq
    def f(self) -> u8:
        return self.irq(self.n, self.next())
""", """\
chip.py:35:16: error: finding a chip behind other arguments has effects
            return self.irq(self.n, self.next())
                   ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~
  write instead: a variable for the chip, set before
"""),
    "a chip inside another at its start": ("""\
class Device(Chip):
    def get(self) -> u8:
        return 1
class Inner(Device):
    def get(self) -> u8:
        return 2
class Outer(Device):
    inner: Inner
====
    outer: Outer
    def f(self, i: u1) -> u8:
        return (self.outer, self.outer.inner)[i].get()
""", """\
chip.py:21:16: error: chips Outer and Inner begin at one place, one inside the other
            return (self.outer, self.outer.inner)[i].get()
                   ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
  write instead: a field before the one inside
"""),
    "super that differs": ("""\
class Base(Chip):
    def get(self) -> u8:
        return 1
class Left(Base):
    def get(self) -> u8:
        return super().get()
class Other(Base):
    def get(self) -> u8:
        return 2
class Both(Left, Other):
    v: u8
====
    left: Left
    both: Both
    def f(self, i: u1) -> u8:
        return (self.left, self.both)[i].get()
""", """\
chip.py:8:16: error: super().get() is not the same in all classes that this chip may be of
            return super().get()
                   ^~~~~~~~~~~~~
  write instead: one base for each class
"""),
    "chips that move on in a loop": ("""\
class Device(Chip):
    irq: u1
class Disk(Device):
    size: u8
====
    disk: Disk
    net: Device
    def f(self, n: u8) -> u1:
        a = self.net
        b = c = d = e = f = g = h = i = j = k = l = m = o = p = q = r = s = t = self.disk
        for v in range(n):
            t, s, r, q, p, o, m, l, k, j, i, h, g, f, e, d, c, b = s, r, q, p, o, m, l, k, j, i, h, g, f, e, d, c, b, a
        return t.irq
""", """\
chip.py:20:9: error: which chip 's' is cannot be found: it changes in this loop
            for v in range(n):
            ^~~~~~~~~~~~~~~~~~
  write instead: an index for the chip
"""),
    "a table that differs by class": ("""\
class Device(Chip):
    MASKS = (1, 2)
    BIG = -1
class Disk(Device):
    MASKS = (3, 4)
    BIG = 1 << 64
====
    disk: Disk
    plain: Device
    def f(self, i: u1) -> u8:
        return (self.disk, self.plain)[i].MASKS[1]
""", """\
chip.py:20:16: error: MASKS is a table that differs by the class of this chip
            return (self.disk, self.plain)[i].MASKS[1]
                   ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
  write instead: a method that reads it
"""),
    "a large constant that differs by class": ("""\
class Device(Chip):
    MASKS = (1, 2)
    BIG = -1
class Disk(Device):
    MASKS = (3, 4)
    BIG = 1 << 64
====
    disk: Disk
    plain: Device
    def f(self, i: u1) -> u8:
        return (self.disk, self.plain)[i].BIG
""", """\
chip.py:20:16: error: BIG differs by the class of this chip, and needs 66 bits; 64 is the most
            return (self.disk, self.plain)[i].BIG
                   ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
  write instead: a method that gives BIG
"""),
    "a table of a chip whose finding has effects": ("""\
class Cell(Chip):
    STEPS = (1, 2)
    v: u8
====
    cells: Cell[2]
    def g(self) -> u1:
        self.n += 1
        return self.n
    def f(self) -> u8:
        return self.cells[self.g()].STEPS[1]
""", """\
chip.py:19:16: error: finding this chip has effects
            return self.cells[self.g()].STEPS[1]
                   ^~~~~~~~~~~~~~~~~~~~~~~~~~
  write instead: Cell.STEPS, or a variable for the chip
"""),
}  # fmt: skip
