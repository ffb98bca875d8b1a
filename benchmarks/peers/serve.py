"""Does a piece of work once for each line on standard input, and tells how long it took, or the
seconds that the work itself has found."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

LINES, TOLD = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # what a peer starts must not read them
os.dup2(2, 1)  # nor does what a peer says belong to what is told


def serve(work: Callable[[], object]) -> None:
    print("ready", file=TOLD, flush=True)
    for _ in LINES:
        began = time.perf_counter()
        found = work()
        took = time.perf_counter() - began
        print(found if isinstance(found, float) else took, file=TOLD, flush=True)


def square(i: int) -> int:
    return i * i
