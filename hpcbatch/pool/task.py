"""A task of a pool, from its push to its result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from ..use.pickling import dumps
from ..worker import wire
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


class Sink(Protocol):
    """Whoever waits for tasks."""

    def resolve(self, task: Task, result: Result) -> None: ...


class Task:
    """``size`` is the number of a chunk's items, 0 for a single call. ``alone`` is set where a
    worker was lost that held it among others: the next that is lost with it is its doing.
    ``is_out`` tells whether it was handed out, ``is_over`` that no result of it counts any more."""

    __slots__ = (
        *("number", "function", "how", "payload", "parts", "seed", "size", "sink", "name"),
        *("crashes", "is_out", "is_over", "alone"),
    )

    def __init__(
        self,
        number: int,
        function: Function,
        how: int,
        payload: Any,
        sink: Sink,
        seed: int | None = None,
        size: int = 0,
        name: str | None = None,
        parts: Sequence[Any] = (),
    ):
        self.number, self.function, self.how, self.payload = number, function, how, payload
        self.sink, self.seed, self.size, self.name, self.parts = sink, seed, size, name, parts
        self.crashes = 0
        self.is_out = self.is_over = self.alone = False

    def split(self) -> list[Task]:
        """A chunk as chunks of one item each, so that one which ends its worker is found."""
        columns = wire.unpack(self.how, self.payload, self.parts)
        pieces = []
        for place, arguments in enumerate(zip(*columns, strict=True)):
            parts: list[memoryview] = []
            how, payload = wire.pack([[each] for each in arguments], parts, dumps)
            number = self.number + place
            pieces.append(Task(number, self.function, how, payload, self.sink, size=1, parts=parts))
            pieces[-1].alone = True
        return pieces

    def label(self) -> str:
        return self.name if self.name is not None else f"{self.function.label}-{self.number}"
