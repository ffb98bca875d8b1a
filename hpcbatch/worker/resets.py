"""What is put back between two tasks, so that one leaves nothing to the next."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any


def globals_of(function: Any) -> Callable[[], None] | None:
    """What puts the globals back that a function by value brought along; None for one of a module,
    whose globals are the module's."""
    while not isinstance(function, FunctionType):
        function = getattr(function, "func", getattr(function, "__func__", None))
        if function is None:
            return None
    found = function.__globals__
    module = sys.modules.get(str(found.get("__name__", "")))
    if module is not None and vars(module) is found:
        return None
    saved = dict(found)

    def put_back() -> None:
        if found.keys() != saved.keys() or any(found[name] is not saved[name] for name in saved):
            found.clear()
            found.update(saved)

    return put_back


class Resets:
    """Done after each task, as the pool's settings say."""

    def __init__(self, packages: bool, garbage: bool):
        self._packages, self._garbage = packages, garbage
        self._known = frozenset(sys.modules)

    @property
    def is_needed(self) -> bool:
        return self._packages or self._garbage

    def __call__(self) -> None:
        if self._packages:
            for name in [name for name in sys.modules if name not in self._known]:
                del sys.modules[name]
        if self._garbage:
            gc.collect()
