"""Where hardware Python comes from: syntax trees of functions, and errors that point into them."""

from __future__ import annotations

import ast
import linecache
import sys
from functools import cache, partial
from types import FunctionType
from typing import Any, TypeVar, cast

F = TypeVar("F")


def remembered(function: F) -> F:
    """`functools.cache`, for functions of classes; it keeps the function's type."""
    return cast(F, cache(cast(Any, function)))


class HardwareError(Exception):
    """A construct that hardware Python does not have, or that is not safe.

    `str()` gives file, line and column, what is wrong, the source line with the place marked, and what to write
    instead.
    """

    def __init__(self, filename: str, node: ast.AST, message: str, instead: str) -> None:
        self.filename = filename
        self.line = getattr(node, "lineno", 0)
        self.column = getattr(node, "col_offset", 0) + 1
        self.message = message
        self.instead = instead
        text = linecache.getline(filename, self.line).rstrip("\n")
        end = getattr(node, "end_col_offset", self.column)
        if getattr(node, "end_lineno", self.line) != self.line:
            end = len(text)
        mark = " " * (self.column - 1) + "^" + "~" * max(0, end - self.column)
        super().__init__(
            f"{filename}:{self.line}:{self.column}: error: {message}\n    {text}\n    {mark}\n  write instead: {instead}"
        )


@cache
def _functions_of(filename: str, text: str) -> dict[int, ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function in a file, by the line on which Python says its code starts (a decorator's, if it has one)."""
    tree = ast.parse(text, filename)
    found: dict[int, ast.FunctionDef | ast.AsyncFunctionDef] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found[min([node.lineno, *(d.lineno for d in node.decorator_list)])] = node
    return found


def tree_of(function: FunctionType) -> tuple[ast.FunctionDef, str]:
    """The syntax tree of a function, and its file's name. Raises TypeError where Python has no source for it."""
    code = function.__code__
    linecache.checkcache(code.co_filename)  # the module may have been loaded again
    text = "".join(linecache.getlines(code.co_filename))
    node = _functions_of(code.co_filename, text).get(code.co_firstlineno) if text else None
    if isinstance(node, ast.AsyncFunctionDef):
        raise HardwareError(code.co_filename, node, "async is not hardware Python", f"def {node.name}(...)")
    if node is None or node.name != function.__name__:
        raise TypeError(f"no source for {function.__qualname__}: hardware Python must come from a file, by `def`")
    return node, code.co_filename


def field_error(cls: type, name: str, message: str, instead: str) -> Exception:
    """An error about a field of a class: a HardwareError at its annotation, where the source is to be found."""
    methods = [m for m in vars(cls).get("__hw_methods__", {}).values() if not hasattr(m, "__bus__")]
    filename = methods[0].__code__.co_filename if methods else getattr(sys.modules.get(cls.__module__), "__file__", None) or ""
    lines = linecache.getlines(filename)
    for node in ast.walk(ast.parse("".join(lines))):
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
            for part in node.body:
                if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name) and part.target.id == name:
                    return HardwareError(filename, part, message, instead)
    return TypeError(f"{cls.__name__}.{name}: {message}; write instead: {instead}")


def is_hardware_function(value: Any) -> bool:
    """A plain function whose parameters all have annotations: one that hardware Python may call."""
    if not isinstance(value, FunctionType) or getattr(value, "__host__", False):
        return False
    code = value.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return all(n in value.__annotations__ or n == "self" for n in names)


def annotation(function: FunctionType, owner: type | None, name: str) -> Any:
    """The annotation of a parameter (or `return`), evaluated in the function's module."""
    value = function.__annotations__.get(name)
    return evaluate(value, function, owner) if isinstance(value, str) else value


def evaluate(text: str, function: FunctionType, owner: type | None) -> Any:
    """A type expression as written in the body of a function of class `owner`."""
    if text in function.__globals__ and text not in (vars(owner) if owner else ()):  # nearly all are a name: no need to compile
        return function.__globals__[text]
    return eval(text, function.__globals__, dict(vars(owner)) if owner else {})


def described(value: Any) -> str:
    """A function, a class, a partial, a tuple of such, or a number, as text that does not depend on the process."""
    if isinstance(value, partial):
        bound = (f"{name}={described(part)}" for name, part in value.keywords.items())
        return f"{described(value.func)}({', '.join(bound)})"
    if isinstance(value, tuple):
        return f"({', '.join(map(described, value))})"
    return f"{value.__module__}.{value.__qualname__}" if isinstance(value, type | FunctionType) else repr(value)
