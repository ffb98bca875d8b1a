"""What executions of jobs leave behind: a file per process, a line at each begin and end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple


class Execution(NamedTuple):
    """One call of the function. Times are seconds since the epoch, all of one host."""

    job: int
    attempt: int
    element: int
    pid: int
    begun: float
    ended: float | None
    went_on: float | None  # its process began another job, so this one's result is on disk
    exited: float | None  # its process came to its regular end

    @property
    def process(self) -> tuple[int, int, int]:
        return self.attempt, self.element, self.pid


def traced(folder: Path, shortest: float, longest: float) -> Callable[[int], tuple[int, int, int]]:
    """A function that takes so many seconds and leaves traces; returns the square of its
    argument, the attempt, and the pid."""
    traces = str(folder)
    opened: list[int] = []

    def job(x: int) -> tuple[int, int, int]:
        import atexit
        import os
        import random
        import time
        from pathlib import Path

        def tell(word: str, number: int) -> None:
            os.write(opened[0], f"{word} {number} {time.time():.6f}\n".encode())

        attempt, element = Path("/proc/self/cmdline").read_text().split("\0")[3:5]
        if not opened:
            path = f"{traces}/{attempt}-{element}-{os.getpid()}"
            opened.append(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
            atexit.register(tell, "exit", -1)
        tell("begin", x)
        time.sleep(random.uniform(shortest, longest))
        tell("end", x)
        return x * x, int(attempt), os.getpid()

    return job


def read_executions(folder: Path) -> list[Execution]:
    """All that ever began, in the order of their beginning."""
    found = [one for path in folder.iterdir() for one in _of_process(path)]
    return sorted(found, key=lambda execution: execution.begun)


def _of_process(path: Path) -> Iterator[Execution]:
    attempt, element, pid = map(int, path.name.split("-"))
    words = [line.split() for line in path.read_text().splitlines()]
    told = [(word, int(job), float(moment)) for word, job, moment in words]
    begins = [at for at, (word, _, _) in enumerate(told) if word == "begin"]
    exits = [moment for word, _, moment in told if word == "exit"]
    for at, following in zip(begins, [*begins[1:], None], strict=False):
        _, job, begun = told[at]
        ends = [
            moment for word, ended, moment in told[at:following] if (word, ended) == ("end", job)
        ]
        yield Execution(
            job,
            attempt,
            element,
            pid,
            begun,
            ends[0] if ends else None,
            told[following][2] if following is not None else None,
            exits[0] if exits else None,
        )
