"""Starts of the interpreter, the library and the command."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from common import Row, below, in_turn, output, seconds, square, within

import hpcbatch as hb


def start(work: Path) -> Iterator[Row]:
    script = str(Path(sys.executable).with_name("hpcbatch"))
    waiting = hb.create(square, range(10))
    running = hb.create(_sleep, [60]).submit("local")
    commands = [
        [sys.executable, "-c", "pass"],
        [sys.executable, "-c", "import hpcbatch"],
        [script, "--help"],
        [script, "status", waiting.id, "--json"],
        [script, "status", running.id, "--json"],
    ]
    try:
        sides = [partial(seconds, partial(output, argv)) for argv in commands]
        bare, library, usage, status, status_running = in_turn(*sides)
    finally:
        running.cancel()
    over = (statistics.median(library) - statistics.median(bare)) * 1000
    yield below("import hpcbatch, over bare Python", over, 60, "ms")
    for what, times in (("hpcbatch --help", usage), ("hpcbatch status ID --json", status)):
        yield below(what, statistics.median(times) * 1000, 250, "ms")
        yield within(what, times, bare, "python -c pass", 8)
    what = "hpcbatch status ID --json, of a task that runs: asks its cluster as well"
    yield below(what, statistics.median(status_running) * 1000, 250, "ms")


def _sleep(seconds: float) -> None:
    import time

    time.sleep(seconds)
