"""A module of random programs."""

from __future__ import annotations

import random

from tests.lang.programs.statements import Maker
from tests.lang.programs.world import AFTER_SUB, HEAD, World, make_world


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
            lines += method(rng, world, i)
        lines += trouble(world, 7)
        if world is leaf:
            lines += derived(rng, leaf)
    for i in range(2):
        main.alike[f"twig{i}"] = leaf
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


def method(rng: random.Random, world: World, number: int) -> list[str]:
    """A random method of a chip, which others may call if it raises no trap."""
    maker = Maker(rng, world)
    maker.chips, maker.calls = [("self", world, False)], world.name == "Sub"
    kinds = tuple(maker.kind() for _ in range(rng.randrange(3)))
    result = maker.kind()
    params = {f"p{j}": k for j, k in enumerate(kinds)}
    name = f"{world.name.lower()}_m{number}"
    lines = maker.function(name, params, (result,), 3, loop_ok=number == 0)
    if "raise" not in "".join(maker.lines):
        world.methods.append((name, kinds, result))
    return ["    @shared", *lines] if rng.randrange(2) else lines


def trouble(world: World, code: int) -> list[str]:
    """A method that may trap."""
    world.traps[:] = ["trouble"]
    first = next(iter(world.ints))
    return [
        "    def trouble(self) -> u8:", f"        if self.{first} & 1:", f"            raise Oops({code}, -1)",
        f"        self.{first} -= 1", "        return 1", "", "",
    ]  # fmt: skip


def derived(rng: random.Random, leaf: World) -> list[str]:
    """Twig, a class derived from Leaf with a field of its own, which does otherwise what Leaf does."""
    lines = ["class Twig(Leaf):", "    SIZE = 9", "    bent: u7", "    sap: memory[16]", "", *trouble(leaf, 9)]
    for name, kinds, result in leaf.methods:
        head = ", ".join(["self", *(f"p{i}: {kind}" for i, kind in enumerate(kinds))])
        lines += [
            f"    def {name}({head}) -> {result}:",
            "        self.bent += 3",
            "        self.sap[self.bent & 15] += self.bent",
        ]
        given = ", ".join(f"p{i}" for i in range(len(kinds)))
        value = f"super().{name}({given})" if rng.randrange(2) else str(rng.randrange(100))
        lines += [f"        return {value} + self.bent", ""]
    return [*lines, ""]
