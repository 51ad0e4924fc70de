"""What the tests of the language share."""

from __future__ import annotations

import pytest

from softmetal.testing import ENGINES


@pytest.fixture(params=ENGINES)
def engine(request):
    """The name of an engine for chips: golden, native."""
    return request.param


@pytest.fixture(scope="package", autouse=True)
def _cache_of_its_own(tmp_path_factory):
    """Compiled code of the language's tests goes nowhere near the user's; that of other tests is in there, and is found."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTMETAL_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        yield
