"""Why somebody looks at a task: who looks on and on waits longer for a new listing."""

from __future__ import annotations

from enum import Enum


class Look(Enum):
    AFRESH = 0  # what is to be done depends on it
    ONCE = 1
    ON_AND_ON = 2
