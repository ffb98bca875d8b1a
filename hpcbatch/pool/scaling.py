"""How many workers to launch: a pure function of counts. No clock, no history."""

from __future__ import annotations


def to_launch(demand: int, launching: int, connected: int, maximum: int) -> int:
    """``demand``: tasks that are not resolved; ``launching``: workers that were launched and have
    not come yet. With what it returns counted as launching, it returns 0."""
    return max(min(demand, maximum) - launching - connected, 0)
