"""FILE.py:FUNCTION becomes a function that compute nodes can import by its module's name."""

from __future__ import annotations

import ast
import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from ..use.importing import for_its_function
from ..words.errors import InputError
from ..words.messages import nearest, without_file
from .paramfiles import nearest_file


def load_function(target: str) -> Any:
    """Loads the file as a module of its own name. Raises InputError."""
    path, colon, name = target.rpartition(":")
    if not colon:
        path, name = target, ""
    if not os.path.isfile(path):
        raise InputError(_not_a_file(path, target))
    module = _load(os.path.realpath(path), path)
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if not name or not callable(found):
        known = _functions(module)
        asked = f"{path} has no function {name!r}" if name else f"{target} names no function"
        hint = nearest(name, known) if known else ": it defines none"
        raise InputError(f"{asked}{hint}; write FILE.py:FUNCTION")
    return found


def _not_a_file(path: str, target: str) -> str:
    if os.path.isdir(path):
        return f"{path} is a folder: write FILE.py:FUNCTION"
    missing = path or target
    return f"there is no file {missing}{nearest_file(missing)}; write FILE.py:FUNCTION"


def _functions(module: ModuleType) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if callable(value)
        and not name.startswith("_")
        and getattr(value, "__module__", None) == module.__name__
    ]


def _load(path: str, shown: str) -> ModuleType:
    root, name = _place(path, shown)
    sys.path.insert(0, root)
    try:
        # what a module prints while it is loaded must not get into our answer
        with contextlib.redirect_stdout(sys.stderr), for_its_function(), _own_arguments(shown):
            module = importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module may raise anything, SystemExit included
        is_its_own = isinstance(error, OSError) and error.filename == path
        told = without_file(error) if is_its_own else f"{type(error).__name__}: {error}"
        if isinstance(error, SystemExit):
            told += ' (put what reads arguments, or ends, under if __name__ == "__main__":)'
        raise InputError(f"{shown} cannot be loaded: {told}{_line(error, path)}") from error
    found = getattr(module, "__file__", None)
    if found is None or os.path.realpath(found) != path or name in sys.stdlib_module_names:
        # on the nodes, too, the other module would be found in its place
        raise InputError(f"{shown} has the name of a module that Python has already: rename it")
    return module


@contextlib.contextmanager
def _own_arguments(shown: str) -> Iterator[None]:
    """None: those of this command are not the module's."""
    before, sys.argv = sys.argv, [shown]
    try:
        yield
    finally:
        sys.argv = before


def _place(path: str, shown: str) -> tuple[str, str]:
    """The folder for ``sys.path``, and the module's name: the file's; with its packages' where
    it has imports that are relative to them."""
    root, file = os.path.split(path)
    name, suffix = os.path.splitext(file)
    if suffix != ".py" or "." in name:
        raise InputError(f"{shown} cannot be imported: its name must be NAME.py, without more dots")
    if _is_relative(path):
        while os.path.isfile(f"{root}/__init__.py"):
            root, package = os.path.split(root)
            name = f"{package}.{name}"
    return root, name


def _is_relative(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return False  # loading it tells what is wrong
    return any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree))


def _line(error: BaseException, path: str) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if os.path.realpath(frame.filename) == path]
    return f" ({os.path.basename(path)}, line {lines[-1]})" if lines else ""
