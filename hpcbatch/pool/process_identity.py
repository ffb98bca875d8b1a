"""Whether a process that was noted down is still the same."""

from __future__ import annotations

from ..disk.process_tree import born, look


def is_same_process(pid: int, begun: float) -> bool:
    """Whether the process ``pid`` of this host did live at ``begun`` (seconds since the epoch)."""
    seen = look(pid)
    return seen is not None and born(seen.process) <= begun + 1.0
