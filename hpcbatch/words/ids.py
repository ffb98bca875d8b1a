"""Which id a person means."""

from __future__ import annotations

from collections.abc import Iterable

LAST = "last"  # stands for the newest


def ids_meant(ids: Iterable[str], text: str) -> list[str]:
    """The id ``text``, else all that begin with it; none where it is empty."""
    known = list(ids)
    if text in known:
        return [text]
    return [one for one in known if text and one.startswith(text)]
