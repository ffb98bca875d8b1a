"""What the programs of the toy scheduler share. The state lies in the folder TOY_STATE; the engine
that runs elements is that of the other fakes, in the folder TOY_ENGINE."""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.environ["TOY_ENGINE"])

from engine import ALIVE, Engine, Order, Refused, main

__all__ = ["ALIVE", "MOST_ELEMENTS", "Order", "Refused", "engine", "main", "members"]

MOST_ELEMENTS = 500


def engine() -> Engine:
    if os.path.exists(f"{os.environ['TOY_STATE']}/down"):
        raise Refused("the toy is away")
    return Engine(os.environ["TOY_STATE"])


def members(text: str) -> list[int]:
    """The indices of ``3,7-9``."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found
