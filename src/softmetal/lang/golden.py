"""The golden back end: CPython runs the source itself, with the cuts that the annotations ask for written out.

Python ignores the annotations of variables and parameters while it runs. So each function is given back to CPython with
one kind of change: where a value comes to rest, the cut stands in the text (`x: u8 = a + b` becomes `x = (a + b) & 255`).
Fields cut by themselves (see `chip`). Division of floats follows IEEE 754 instead of raising.
"""

from __future__ import annotations

import ast
import builtins
import copy
from functools import partial, update_wrapper
from types import CodeType, FunctionType, ModuleType
from typing import Any

from softmetal.lang.source import annotation, evaluate, is_hardware_function, tree_of
from softmetal.lang.types import NAN, FloatType, IntType, f32, f64

_made: dict[tuple[FunctionType, type | None], FunctionType] = {}


def golden(function: Any, owner: type | None = None) -> Any:
    """The function as the golden model runs it; a `functools.partial` of one likewise."""
    if isinstance(function, partial):
        bound = {k: golden(v) if _callable(v) else v for k, v in function.keywords.items()}
        return partial(golden(function.func), *function.args, **bound)
    if not isinstance(function, FunctionType) or getattr(function, "__golden__", False):
        return function
    key = (function, owner)
    if key not in _made:
        _made[key] = _Late(function, owner).stub()
    return _made[key]


def _callable(value: Any) -> bool:
    return isinstance(value, partial) or is_hardware_function(value)


class _Late:
    """Rewrites at the first call, so that importing an instruction table costs nothing."""

    def __init__(self, function: FunctionType, owner: type | None) -> None:
        self.function, self.owner = function, owner

    def stub(self) -> FunctionType:
        function, owner = self.function, self.owner

        def first_call(*args: Any, **kwargs: Any) -> Any:
            code = rewrite(function, owner)
            _fill(names, function.__globals__, code)
            stub.__code__ = code  # it keeps its identity, so callers that already hold it become fast too
            return stub(*args, **kwargs)

        names: dict[str, Any] = {
            "__builtins__": builtins,
            "_first_call_": first_call,
            "_class_": owner,
            "_divide_": divide,
            "_Divisor_": _Divisor,
            "_f32_": f32,
            "_f64_": f64,
        }
        exec("def stub(*a, **k):\n    return _first_call_(*a, **k)", names)
        stub: FunctionType = names.pop("stub")
        update_wrapper(stub, function)
        stub.__defaults__, stub.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
        stub.__golden__ = True  # type: ignore[attr-defined]
        return stub


def _fill(names: dict[str, Any], module: dict[str, Any], code: Any) -> None:
    """Give a function the module's names that it uses, its hardware functions in their golden forms."""
    for name in code.co_names:
        if name in module:
            value = module[name]
            names[name] = _Module(value) if isinstance(value, ModuleType) else golden(value) if _callable(value) else value


class _Module:
    """A module as golden code sees it: its hardware functions in their golden forms."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._module, name)
        value = golden(value) if _callable(value) else value
        setattr(self, name, value)
        return value


def divide(a: float, b: float) -> float:
    """IEEE 754 division: by zero gives an infinity or NaN instead of an exception."""
    if b != 0:
        return a / b
    if a == 0 or a != a:
        return NAN
    return float("inf") if (a > 0) == (str(b)[0] != "-") else float("-inf")


class _Divisor:
    """What stands on the right of `/=` in golden code."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __rtruediv__(self, other: float) -> float:
        return divide(other, self.value)


def rewrite(function: FunctionType, owner: type | None) -> CodeType:
    """The code of a function with its cuts written out."""
    tree, filename = tree_of(function)
    new = _Cuts(function, owner).visit(copy.deepcopy(tree))
    new.decorator_list = []
    module = compile(ast.fix_missing_locations(ast.Module([new], [])), filename, "exec")
    return next(c for c in module.co_consts if isinstance(c, CodeType))


class _Cuts(ast.NodeTransformer):
    def __init__(self, function: FunctionType, owner: type | None) -> None:
        self.function, self.owner = function, owner
        self.types: dict[str, Any] = {}

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        head: list[ast.stmt] = []
        for arg in (*node.args.args, *node.args.kwonlyargs):
            kind = annotation(self.function, self.owner, arg.arg)
            arg.annotation = None
            if isinstance(kind, IntType | FloatType):
                self.types[arg.arg] = kind
                value = _cut(kind, ast.copy_location(ast.Name(arg.arg, ast.Load()), arg))
                head.append(ast.copy_location(ast.Assign([ast.Name(arg.arg, ast.Store())], value), arg))
        for inner in ast.walk(node):
            if isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
                self.types[inner.target.id] = evaluate(ast.unparse(inner.annotation), self.function, self.owner)
        self.result = annotation(self.function, self.owner, "return")
        node.returns = None
        self.generic_visit(node)
        node.body = head + node.body
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return self.visit_Assign(ast.copy_location(ast.Assign([node.target], node.value), node))

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        first = node.targets[0]
        if len(node.targets) == 1 and not isinstance(first, ast.Tuple):
            if isinstance(first, ast.Name) and first.id in self.types:
                node.value = _cut(self.types[first.id], node.value)
            return node
        names = {t.id for t in ast.walk(node) if isinstance(t, ast.Name) and isinstance(t.ctx, ast.Store)}
        if not names & self.types.keys():
            return node
        # one target after the other, each cut before the next one's index may use it
        made: list[ast.stmt] = []
        if isinstance(first, ast.Tuple):
            parts: list[ast.expr] = [ast.Name(f"_part{i}_", ast.Load()) for i in range(len(first.elts))]
            whole: ast.expr = ast.Tuple([ast.Name(f"_part{i}_", ast.Store()) for i in range(len(parts))], ast.Store())
            pairs = list(zip(first.elts, parts, strict=True))
        else:
            whole = ast.Name("_whole_", ast.Store())
            pairs = [(t, ast.Name("_whole_", ast.Load())) for t in node.targets]
        made.append(ast.Assign([whole], node.value))
        for target, value in pairs:
            kind = self.types.get(target.id) if isinstance(target, ast.Name) else None
            made.append(ast.Assign([target], _cut(kind, value)))
        for each in made:
            for part in ast.walk(each):
                if not hasattr(part, "lineno"):
                    ast.copy_location(part, node)
        return made  # type: ignore[return-value]

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Div):
            call = ast.Call(ast.Name("_Divisor_", ast.Load()), [node.value], [])
            node.value = ast.copy_location(call, node.value)
        if isinstance(node.target, ast.Name) and node.target.id in self.types:
            return self._with_cuts(node, [node.target.id])
        return node

    def visit_For(self, node: ast.For) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.target, ast.Name) and node.target.id in self.types:
            node.body = [*self._cut_statements(node, [node.target.id]), *node.body]
        return node

    def _cut_statements(self, at: ast.stmt, names: list[str]) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for name in names:
            value = _cut(self.types[name], ast.copy_location(ast.Name(name, ast.Load()), at))
            made.append(ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], value), at))
        return made

    def _with_cuts(self, node: ast.stmt, names: list[str]) -> ast.AST:
        if not names:
            return node
        both: list[ast.stmt] = [node, *self._cut_statements(node, names)]
        return both  # type: ignore[return-value]

    def visit_Return(self, node: ast.Return) -> ast.AST:
        self.generic_visit(node)
        kind = self.result
        if node.value is None:
            return node
        if isinstance(kind, IntType | FloatType):
            node.value = _cut(kind, node.value)
        elif isinstance(node.value, ast.Tuple):
            kinds = getattr(kind, "__args__", ())
            node.value.elts = [_cut(k, v) for k, v in zip(kinds, node.value.elts, strict=True)]
        elif kinds := getattr(kind, "__args__", ()):  # several results, handed on
            names = [f"_part{i}_" for i in range(len(kinds))]
            whole = ast.Assign([ast.Tuple([ast.Name(n, ast.Store()) for n in names], ast.Store())], node.value)
            parts = [_cut(k, ast.copy_location(ast.Name(n, ast.Load()), node)) for k, n in zip(kinds, names, strict=True)]
            both = [whole, ast.Return(ast.Tuple(parts, ast.Load()))]
            return [ast.copy_location(s, node) for s in both]  # type: ignore[return-value]
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Invert):  # ~x of a comparison's True is on its way out of Python
            return ast.copy_location(ast.BinOp(node.operand, ast.BitXor(), ast.copy_location(ast.Constant(-1), node)), node)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Div):
            call = ast.Call(ast.Name("_divide_", ast.Load()), [node.left, node.right], [])
            return ast.copy_location(call, node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args:
            node.args = [ast.Name("_class_", ast.Load()), ast.Name("self", ast.Load())]
        return node


def _cut(kind: IntType | FloatType | None, value: ast.expr) -> ast.expr:
    """The expression `value`, cut to `kind`, in plain Python."""
    if isinstance(kind, IntType):
        cut: ast.expr = ast.BinOp(value, ast.BitAnd(), ast.Constant(kind.mask))
        if kind.signed:  # ((v & mask) ^ sign) - sign
            sign = 1 << (kind.bits - 1)
            cut = ast.BinOp(ast.BinOp(cut, ast.BitXor(), ast.Constant(sign)), ast.Sub(), ast.Constant(sign))
    elif isinstance(kind, FloatType):
        cut = ast.Call(ast.Name(f"_{kind.name}_", ast.Load()), [value], [])
    else:
        return value
    for part in ast.walk(cut):
        if not hasattr(part, "lineno"):
            ast.copy_location(part, value)
    return cut
