"""What gives each name of a module its value, as far as its source tells."""

from __future__ import annotations

import ast
from typing import Any, NamedTuple

PLAIN = (int, float, complex, str, bytes, bool, type(None))


class Definition(NamedTuple):
    """A function, whose code begins in ``line``."""

    line: int


class Constant(NamedTuple):
    """A value that cannot change."""

    value: Any


ANOTHER = object()  # something else, which is not made of what the name was before
UNKNOWN = object()  # one of several, or what a run of the module decides


def last_bindings(module: ast.Module) -> dict[str, Any]:
    """By name, of the top level: a Definition, a Constant, ANOTHER or UNKNOWN."""
    last: dict[str, Any] = {}
    for statement in module.body:
        if isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*":
            last = dict.fromkeys(last, UNKNOWN)
        last.update(_bound(statement))
    for node in ast.walk(module):
        if isinstance(node, ast.Global):  # a function may set it
            last.update(dict.fromkeys(node.names, UNKNOWN))
        elif isinstance(node, ast.NamedExpr):
            last[node.target.id] = UNKNOWN
    return last


def _bound(statement: ast.stmt) -> dict[str, Any]:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
        first = [*statement.decorator_list, statement][0]
        return {statement.name: Definition(first.lineno)}
    if isinstance(statement, ast.ClassDef):
        return {statement.name: ANOTHER}
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return dict.fromkeys(_imported(statement), ANOTHER)
    if isinstance(statement, ast.Assign) and all(
        isinstance(t, ast.Name) for t in statement.targets
    ):
        names = [target.id for target in statement.targets if isinstance(target, ast.Name)]
        return {name: _assigned(name, statement.value) for name in names}
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        if statement.value is None:
            return {}
        return {statement.target.id: _assigned(statement.target.id, statement.value)}
    return dict.fromkeys(_stored(statement), UNKNOWN)


def _assigned(name: str, value: ast.expr) -> Any:
    if any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(value)):
        return UNKNOWN  # f = decorate(f)
    try:
        constant = ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ANOTHER if isinstance(value, ast.Lambda) else UNKNOWN
    return Constant(constant) if is_plain(constant) else ANOTHER


def is_plain(value: Any) -> bool:
    """Whether it cannot change, nor anything in it."""
    if type(value) is tuple:
        return all(map(is_plain, value))
    return type(value) in PLAIN


def _imported(statement: ast.Import | ast.ImportFrom) -> list[str]:
    return [alias.asname or alias.name.partition(".")[0] for alias in statement.names]


def _stored(statement: ast.stmt) -> set[str]:
    """All names that something in it may set."""
    found: set[str] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update(_imported(node))
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
    return found
