"""Whether a process that was noted down is still the same."""

from __future__ import annotations

import os
import time

from ..disk.process_tree import look


def is_same_process(pid: int, begun: float) -> bool:
    """Whether the process ``pid`` of this host did live at ``begun`` (seconds since the epoch)."""
    seen = look(pid)
    if seen is None:
        return False
    ticks = os.sysconf("SC_CLK_TCK")
    up = time.clock_gettime(time.CLOCK_BOOTTIME)
    return seen.process.start / ticks <= up - (time.time() - begun) + 1.0
