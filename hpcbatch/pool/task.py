"""A task of a pool, from its push to its result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from ..use.pickling import dumps
from ..worker import wire
from ..worker.wire import Failure
from .sent_functions import Function


class Result(NamedTuple):
    """What came of a task: ``status`` is done, error, crash or canceled. ``value`` and ``parts``
    lie as they came (see ``worker/wire``); of an error ``value`` is a Failure."""

    status: str
    how: int = 0
    value: Any = None
    parts: Sequence[Any] = ()
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    worker: str = ""
    controller: str = ""


def crash(told: str, worker: str, controller: str) -> Result:
    """Of a task that no worker can do, with why."""
    failure = Failure("WorkerLost", told, "")
    return Result("crash", wire.ERROR, failure, worker=worker, controller=controller)


class Sink(Protocol):
    """Whoever waits for tasks."""

    def resolve(self, task: PoolTask, result: Result) -> None: ...


class PoolTask:
    """``items`` are the columns of a chunk, ``size`` is their length; 0 for a single call.
    ``alone`` is set where a worker was lost that held it among others: the next that is lost with
    it is its doing.
    ``had`` is how many seconds of its worker's time were left when it was handed out last.
    ``is_out`` tells whether it was handed out, ``is_over`` that no result of it counts any more.
    ``result``, and ``row`` once that is made of it, are kept of one that was pushed."""

    __slots__ = (
        *("number", "function", "how", "payload", "parts", "seed", "items", "size", "sink"),
        *("name", "crashes", "is_out", "is_over", "alone", "result", "row"),
        "had",
    )

    def __init__(
        self,
        number: int,
        function: Function,
        how: int,
        payload: Any,
        sink: Sink,
        seed: int | None = None,
        name: str | None = None,
        parts: Sequence[Any] = (),
        items: Sequence[Sequence[Any]] = (),
    ):
        self.number, self.function, self.how, self.payload = number, function, how, payload
        self.sink, self.seed, self.name, self.parts = sink, seed, name, parts
        self.items, self.size = items, len(items[0]) if items else 0
        self.crashes = 0
        self.had = 0.0
        self.result: Result | None = None
        self.row: Any = None
        self.is_out = self.is_over = self.alone = False

    def split(self) -> list[PoolTask]:
        """A chunk as chunks of one item each, so that one which ends its worker is found. Made of
        the items themselves: to unpickle them may be what ended it."""
        pieces = []
        for offset, arguments in enumerate(zip(*self.items, strict=True)):
            parts: list[memoryview] = []
            items = [[each] for each in arguments]
            how, payload = wire.pack(items, parts, dumps)
            number = self.number + offset
            piece = PoolTask(
                number, self.function, how, payload, self.sink, parts=parts, items=items
            )
            piece.alone = True
            pieces.append(piece)
        return pieces

    def label(self) -> str:
        return self.name if self.name is not None else f"{self.function.label}-{self.number}"
