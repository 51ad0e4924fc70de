"""Every virtio test runs on both engines."""

import pytest

from softmetal.testing.bench import ENGINES


@pytest.fixture(params=ENGINES)
def engine(request):
    return request.param
