"""Cuts a program that fails down to what is needed for it to fail."""

from __future__ import annotations

import ast
import itertools
import time
from collections.abc import Callable, Iterator


def only(source: str, name: str) -> str:
    """The module with this one program, and no other."""
    tree = ast.parse(source)
    main = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Main")
    main.body = [n for n in main.body if not (isinstance(n, ast.FunctionDef) and n.name[0] == "p" and n.name != name)]
    return ast.unparse(tree)


def smallest(source: str, name: str, fails: Callable[[str], bool], seconds: float = 30) -> str:
    """The program `name` with all statements and parts of expressions left out that are not needed for it to fail."""
    source, end = only(source, name), time.monotonic() + seconds
    at = 0
    while time.monotonic() < end:
        smaller = next(itertools.islice(smaller_ones(source, name), at, None), None)
        if smaller is None:
            break
        if fails(smaller):
            source = smaller
        else:
            at += 1
    return source


def smaller_ones(source: str, name: str) -> Iterator[str]:
    def method(tree: ast.AST) -> ast.FunctionDef:
        return next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == name)

    def blocks(tree: ast.AST) -> list[list[ast.stmt]]:
        return [b for n in ast.walk(tree) for a in ("body", "orelse") if isinstance(b := getattr(n, a, None), list) and b]

    here = method(ast.parse(source))
    for i, block in enumerate(blocks(here)):
        for j in range(len(block)):
            tree = ast.parse(source)
            mine = blocks(method(tree))[i]
            inner = getattr(mine[j], "body", [])
            for instead in ([], inner) if inner else ([],):
                tree = ast.parse(source)
                mine = blocks(method(tree))[i]
                mine[j : j + 1] = [] if not instead else mine[j].body  # type: ignore[attr-defined]
                if not mine:
                    mine.append(ast.Pass())
                yield ast.unparse(tree)
    parts = [n for n in ast.walk(here) if isinstance(n, ast.expr)]
    for i, part in enumerate(parts):
        children = [c for c in ast.iter_child_nodes(part) if isinstance(c, ast.expr)]
        if isinstance(part, ast.Constant | ast.Name | ast.Attribute) or isinstance(getattr(part, "ctx", None), ast.Store):
            continue
        for child in [*children, ast.Constant(1)]:
            tree = ast.parse(source)
            old = [n for n in ast.walk(method(tree)) if isinstance(n, ast.expr)][i]
            new = child

            class Replace(ast.NodeTransformer):
                def generic_visit(self, node: ast.AST, old: ast.AST = old, new: ast.AST = new) -> ast.AST:
                    return new if node is old else super().generic_visit(node)

            yield ast.unparse(ast.fix_missing_locations(Replace().visit(tree)))
