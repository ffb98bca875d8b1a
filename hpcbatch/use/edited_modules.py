"""Modules whose files were edited after they were imported: a task gets the file, and what is
tried out here runs what was imported."""

from __future__ import annotations

import ast
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
from .bindings import ANOTHER, Constant, Definition, is_plain, last_bindings
from .code_identity import Does, does, plain
from .own_modules import root_of

MOST_DECORATORS = 20  # of one function


def warn_of_edited(roots: Sequence[str]) -> None:
    """Tell of those imported from the folders ``roots``."""
    seen = look(os.getpid())
    since = born(seen.process) if seen else 0.0  # before, nothing can be imported
    edited = [
        name
        for name, module in sorted(sys.modules.copy().items())  # others may import
        if name != "__main__" and _is_as_written(module) and root_of(module) in roots
        if _is_edited(module, since)
    ]
    if edited:
        many = len(edited) > 1
        caller = sys._getframe(4)
        warnings.warn_explicit(
            f"{'modules' if many else 'module'} {', '.join(edited)} edited after the import here: "
            f"the task gets what {'their files hold' if many else 'its file holds'} now; reload "
            f"{'them' if many else 'it'}, or start Python anew, to have the same here",
            CodeWarning,
            caller.f_code.co_filename,
            caller.f_lineno,
            registry={},  # not once a session, in which each line of a prompt is the first
        )


def _is_as_written(module: ModuleType) -> bool:
    """Else what imported it has altered its code, as pytest does."""
    return type(getattr(module, "__loader__", None)) is SourceFileLoader


def _is_edited(module: ModuleType, since: float) -> bool:
    """Whether a function, a method or a constant is another one in the file as it is now."""
    path = str(module.__file__)
    try:
        found = os.stat(path)
        if not path.endswith(".py") or found.st_mtime < since:
            return False
        now = _written(path, found.st_mtime_ns, found.st_size)
    except (OSError, SyntaxError, ValueError):
        return False  # whoever imports it there tells
    names = dict(vars(module))
    return (
        any(map(now.is_other_code, filter(lambda c: c.co_filename == path, _code_of(names))))
        or any(map(now.is_other_function, names, names.values()))
        or any(map(now.is_other_constant, names, names.values()))
    )


class _Written:
    """What a file says: the functions in it, and what binds a name of the module last."""

    def __init__(self, path: str):
        self._path = path
        with open(path, "rb") as file:
            content = file.read()
        self._last = last_bindings(ast.parse(content))
        self._does: dict[str, set[Does]] = {}  # several may have one name
        self._at: dict[tuple[str, int], Does] = {}
        for code in _all_code(compile(content, path, "exec", dont_inherit=True)):
            self._does.setdefault(code.co_name, set()).add(does(code))
            self._at[code.co_name, code.co_firstlineno] = does(code)

    def is_other_code(self, code: CodeType) -> bool:
        what = does(code)
        return what not in self._does.get(code.co_name, {what})

    def is_other_function(self, name: str, value: Any) -> bool:
        """Whether the module's function ``name`` is not the one that the file ends with."""
        if type(value) is not FunctionType:
            return False
        code = value.__code__
        if (code.co_filename, code.co_name) != (self._path, name):
            return False
        last = self._last.get(name)
        if isinstance(last, Definition):
            return self._at.get((name, last.line)) != does(code)
        return last is ANOTHER

    def is_other_constant(self, name: str, value: Any) -> bool:
        last = self._last.get(name)
        if not isinstance(last, Constant):
            return False
        return not is_plain(value) or plain(last.value) != plain(value)


@lru_cache(1000)
def _written(path: str, mtime: int, size: int) -> _Written:
    return _Written(path)


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
