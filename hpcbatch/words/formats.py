"""The number that JSON files of the registry carry: a newer one is refused, not misread.

Files of records have none of their own: who changes them counts FORMAT up, and task.json is read
before they are.
"""

from __future__ import annotations

from typing import Any

from .errors import NewerFormat

FORMAT = 1  # of task.json and everything beside it


def checked_format(fields: dict[str, Any], what: str) -> dict[str, Any]:
    """``fields`` without their format number. Raises NewerFormat; ValueError for no table."""
    if not isinstance(fields, dict):
        raise ValueError("it holds no table")
    found = fields.get("format", 0)
    if not isinstance(found, int) or found > FORMAT:
        raise NewerFormat(
            f"{what} has format {found} and this hpcbatch reads up to {FORMAT}: "
            "use the newer hpcbatch that wrote it"
        )
    return {name: value for name, value in fields.items() if name != "format"}
