"""A module that is imported for its function makes no tasks: each element, which imports it as
well, would make one more."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..runner.bundle import NODE_PACKAGE
from ..words.errors import UsageError

_importing: list[None] = []  # one for each that is within: threads that it starts see it


@contextmanager
def for_its_function() -> Iterator[None]:
    """A module is loaded, of which nothing but a function is wanted."""
    _importing.append(None)
    try:
        yield
    finally:
        _importing.pop()


def check_not_importing() -> None:
    """Raises UsageError."""
    if _importing or (NODE_PACKAGE in sys.modules and _is_importing()):
        raise UsageError(
            "tasks are made while the module of a function is imported: put what makes and submits "
            'them under if __name__ == "__main__":'
        )


def _is_importing() -> bool:
    frame = sys._getframe()
    while frame := frame.f_back:  # type: ignore[assignment]
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
    return False
