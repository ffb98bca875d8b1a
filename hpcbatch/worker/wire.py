"""What a controller and its workers tell each other.

A message is a frame, its kind and a body, and then parts. The first body of a worker is JSON,
since it tells which Python is there. All others are pickles: whoever gets as far has proved by
CURVE that it holds the pool's key, and its results have to be unpickled anyway. Large values
travel as parts behind the body, cut into pieces: a heartbeat can pass between two of them.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..words.plain_types import PLAIN_TYPES

# from a worker
HELLO, RESULTS, BUSY, LEAVING = b"H", b"R", b"B", b"L"
WALLTIME = "walltime"  # why one leaves whose time is over, also in the middle of a task
# to a worker
WELCOME, TASKS, RETIRE, BYE, PROBE = b"W", b"T", b"E", b"X", b"P"
REFUSED, UNKNOWN = b"N", b"U"

# how a value lies in a body: as it is, pickled, or pickled into parts
PLAIN, PICKLED, PARTED = 0, 1, 2
ERROR = 3  # of an outcome

LARGE = 1 << 20  # bytes from which on a value travels in parts
PIECE = 1 << 20

Dumps = Callable[[Any, Callable[[pickle.PickleBuffer], Any]], bytes]


class Dispatched(NamedTuple):
    """One dispatch of a task. ``number`` is the task's, or of the first item of a chunk, whose
    ``payload`` holds columns of arguments. ``seed`` is that of the number where it is None."""

    dispatch: int
    function: int
    how: int
    is_chunk: bool
    number: int
    seed: int | None
    payload: Any


class Failure(NamedTuple):
    """An exception as it travels: ``pickled`` is None where it cannot be pickled."""

    type: str
    message: str
    trace: str
    pickled: bytes | None = None


class TaskOutcome(NamedTuple):
    """What came of a dispatch: ``how`` is ERROR, with a Failure as ``value``, or how a value lies.
    A chunk's value is its values, and the failures of its items by their numbers within it."""

    dispatch: int
    how: int
    value: Any
    seconds: float
    warnings: tuple[str, ...] = ()


def pack(value: Any, parts: list[memoryview], dumps: Dumps) -> tuple[int, Any]:
    """How ``value`` lies in a body, and what to put there; large ones are added to ``parts``.
    Raises what its pickling raises."""
    kind = type(value)
    if kind in PLAIN_TYPES and (kind not in (str, bytes, int) or not is_large(value)):
        return PLAIN, value
    buffers: list[memoryview] = []

    def take(buffer: pickle.PickleBuffer) -> bool:
        try:
            raw = buffer.raw()
        except BufferError:  # no single run of bytes
            return True
        if raw.nbytes < LARGE:
            return True
        buffers.append(raw)
        return False

    content = dumps(value, take)
    if not buffers and len(content) < LARGE:
        return PICKLED, content
    return in_parts([memoryview(content), *buffers], parts)


def in_parts(buffers: Sequence[memoryview], parts: list[memoryview]) -> tuple[int, Any]:
    """Cut ``buffers``, of which the first is the pickle, into pieces behind ``parts``."""
    sizes = []
    first = len(parts)
    for buffer in buffers:
        sizes.append(buffer.nbytes)
        parts += [buffer[at : at + PIECE] for at in range(0, buffer.nbytes, PIECE)]
    return PARTED, (first, sizes)


def is_large(value: Any) -> bool:
    if isinstance(value, int):
        return value.bit_length() > 8 * LARGE
    return len(value) >= LARGE


def unpack(how: int, value: Any, parts: Sequence[Any]) -> Any:
    """The value again. Raises what its unpickling raises."""
    if how == PLAIN:
        return value
    if how == PICKLED:
        return pickle.loads(value)
    at, sizes = value
    joined = []
    for size in sizes:
        count = -(-size // PIECE)
        whole = bytearray(size)
        end = 0
        for piece in parts[at : at + count]:
            view = memoryview(piece)
            whole[end : end + view.nbytes] = view
            end += view.nbytes
        if end != size:
            raise ValueError("a part is missing")
        at += count
        joined.append(whole)
    return pickle.loads(joined[0], buffers=joined[1:])


def own_parts(how: int, value: Any, parts: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
    """A value and its parts, taken out of a message that holds others' too."""
    if how != PARTED:
        return value, ()
    first, sizes = value
    count = sum(-(-size // PIECE) for size in sizes)
    return (0, sizes), parts[first : first + count]


def moved(how: int, value: Any, by: int) -> Any:
    """A value whose parts come behind ``by`` others."""
    return (value[0] + by, value[1]) if how == PARTED else value


def body(content: Any) -> bytes:
    return pickle.dumps(content, pickle.HIGHEST_PROTOCOL)
