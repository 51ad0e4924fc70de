"""Every test of a machine that asks for `kit` runs on every computer."""

from __future__ import annotations

import pytest

from tests.machine.kits import KITS


@pytest.fixture(params=KITS, ids=lambda kit: kit.name)
def kit(request):
    return request.param
