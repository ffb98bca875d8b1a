"""Modules whose files were edited after they were imported: a task gets the file, and what is
tried out here runs what was imported."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.machinery import SourceFileLoader
from types import CodeType, FunctionType, ModuleType
from typing import Any

from ..disk.process_tree import born, look
from ..words.errors import CodeWarning
from .own_modules import root_of

Does = tuple[Any, ...]
MOST_DECORATORS = 20  # of one function


def warn_of_edited(roots: Sequence[str]) -> None:
    """Tell of those imported from the folders ``roots``."""
    seen = look(os.getpid())
    since = born(seen.process) if seen else 0.0  # before, nothing can be imported
    edited = [
        name
        for name, module in sorted(sys.modules.items())
        if name != "__main__" and _is_as_written(module) and root_of(module) in roots
        if _is_edited(module, since)
    ]
    if edited:
        many = len(edited) > 1
        warnings.warn(
            f"{'modules' if many else 'module'} {', '.join(edited)} edited after the import here: "
            f"the task gets what {'their files hold' if many else 'its file holds'} now; reload "
            f"{'them' if many else 'it'}, or start Python anew, to have the same here",
            CodeWarning,
            stacklevel=5,
        )


def _is_as_written(module: ModuleType) -> bool:
    """Else what imported it has altered its code, as pytest does."""
    return type(getattr(module, "__loader__", None)) is SourceFileLoader


def _is_edited(module: ModuleType, since: float) -> bool:
    """Whether a function or a method of the module is another one in its file as it is now."""
    path = str(module.__file__)
    try:
        found = os.stat(path)
        if not path.endswith(".py") or found.st_mtime < since:
            return False
        now = _written(path, found.st_mtime_ns, found.st_size)
    except (OSError, SyntaxError, ValueError):
        return False  # whoever imports it there tells
    return any(
        code.co_filename == path and now.get(code.co_name, {what}).isdisjoint({what})
        for code, what in ((code, _does(code)) for code in _code_of(vars(module)))
    )


@lru_cache(1000)
def _written(path: str, mtime: int, size: int) -> dict[str, set[Does]]:
    """What the functions of a file do, by their names; several may have one name."""
    found: dict[str, set[Does]] = {}
    with open(path, "rb") as file:
        for code in _all_code(compile(file.read(), path, "exec", dont_inherit=True)):
            found.setdefault(code.co_name, set()).add(_does(code))
    return found


def _does(code: CodeType) -> Does:
    """The same for code that stands on other lines."""
    consts = tuple(map(_plain, code.co_consts))
    return code.co_code, code.co_flags, code.co_names, code.co_varnames, code.co_freevars, consts


def _plain(const: Any) -> Any:
    """To be compared: 1 is not True, and a set has no order."""
    if isinstance(const, CodeType):
        return _does(const)
    if isinstance(const, (tuple, frozenset)):
        parts = map(_plain, const)
        return type(const), tuple(parts if isinstance(const, tuple) else sorted(parts, key=repr))
    return type(const), repr(const)


def _code_of(names: Mapping[str, Any]) -> Iterator[CodeType]:
    """Of functions, and of the methods of classes; of decorated ones as well. Hazard: to ask
    ``isinstance`` is to ask a proxy, which may fail."""
    classes = [value for value in list(names.values()) if issubclass(type(value), type)]
    for table in (names, *map(vars, classes)):
        for value in list(table.values()):
            for _ in range(MOST_DECORATORS):
                if type(value) is not FunctionType:
                    break
                yield value.__code__
                value = getattr(value, "__wrapped__", None)


def _all_code(code: CodeType) -> Iterator[CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _all_code(const)
