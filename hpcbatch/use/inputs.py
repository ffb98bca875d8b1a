"""Columns of inputs, as a user gives them, become one pickled record a job."""

from __future__ import annotations

import io
import itertools
import pickle
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..words.errors import InputError
from ..words.plain_types import PLAIN_TYPES

FEW, MANY = 16, 1000  # rows of the first block, and of a later one at most
LARGE = 8 << 20  # bytes of a block, as far as the block before it tells
MOST_JOBS = 100_000_000  # of one task

_UNEVEN = re.compile(r"zip\(\) argument (\d+) is (\w+) than")


def grid(**parameters: Iterable[Any]) -> dict[str, Any]:
    """Every combination of the parameters' values, as columns for ``create(f, **grid(...))``.

    The last parameter varies fastest: ``grid(a=[1, 2], b=["x", "y"])`` gives columns of 4
    values.
    Raises InputError.
    """
    for name, values in parameters.items():
        _check_series(f"grid: {name}", values)
    rows = list(itertools.product(*(list(values) for values in parameters.values())))
    return {name: [row[k] for row in rows] for k, name in enumerate(parameters)}


def pack_inputs(positional: tuple[Any, ...], named: Mapping[str, Any]) -> Iterator[list[bytes]]:
    """One pickled tuple of arguments a job, in blocks; only one block is held in memory.

    Raises InputError: a column that is none, columns of unequal length, a value that cannot be
    pickled (which names its job).
    """
    columns = {f"number {k + 1}": values for k, values in enumerate(positional)}
    columns.update(named)
    rows = _rows(columns)
    pickler = _Pickler()
    first, count = 0, FEW
    while block := _next_block(rows, columns, first, count):
        if PLAIN_TYPES.issuperset(map(type, itertools.chain.from_iterable(block))):
            packed = _plain_pickles(block)
        else:
            packed = [pickler.dumps(row, job) for job, row in enumerate(block, first)]
        first += len(block)
        count = min(max(LARGE * len(block) // sum(map(len, packed)), 1), MANY)
        yield packed


def _rows(columns: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    if not columns:
        raise InputError("there are no inputs: give at least one column of values")
    lengths: dict[str, int] = {}
    for name, values in columns.items():
        _check_series(f"the input {name}", values)
        if hasattr(values, "__len__"):
            lengths[name] = length = len(values)
            if length > MOST_JOBS:
                raise InputError(
                    f"the input {name} has {length:,} values, and a task {MOST_JOBS:,} at most"
                )
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise InputError(f"the inputs are of unequal length: {told}")
    return zip(*columns.values(), strict=True)


def _check_series(what: str, values: Any) -> None:
    """Raises InputError; a text is one value for everybody who writes one, and a table as well."""
    kind = type(values).__name__
    if isinstance(values, (set, frozenset)):
        raise InputError(f"{what} is a {kind}, which has no order: sorted(...) gives it one")
    if isinstance(values, (str, bytes, bytearray, Mapping)):
        raise InputError(
            f"{what} ({kind}) is one value, and no series of values: [...] around it makes a "
            "series, const={...} gives it to every job, and list(...) is a series of what it holds"
        )
    is_one = getattr(values, "shape", None) == ()  # of NumPy
    if is_one or (not isinstance(values, Iterable) and not hasattr(values, "__getitem__")):
        raise InputError(
            f"{what} ({kind}) is no series of values; a value that is the same for every job goes "
            "into const={...}"
        )


def _next_block(
    rows: Iterator[tuple[Any, ...]], columns: Mapping[str, Any], first: int, count: int
) -> list[tuple[Any, ...]]:
    block: list[tuple[Any, ...]] = []
    try:
        block.extend(itertools.islice(rows, count))
    except Exception as error:  # whatever a user's generator raises
        uneven = _UNEVEN.match(str(error)) if isinstance(error, ValueError) else None
        if uneven:
            name = list(columns)[int(uneven[1]) - 1]
            raise InputError(
                f"the inputs are of unequal length: {name} is {uneven[2]} than the ones before it"
            ) from None
        raise InputError(f"the inputs fail at job {first + len(block)}: {error!r}") from error
    return block


def _plain_pickles(rows: list[tuple[Any, ...]]) -> list[bytes]:
    """Of rows of values that hold no others, for which cloudpickle does the same as pickle: 0.6
    times the cost of ``pickle.dumps`` for each."""
    packed = _Written()
    pickler = pickle.Pickler(packed, pickle.HIGHEST_PROTOCOL)
    pickler.fast = True  # else a row refers to values of the rows before it
    deque(map(pickler.dump, rows), 0)
    if len(packed) == len(rows):
        return packed
    return [pickle.dumps(row, pickle.HIGHEST_PROTOCOL) for row in rows]  # some came in parts


class _Written(list[bytes]):
    """What is written to it, item by item: of pickle, one for a value unless it is large."""

    write = list.append


class _Pickler:
    """One cloudpickle pickler for all rows: a fifth of the cost of a new one for each."""

    def __init__(self) -> None:
        from .pickling import Pickler

        self._buffer = io.BytesIO()
        self._pickler = Pickler(self._buffer)

    def dumps(self, row: tuple[Any, ...], job: int) -> bytes:
        try:
            self._pickler.dump(row)
        except Exception as error:
            raise InputError(f"the input of job {job} cannot be pickled: {error}") from error
        pickled = self._buffer.getvalue()
        self._pickler.clear_memo()
        self._buffer.seek(0)
        self._buffer.truncate()
        return pickled
