"""Pickles of functions and inputs, as cloudpickle makes them, with the places of their source.

cloudpickle 3.1.3 and later forget the file that a function by value came from: the traceback of a
job would then show neither file nor line.
"""

from __future__ import annotations

import io
import pickle
from collections import ChainMap
from collections.abc import Callable
from types import CodeType
from typing import Any

import cloudpickle

Buffers = Callable[[pickle.PickleBuffer], Any]
_FORGOTTEN = "<dynamic-code>"


def _reduce_code(code: CodeType) -> tuple[Any, ...]:
    make, arguments, *rest = cloudpickle.Pickler.dispatch_table[CodeType](code)
    kept = (code.co_filename if each == _FORGOTTEN else each for each in arguments)
    return make, tuple(kept), *rest


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
    """Raises whatever the reducers of a user's objects raise."""

    dispatch_table = ChainMap({CodeType: _reduce_code}, cloudpickle.Pickler.dispatch_table)

    def __init__(self, file: io.BytesIO, buffers: Buffers | None = None):
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL, buffer_callback=buffers)


def dumps(value: Any, buffers: Buffers | None = None) -> bytes:
    """Without the buffers that ``buffers`` says False of, as pickle has it."""
    file = io.BytesIO()
    Pickler(file, buffers).dump(value)
    return file.getvalue()
