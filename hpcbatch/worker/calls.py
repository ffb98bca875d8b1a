"""Runs a task that a worker was sent: its order in, its outcome out."""

from __future__ import annotations

import pickle
import sys
import warnings
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from ..runner import seeding
from ..runner.console import Console
from ..runner.exceptions import describe
from . import wire
from .received_functions import Loaded, ReceivedFunctions
from .resets import Resets
from .wire import Dispatched, Failure, TaskOutcome

_NUMBERS = frozenset({bool, int, float, complex, type(None)})


class TaskCalls:
    def __init__(self, functions: ReceivedFunctions, resets: Resets):
        self._functions, self._resets = functions, resets
        self._console = Console()
        self._warned: list[str] = []
        warnings.simplefilter("always")
        warnings.showwarning = self._note

    def run(
        self, dispatched: Dispatched, parts: Sequence[Any], large: list[memoryview]
    ) -> TaskOutcome:
        """``parts`` are those that came with it; those of a large result are added to ``large``."""
        dispatch, function, how, is_chunk, number, seed, payload = dispatched
        began = perf_counter()
        loaded = None
        try:
            loaded = self._functions.load(function)
            values = wire.unpack(how, payload, parts) if how else payload
            if is_chunk:
                how, value = _pack_chunk(self._run_chunk(loaded, number, values), large)
            else:
                seeding.seed_job(number, seed)
                positional, named = values if how else (values, {})
                how, value = _pack(loaded.call(*positional, **named), large)
        except BaseException as error:  # a task may raise anything, SystemExit included
            how, value = wire.ERROR, failure_of(error)
        seconds = perf_counter() - began
        if loaded is not None and loaded.put_back is not None:
            loaded.put_back()
        self._console.restore()
        if self._resets.is_needed:
            self._resets()
        told: tuple[str, ...] = ()
        if self._warned:
            told, self._warned = tuple(self._warned), []
        return TaskOutcome(dispatch, how, value, seconds, told)

    def _run_chunk(self, loaded: Loaded, number: int, columns: Sequence[Sequence[Any]]) -> Any:
        call, put_back, tidy = loaded.call, loaded.put_back, self._resets.is_needed
        values: list[Any] = []
        failures: dict[int, tuple[Any, ...]] = {}
        for arguments in zip(*columns, strict=True):
            seeding.seed_job(number)
            number += 1
            try:
                values.append(call(*arguments))
            except BaseException as error:
                failures[len(values)] = failure_of(error)
                values.append(None)
            if put_back is not None:
                put_back()
            if tidy:
                self._resets()
        return values, failures

    def _note(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: Any = None,
        line: str | None = None,
    ) -> None:
        self._warned.append(f"{category.__name__}: {message} ({filename}:{lineno})")
        print(f"{filename}:{lineno}: {category.__name__}: {message}", file=sys.stderr)


def _pack_chunk(told: tuple[list[Any], dict[int, tuple[Any, ...]]], large: list[memoryview]) -> Any:
    """Where a value cannot be pickled, that is the failure of its item alone."""
    values, failures = told
    if _NUMBERS.issuperset(map(type, values)):
        return wire.PLAIN, told
    try:
        return wire.pack(told, large, dumps)
    except BaseException:
        for number, value in enumerate(values):
            try:
                _pack(value, [])
            except TypeError as error:
                failures[number], values[number] = failure_of(error), None
        return wire.pack(told, large, dumps)


def _pack(value: Any, large: list[memoryview]) -> tuple[int, Any]:
    try:
        return wire.pack(value, large, dumps)
    except BaseException as error:
        kind = type(value).__name__
        raise TypeError(f"the result (of type {kind}) cannot be pickled: {error}") from error


def dumps(value: Any, buffers: Callable[[pickle.PickleBuffer], Any] | None = None) -> bytes:
    import cloudpickle

    return bytes(cloudpickle.dumps(value, pickle.HIGHEST_PROTOCOL, buffers))


def failure_of(error: BaseException) -> tuple[Any, ...]:
    """The fields of a Failure, whose class has another name on a node than at the controller;
    whatever the exception's own methods do."""
    pickled: bytes | None
    try:
        pickled = dumps(error)
        if not isinstance(pickle.loads(pickled), BaseException):
            pickled = None
    except BaseException:  # whatever its reducer does
        pickled = None
    return tuple(Failure(*describe(error), pickled))
