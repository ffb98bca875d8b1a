"""The functions of a pool: pickled once, sent to each worker once, with their constants.

A function travels as it is when it is first given: what it refers to by value stays as it was
then, but where a map or a walk gives it with constants, which pickle it anew. One that is made
anew each time, such as a lambda in a loop, is known by its pickle. Of constants that are pushed
again it is seen that a name has another value, not that a value was changed in place: that would
take a pickle of it each time.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict, deque
from collections.abc import Mapping
from operator import is_
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from ..use.pickling import dumps
from ..words.errors import InputError
from ..worker import wire

KEPT = 256  # functions that are remembered by their identity
WINDOW = 0.05  # seconds of work that a worker is given in advance
LONG = 0.1  # seconds from which on a worker is given nothing in advance
MOST = 256  # tasks that a worker holds at most
WEIGHT = 0.25  # of a new measurement


class Pace:
    """How long calls take: ``limit`` is how many a worker may hold. Shared by functions of one
    place in the source, such as a lambda that a loop makes anew each time."""

    __slots__ = ("limit", "mean")

    def __init__(self) -> None:
        self.mean: float | None = None
        self.limit = 1

    @property
    def is_slow(self) -> bool:
        return self.mean is None or self.mean >= LONG

    def measured(self, seconds: float) -> None:
        mean = self.mean
        self.mean = mean = seconds if mean is None else mean + WEIGHT * (seconds - mean)
        if mean >= LONG:
            self.limit = 1
        else:
            fit = WINDOW / (mean + 1e-6)
            self.limit = MOST if fit >= MOST else int(fit) if fit >= 2 else 2


class Function:
    """Told to ``forgotten`` when no task has it any more."""

    __slots__ = ("__weakref__", "_forgotten", "content", "label", "number", "pace")

    def __init__(self, number: int, label: str, content: bytes, pace: Pace, forgotten: deque[int]):
        self.number, self.label, self.content, self.pace = number, label, content, pace
        self._forgotten = forgotten

    def __del__(self) -> None:
        self._forgotten.append(self.number)

    def packed(self, parts: list[memoryview]) -> tuple[int, Any]:
        """How it lies in a message; in ``parts`` when it is large."""
        if len(self.content) < wire.LARGE:
            return wire.PICKLED, self.content
        return wire.in_parts([memoryview(self.content)], parts)


class _Known(NamedTuple):
    function: Any
    constants: Mapping[str, Any] | None
    values: Mapping[str, Any]  # of the constants when they were sent
    sent: Function

    def is_of(self, constants: Mapping[str, Any]) -> bool:
        """Whether they are what they were; compared by identity, since == of arrays is an array."""
        was = self.values
        return list(was) == list(constants) and all(map(is_, was.values(), constants.values()))


class SentFunctions:
    """Those that a pool was given, while they are in use. ``forgotten`` are the numbers of those
    that no longer are, for whoever tells the workers."""

    def __init__(self) -> None:
        self.forgotten: deque[int] = deque()
        self._lock = threading.Lock()
        self._recent: OrderedDict[tuple[int, int], _Known] = OrderedDict()
        self._by_pickle: WeakValueDictionary[bytes, Function] = WeakValueDictionary()
        self._paces: OrderedDict[Any, Pace] = OrderedDict()
        self._next = 1

    def find(
        self, function: Any, constants: Mapping[str, Any] | None = None, afresh: bool = False
    ) -> Function:
        """``afresh``: constants are looked at even if they are known, and the function with them.
        Raises InputError when it cannot be pickled or called."""
        if constants and afresh:
            return self._pickled(function, constants)
        key = (id(function), id(constants) if constants else 0)
        found = self._recent.get(key)  # it holds them all, so their ids are not used again
        if found is not None and (not constants or found.is_of(constants)):
            return found.sent
        return self._add(key, function, constants)

    def forget(self, function: Any) -> None:
        """One without constants, which is not given again: gone with the last of its tasks."""
        with self._lock:
            self._recent.pop((id(function), 0), None)

    def adopt(self, other: Function) -> Function:
        """A function of another pool."""
        with self._lock:
            return self._known(other.label, other.content, other.label)

    def _add(self, key: tuple[int, int], function: Any, constants: Any) -> Function:
        given = dict(constants or {})
        sent = self._pickled(function, given)
        with self._lock:
            self._recent[key] = _Known(function, constants, given, sent)
            if len(self._recent) > KEPT:
                self._recent.popitem(last=False)
        return sent

    def _pickled(self, function: Any, constants: Mapping[str, Any]) -> Function:
        if not callable(function):
            raise InputError(f"{function!r} cannot be called: the first argument is the function")
        label = str(getattr(function, "__name__", type(function).__name__))
        code = getattr(function, "__code__", None)
        source = label if code is None else (label, code.co_filename, code.co_firstlineno)
        try:
            content = dumps((function, dict(constants)))
        except Exception as error:
            raise InputError(f"{label} or its constants cannot be pickled: {error}") from error
        with self._lock:
            return self._known(label, content, source)

    def _known(self, label: str, content: bytes, source: Any) -> Function:
        digest = hashlib.sha256(content).digest()
        found = self._by_pickle.get(digest)
        if found is None:
            pace = self._paces.setdefault(source, Pace())
            if len(self._paces) > KEPT:
                self._paces.popitem(last=False)
            found = Function(self._next, label, content, pace, self.forgotten)
            self._by_pickle[digest] = found
            self._next += 1
        return found
