"""Wrong programs, each with the whole message that its author gets: where, what, and what to write instead.

A program of the folder `wrong` is the body of a chip class (after ====, if something stands before the class) with the
fields that `FIELDS` names; the message's file is written `chip.py`.
"""

from __future__ import annotations

import pytest

from softmetal.lang import HardwareError
from softmetal.lang.native import Native
from tests.lang.programs import define
from tests.lang.wrong import GROUPS, WRONG

HEAD = "from __future__ import annotations\nfrom softmetal.lang import *\n"
FIELDS = """\
    n: u8
    s: s8
    x: f64
    a: u8[6]
    ram: memory[64]
"""


def test_no_two_programs_have_one_name():
    assert len(WRONG) == sum(len(group.WRONG) for group in GROUPS)


@pytest.mark.parametrize("name", WRONG)
def test_the_message_says_where_what_and_what_to_write_instead(name):
    body, expected = WRONG[name]
    before, _, inside = body.rpartition("====\n")
    gap = "\n\n\n" if before else "\n\n"
    text = f"{HEAD}{before.strip()}{gap}class Main(Chip):\n{FIELDS}{inside}"
    made = define(text, "wrong_" + "".join(c if c.isalnum() else "_" for c in name))
    with pytest.raises(HardwareError) as caught:
        Native(made.Main)
    assert str(caught.value).replace(made.__file__, "chip.py") == expected.rstrip("\n")


def test_a_class_without_source_says_so():
    scope = {}
    exec("from softmetal.lang import Chip, u8\nclass Main(Chip):\n    def f(self) -> u8:\n        return 1\n", scope)
    with pytest.raises(TypeError, match=r"no source for Main\.f: hardware Python must come from a file"):
        Native(scope["Main"])
