"""What the fake schedulers share: arrays kept as files, elements run as real processes.

The state lies in one folder, which each dialect finds by the variable that its real programs
are told their configuration by. One keeper process per array (``keeper``) starts its elements,
throttled and in order, and is the only one that writes the array's file; others ask it by a request
file. Elements and keepers carry the folder's name in their environment: ``end_all`` finds them.

The tests start these programs thousands of times, and Python takes longer to load most modules than
a program runs: here are only built-in ones. Hence files by ``marshal``, not ``json``.
"""

from __future__ import annotations

import marshal
import os
import sys
import time

TYPE_CHECKING = False  # that of typing would have to be loaded
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

Stored = dict[str, "Any"]  # what is known of an array, or of an element
Steps = list[tuple[float, int]]  # seconds and signal

KILL = 9  # signal.SIGKILL
KILL_WAIT = 1.0  # seconds from TERM to KILL
PAUSE = 0.02  # seconds between two looks at files
PENDING, RUNNING, COMPLETED, FAILED, CANCELLED, TIMEOUT = (
    "PENDING",
    "RUNNING",
    "COMPLETED",
    "FAILED",
    "CANCELLED",
    "TIMEOUT",
)
ALIVE = (PENDING, RUNNING)


class Order:
    """What a submit command understood of a script."""

    throttle: int | None = None
    never = ""  # why no element can ever run
    unmet = ""  # said of elements that wait for what failed
    cancels_unmet = False
    checks_output = False  # an element whose output cannot be opened is kept back
    walltime: float | None = None
    kill_wait = KILL_WAIT
    cancels_with: Steps | None = None  # None: TERM, KILL
    times_out_with: Steps = [(0.0, KILL)]  # seconds after the walltime

    def __init__(
        self,
        *,
        name: str,
        indices: list[int],
        is_array: bool,
        argv: list[str],
        folder: str,
        output: str,
        env: dict[str, str],
        index_variable: str,
    ) -> None:
        self.name, self.indices, self.is_array = name, indices, is_array
        self.argv, self.folder, self.output = argv, folder, output
        self.env, self.index_variable = env, index_variable
        self.after: list[str] = []
        self.after_ok: list[str] = []


class Refused(Exception):
    """What a program says on stderr, and its exit status."""

    def __init__(self, said: str, status: int = 1):
        super().__init__(said)
        self.said, self.status = said, status


class Engine:
    def __init__(self, folder: str):
        self.folder = folder
        self.jobs = f"{folder}/jobs"
        os.makedirs(self.jobs, exist_ok=True)

    def submit(self, order: Order, script: bytes) -> str:
        from keeper import submit  # the others need not load it

        return submit(self, order, script)

    def arrays(self) -> list[tuple[str, Stored]]:
        names = [name for name in os.listdir(self.jobs) if name.endswith(".array")]
        numbers = sorted((name.removesuffix(".array") for name in names), key=int)
        return [(number, self.array(number)) for number in numbers]

    def array(self, number: str) -> Stored:
        with open(self.file(number), "rb") as file:
            return dict(marshal.load(file))

    def file(self, number: str) -> str:
        return f"{self.jobs}/{number}.array"

    def exists(self, number: str) -> bool:
        return os.path.exists(self.file(number))

    def is_alive(self, number: str) -> bool:
        return self.exists(number) and any(
            element["state"] in ALIVE for element in self.array(number)["elements"].values()
        )

    def succeeded(self, number: str) -> bool:
        elements = self.array(number)["elements"].values()
        return all(element["state"] == COMPLETED for element in elements)

    def cancel(self, number: str, indices: Iterable[int] | None) -> None:
        """Returns when the keeper has seen to it, or has ended."""
        request = f"{self.jobs}/{number}.cancel-{os.getpid()}"
        write(request, marshal.dumps(None if indices is None else [str(i) for i in indices]))
        give_up = time.monotonic() + 10
        while os.path.exists(request) and self.is_alive(number) and time.monotonic() < give_up:
            time.sleep(PAUSE)
        try:
            os.unlink(request)
        except FileNotFoundError:
            pass


def end_all(folder: str | os.PathLike[str]) -> list[int]:
    """Kill everything that came of arrays in ``folder``; returns the processes found."""
    mark, found = os.fsencode(folder), []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        if pid == os.getpid():
            continue
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                variables = file.read().split(b"\0")
            if any(v.partition(b"=")[2].startswith(mark) for v in variables):
                os.kill(pid, KILL)
                found.append(pid)
        except OSError:
            pass
    return found


def read(path: str) -> str:
    """The content of a file; empty where there is none."""
    try:
        with open(path) as file:
            return file.read()
    except FileNotFoundError:
        return ""


def write(path: str, content: bytes) -> None:
    """At once, for those who read it meanwhile."""
    new = f"{path}.{os.getpid()}.new"
    with open(new, "wb") as file:
        file.write(content)
    os.replace(new, path)


def parse_options(args: list[str], known: str) -> tuple[list[tuple[str, str]], list[str]]:
    """As ``getopt.getopt`` with short options; one that is wrong is the text of a ValueError."""
    pairs, left = [], list(args)
    while left and left[0].startswith("-"):
        word = left.pop(0)[1:]
        if word.startswith("-"):
            raise ValueError(word[1:])
        while word:
            letter, word, value = word[0], word[1:], ""
            takes_value = f"{letter}:" in known
            if letter not in known or (takes_value and not word and not left):
                raise ValueError(letter)
            if takes_value:
                value, word = word or left.pop(0), ""
            pairs.append((f"-{letter}", value))
    return pairs, left


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """(first, last) of neighbouring numbers."""
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def main(program: Callable[[list[str]], None]) -> None:
    """Run a fake program; what it refuses goes to stderr."""
    try:
        program(sys.argv[1:])
    except Refused as refused:
        if refused.said:
            print(refused.said, file=sys.stderr)
        sys.exit(refused.status)
