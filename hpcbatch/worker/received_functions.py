"""The functions that a worker was sent, each with its constants, once."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

from .resets import globals_of


class Loaded:
    """``call`` is the function with its constants; ``put_back`` resets its globals, if it has any
    of its own."""

    __slots__ = ("call", "put_back")

    def __init__(self, call: Callable[..., Any], resets: bool):
        self.call = call
        self.put_back = globals_of(call) if resets else None


class ReceivedFunctions:
    """Unpickled by the first task that needs them, so that a crash of an import has a culprit."""

    def __init__(self, resets: bool):
        self._resets = resets
        self._sent: dict[int, Any] = {}
        self._loaded: dict[int, Loaded] = {}

    def take(self, number: int, content: Any) -> None:
        self._sent[number] = content
        self._loaded.pop(number, None)

    def forget(self, number: int) -> None:
        self._sent.pop(number, None)
        self._loaded.pop(number, None)

    def load(self, number: int) -> Loaded:
        """Raises whatever its unpickling raises, for every task again."""
        found = self._loaded.get(number)
        if found is None:
            function, constants = pickle.loads(self._sent[number])
            call = partial(function, **constants) if constants else function
            found = self._loaded[number] = Loaded(call, self._resets)
        return found
