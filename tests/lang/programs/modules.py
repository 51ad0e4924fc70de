"""A module of random programs."""

from __future__ import annotations

import random

from tests.lang.programs.statements import Maker
from tests.lang.programs.world import AFTER_SUB, HEAD, make_world


def module(seeds: list[int]) -> str:
    """A module whose `Main` has a program for each seed, `p0`, `p1`..."""
    rng = random.Random(seeds[0])
    leaf, sub = make_world(rng, "Leaf", 1), make_world(rng, "Sub", 1)
    main = make_world(rng, "Main", 3)
    sub.subs["leaf"] = leaf
    main.subs["sub"] = sub
    main.sub_arrays["subs"] = (sub, rng.choice((1, 2, 3, 4)))
    main.sub_arrays["leaves"] = (leaf, rng.choice((2, 5)))
    lines = [HEAD, ""]
    for world in (leaf, sub):
        lines += world.text()
        for i in range(2):
            maker = Maker(rng, world)
            maker.chips, maker.calls = [("self", world, False)], world is sub
            kinds = tuple(maker.kind() for _ in range(rng.randrange(3)))
            result = maker.kind()
            params = {f"p{j}": k for j, k in enumerate(kinds)}
            name = f"{world.name.lower()}_m{i}"
            lines += maker.function(name, params, (result,), 3, loop_ok=i == 0)
            if "raise" not in "".join(maker.lines):
                world.methods.append((name, kinds, result))
        lines += ["    def trouble(self) -> u8:"]
        lines += [f"        if self.{next(iter(world.ints))} & 1:", "            raise Oops(7, -1)"]
        lines += [f"        self.{next(iter(world.ints))} -= 1", "        return 1", ""]
        world.traps.append("trouble")
        lines.append("")
    lines += [AFTER_SUB, "class Base(Chip):", "    based: s30", "    def tick(self, by: u8) -> s30:", "        self.based += by"]
    lines += ["        return self.based", "", "    def tock(self, by: s7) -> s30:", "        return self.tick(by) ^ by", "", ""]
    lines += main.text("Base")
    main.ints["based"] = "s30"
    lines += ["    def tick(self, by: u8) -> s30:", "        return super().tick(by + 1) - 1", ""]
    for i, seed in enumerate(seeds):
        maker = Maker(random.Random(seed), main)
        maker.chips = [("self", main, True)]
        params = {f"p{j}": maker.kind() for j in range(maker.rng.randrange(4))}
        if maker.chance(20):
            params["x"] = maker.pick(("f64", "f32"))
        results = tuple(maker.pick((maker.kind(wide=True), "f64", maker.kind())) for _ in range(maker.pick((0, 1, 1, 2))))
        lines += maker.function(f"p{i}", params, results, maker.pick((3, 6, 10, 14)))
    return "\n".join(lines)
