"""Parts of hpcbatch that need more packages than it brings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .errors import UsageError


class MissingPackages(UsageError):
    """Tells what to install."""

    def stand_in(self, name: str) -> type:
        """In the place of what cannot be loaded: raises this where it is called, so that to look
        at it, as ``help`` and ``import *`` do, is no error."""

        def refuse(*_: Any, **__: Any) -> Any:
            raise MissingPackages(str(self))

        return type(name, (), {"__doc__": str(self), "__new__": refuse})


@contextmanager
def needs(what: str, extra: str) -> Iterator[None]:
    """Around imports: raises MissingPackages where one of them is missing."""
    try:
        yield
    except ImportError as error:
        raise MissingPackages(
            f"{what} needs more packages ({error}): pip install 'hpcbatch[{extra}]'"
        ) from error
