"""What a pool tells of its workers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class Summary(list[dict[str, Any]]):
    """A row for each worker that is here; ``launches`` tells of those that were launched: how many
    are to come, how many are lost, and why nothing is launched, if so."""

    def __init__(
        self, workers: Iterable[dict[str, Any]] = (), launches: dict[str, Any] | None = None
    ):
        super().__init__(workers)
        self.launches = launches or {}
