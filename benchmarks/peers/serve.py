"""Does a piece of work once for each line on standard input, and tells how long it took."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

LINES = os.fdopen(os.dup(0))
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # what a peer starts must not read them


def serve(work: Callable[[], object]) -> None:
    print("ready", flush=True)
    for _ in LINES:
        began = time.perf_counter()
        work()
        print(time.perf_counter() - began, flush=True)


def square(i: int) -> int:
    return i * i
