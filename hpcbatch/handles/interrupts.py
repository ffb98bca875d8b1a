"""Ctrl-C in a session: what has become of what was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupted_with(told: str) -> Iterator[None]:
    """A KeyboardInterrupt says it."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(told) from None
