"""Large arguments that many calls of one ``joblib.Parallel`` have in common: as constants of a
function, they are sent to each worker once."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

LARGE = 1 << 16  # bytes
MOST = 16  # sets of arguments: where each call has others, nothing is saved

Places = list[tuple[int, Any, int]]  # a call of the batch, its argument, which value it is


class Sharing:
    """An argument that is met again is shared. Those that come once go with their call."""

    def __init__(self) -> None:
        self._seen: WeakValueDictionary[int, Any] = WeakValueDictionary()
        self.calls: dict[tuple[int, ...], Callable[..., Any]] = {}

    def split(self, batch: Any) -> tuple[Callable[..., Any], Any, Places] | None:
        """What calls the batch, the batch without what is shared, and where that belongs; None
        where nothing is shared."""
        values: dict[int, Any] = {}
        places: Places = []
        for number, (_, args, kwargs) in enumerate(batch.items):
            for key, value in (*enumerate(args), *kwargs.items()):
                if self._is_shared(value):
                    values[id(value)] = value
                    places.append((number, key, list(values).index(id(value))))
        call = self._call(values) if values else None
        return None if call is None else (call, _without(batch, places), places)

    def _is_shared(self, value: Any) -> bool:
        if self._seen.get(id(value)) is value:
            return True
        if size_of(value) >= LARGE:
            try:
                self._seen[id(value)] = value
            except TypeError:  # such as bytes: nobody tells when it is gone
                pass
        return False

    def _call(self, values: dict[int, Any]) -> Callable[..., Any] | None:
        key = tuple(values)
        if key not in self.calls and len(self.calls) < MOST:
            self.calls[key] = _caller(list(values.values()))
        return self.calls.get(key)


def size_of(value: Any) -> int:
    """Bytes, as far as it is easily told: of arrays, of sparse matrices, and of what knows it."""
    for told in (value, getattr(value, "data", None)):
        size = getattr(told, "nbytes", None)
        if isinstance(size, int):
            return size
    return sys.getsizeof(value, 0)


def _without(batch: Any, places: Places) -> Any:
    items = [(function, list(args), dict(kwargs)) for function, args, kwargs in batch.items]
    for number, key, _ in places:
        items[number][1 if isinstance(key, int) else 2][key] = None
    left = copy.copy(batch)
    left.items = items
    return left


def _caller(values: list[Any]) -> Callable[..., Any]:
    def call(batch: Any, places: Any) -> Any:  # travels by value: nodes have no hpcbatch
        for value in values:
            if hasattr(value, "flags") and hasattr(value.flags, "writeable"):
                value.flags.writeable = False  # the next call has the same array
        for number, key, which in places:
            batch.items[number][1 if isinstance(key, int) else 2][key] = values[which]
        return batch()

    return call
