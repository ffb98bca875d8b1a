"""Parts of hpcbatch that need more packages than it brings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import UsageError


@contextmanager
def needs(what: str, extra: str) -> Iterator[None]:
    """Around imports: raises UsageError, with what to install, where one of them is missing."""
    try:
        yield
    except ImportError as error:
        raise UsageError(
            f"{what} needs more packages ({error}): pip install 'hpcbatch[{extra}]'"
        ) from error
