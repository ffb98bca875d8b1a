"""Whether two pieces of code do the same, wherever they stand."""

from __future__ import annotations

from types import CodeType
from typing import Any

Does = tuple[Any, ...]


def does(code: CodeType) -> Does:
    """The same for code that stands on other lines."""
    consts = tuple(map(plain, code.co_consts))
    return code.co_code, code.co_flags, code.co_names, code.co_varnames, code.co_freevars, consts


def plain(const: Any) -> Any:
    """To be compared: 1 is not True, and a set has no order."""
    if isinstance(const, CodeType):
        return does(const)
    if isinstance(const, (tuple, frozenset)):
        parts = map(plain, const)
        return type(const), tuple(parts if isinstance(const, tuple) else sorted(parts, key=repr))
    return type(const), repr(const)
