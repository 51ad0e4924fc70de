"""Public test tools: a chip on a bench, on any engine, and random traffic for it.

@pytest.fixture(params=ENGINES)
def cia(request):
    return bench(Mos6526, request.param)

def test_one_shot(cia):
    cia.write(CRA, 0x09)
    assert [cia.tick().irq for _ in range(5)] == [0, 0, 0, 1, 1]
"""

from softmetal.testing.bench import ENGINES, Bench, Played, bench
from softmetal.testing.traffic import Step, bus_traffic

__all__ = ["ENGINES", "Bench", "Played", "Step", "bench", "bus_traffic"]
