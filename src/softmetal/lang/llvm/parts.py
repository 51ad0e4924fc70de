"""A large unit in parts that are compiled side by side, each in a process of its own.

LLVM works on one module in one thread, and its Python binding lets one thread in at a time. So the unit's text is divided: each
function that stands by itself (it is exported, never inlined, or its address is taken) belongs to one part, and is declared in
those that refer to it. What may be inlined is copied into every part that calls it. The number of parts does not depend on the
host, so neither does the code.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field

LARGE = 1 << 20
"""Characters of LLVM IR from which a unit is divided."""
PARTS = 4
COPY = 4
"""How much it matters that a part has copies of a function already: they are optimised once for each part."""
NAME = re.compile(r'@(?:"[^"]+"|[\w.$-]+)')
CALL = re.compile(r'\bcall [^@\n]*(@(?:"[^"]+"|[\w.$-]+))\(')
HEAD = re.compile(r'define (?P<linkage>(?:internal |hidden )?)(?P<result>[^@]*)(?P<name>@(?:"[^"]+"|[\w.$-]+))(?P<rest>\(.*) \{$')


@dataclass(eq=False)
class Function:
    """A function of a unit, as text."""

    name: str
    linkage: str
    """`internal `, `hidden `, or nothing."""
    result: str
    """Calling convention and type of what it gives."""
    rest: str
    """Parameters and attributes."""
    body: str
    inlinable: bool
    refers: set[str] = field(default_factory=set)
    """Functions and tables that it names."""

    @property
    def declaration(self) -> str:
        """For parts that refer to it."""
        return f"declare hidden {self.result}{self.name}{self.rest}\n"

    def definition(self, linkage: str) -> str:
        """For the part that it belongs to."""
        return f"define {linkage}{self.result}{self.name}{self.rest} {{\n{self.body}}}\n"


@dataclass
class Module:
    """A unit's text, taken apart."""

    declared: list[str]
    tables: dict[str, str]
    functions: dict[str, Function]


def read(text: str) -> Module:
    """Take a unit's text apart."""
    module = Module([], {}, {})
    lines = iter(text.splitlines(keepends=True))
    taken: set[str] = set()
    for line in lines:
        if line.startswith("define "):
            found = HEAD.match(line.rstrip())
            assert found is not None, line
            body = "".join(iter(lines.__next__, "}\n"))
            name, rest = found["name"], found["rest"]
            inlinable = found["linkage"] == "internal " and "noinline" not in rest
            function = Function(name, found["linkage"], found["result"], rest, body, inlinable)
            named = Counter(NAME.findall(body))
            function.refers.update(named)
            taken.update(named - Counter(CALL.findall(body)))
            module.functions[name] = function
        elif line.startswith("@"):
            module.tables[line.partition(" ")[0]] = line
        elif line.strip():
            module.declared.append(line)
    for name in taken & module.functions.keys():
        module.functions[name].inlinable = False
    return module


def split(text: str, count: int = PARTS) -> list[str]:
    """The texts of a unit's parts, which together are the unit."""
    module = read(text)
    functions = module.functions
    calls = {name: sorted(n for n in f.refers if n in functions and functions[n].inlinable) for name, f in functions.items()}
    with_it = {name: _copied(calls, name) for name, f in functions.items() if not f.inlinable}
    cost = {name: sum(len(functions[n].body) for n in (name, *copies)) for name, copies in with_it.items()}
    mine: list[list[str]] = [[] for _ in range(count)]
    copied: list[set[str]] = [set() for _ in range(count)]
    load = [0] * count
    for name in sorted(with_it, key=lambda n: (-cost[n], n)):
        new = [COPY * sum(len(functions[n].body) for n in with_it[name] if n not in copied[i]) for i in range(count)]
        part = min(range(count), key=lambda i: load[i] + new[i])
        mine[part].append(name)
        copied[part].update(with_it[name])
        load[part] += cost[name] + new[part]
    owner = {name: i for i, names in enumerate(mine) for name in names}
    shared = {
        n for name, at in owner.items() for inside in (name, *with_it[name]) for n in functions[inside].refers
        if n in owner and owner[n] != at
    }  # fmt: skip
    return [_part(module, names, with_it, owner.keys() - set(names), shared) for names in mine]


def _copied(calls: dict[str, list[str]], name: str) -> list[str]:
    """What a function calls that may be inlined, and what that calls."""
    found: dict[str, None] = {}
    todo = [name]
    while todo:
        for called in calls[todo.pop()]:
            if called not in found:
                found[called] = None
                todo.append(called)
    return list(found)


def _part(module: Module, mine: list[str], with_it: dict[str, list[str]], others: set[str], shared: set[str]) -> str:
    """The text of the part to which the functions `mine` belong; `others` belong to others, `shared` are used elsewhere."""
    functions = module.functions
    copies = dict.fromkeys(n for name in mine for n in with_it[name])
    referred = {n for name in (*mine, *copies) for n in functions[name].refers}
    made = [*module.declared, *(line for name, line in module.tables.items() if name in referred)]
    made += [functions[name].declaration for name in sorted(referred & others)]
    for name in mine:
        linkage = functions[name].linkage
        made.append(functions[name].definition("hidden " if name in shared and linkage else linkage))
    made += [functions[name].definition("internal ") for name in copies]
    return "".join(made)


CHILD = """
import sys
sys.path[:] = {path!r}
from softmetal.lang.llvm.target import compile_ir
sys.stdout.buffer.write(compile_ir(sys.stdin.buffer.read().decode(), {level}))
"""


def compile_parts(text: str, level: int = 2) -> list[bytes]:
    """Object files of a unit: several where it is large."""
    from softmetal.lang.llvm.target import compile_ir

    if len(text) < LARGE or not sys.executable:
        return [compile_ir(text, level)]
    first, *others = split(text)
    command = [sys.executable, "-c", CHILD.format(path=sys.path, level=level)]
    children = []
    try:
        for part in others:
            child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            children.append((part, child))
            assert child.stdin is not None
            child.stdin.write(part.encode())
            child.stdin.close()
        made = [compile_ir(first, level)]
        for part, child in children:
            assert child.stdout is not None
            code = child.stdout.read()
            made.append(code if child.wait() == 0 else compile_ir(part, level))  # whatever has befallen it: here it is seen
        return made
    finally:
        for _, child in children:
            if child.poll() is None:
                child.kill()
