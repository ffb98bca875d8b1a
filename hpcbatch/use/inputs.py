"""Columns of inputs, as a user gives them, become one pickled record a job."""

from __future__ import annotations

import io
import itertools
import pickle
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..words.errors import InputError

# Never by reference to __main__, so plain pickle does the same as cloudpickle, faster.
_PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes})


def grid(**parameters: Iterable[Any]) -> dict[str, list[Any]]:
    """Every combination of the parameters' values, as columns for ``create(f, **grid(...))``.

    The last parameter varies fastest: ``grid(a=[1, 2], b="xy")`` gives columns of 4 values.
    """
    rows = list(itertools.product(*(list(values) for values in parameters.values())))
    return {name: [row[k] for row in rows] for k, name in enumerate(parameters)}


def pack_inputs(positional: tuple[Any, ...], named: Mapping[str, Any]) -> Iterator[bytes]:
    """One pickled tuple of arguments a job; nothing is held in memory but the one at hand.

    Raises InputError: a column that is none, columns of unequal length, a value that cannot be
    pickled (which names its job).
    """
    columns = {f"number {k + 1}": values for k, values in enumerate(positional)}
    columns.update(named)
    rows = _rows(columns)
    return _pickled(rows)


def _rows(columns: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    if not columns:
        raise InputError("there are no inputs: give create() at least one column of values")
    iterators = []
    for name, values in columns.items():
        try:
            iterators.append(iter(values))
        except TypeError:
            raise InputError(
                f"the input {name} ({type(values).__name__}) is no series of values; a value "
                "that is the same for every job goes into const={...}"
            ) from None
    lengths = {n: len(v) for n, v in columns.items() if hasattr(v, "__len__")}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise InputError(f"the inputs are of unequal length: {told}")
    return _checked(list(columns), iterators)


def _checked(names: list[str], iterators: list[Iterator[Any]]) -> Iterator[tuple[Any, ...]]:
    """Like ``zip``, but an error of a user's generator, or an early end, names its column."""
    for job in itertools.count():
        row = []
        for name, iterator in zip(names, iterators, strict=True):
            try:
                row.append(next(iterator))
            except StopIteration:
                if row:
                    raise InputError(
                        f"the inputs are of unequal length: {name} ends after {job} values"
                    ) from None
                for other, rest in zip(names[1:], iterators[1:], strict=True):
                    if next(rest, iterators) is not iterators:
                        raise InputError(
                            f"the inputs are of unequal length: {name} ends after {job} values, "
                            f"{other} goes on"
                        ) from None
                return
            except Exception as error:
                raise InputError(f"input {name} failed at job {job}: {error!r}") from error
        yield tuple(row)


def _pickled(rows: Iterator[tuple[Any, ...]]) -> Iterator[bytes]:
    import cloudpickle

    buffer = io.BytesIO()
    pickler = cloudpickle.Pickler(buffer, protocol=pickle.HIGHEST_PROTOCOL)
    for job, row in enumerate(rows):
        if _PLAIN.issuperset(map(type, row)):
            yield pickle.dumps(row, pickle.HIGHEST_PROTOCOL)
            continue
        try:
            pickler.dump(row)
        except Exception as error:
            raise InputError(f"the input of job {job} cannot be pickled: {error}") from error
        yield buffer.getvalue()
        pickler.clear_memo()
        buffer.seek(0)
        buffer.truncate()
