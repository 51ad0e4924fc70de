"""What the tests of the language share."""

from __future__ import annotations

import pytest

from softmetal.testing import ENGINES


@pytest.fixture(params=ENGINES)
def engine(request):
    """The name of an engine for chips: golden, native."""
    return request.param


@pytest.fixture(scope="session", autouse=True)
def _cache_of_its_own(tmp_path_factory):
    """Compiled code of the tests goes nowhere near the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTMETAL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
