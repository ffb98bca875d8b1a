"""Parts of hpcbatch that need more packages than it brings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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


def stand_in(name: str, why: UsageError) -> type:
    """In the place of what ``needs`` more packages: raises that where it is called, so that to look
    at it, as ``help`` and ``import *`` do, is no error."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise UsageError(str(why))

    return type(name, (), {"__doc__": str(why), "__new__": refuse})
