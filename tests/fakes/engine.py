"""What the fake schedulers share: arrays kept as files, elements run as real processes.

The state lies in one folder, which each dialect finds by the variable that its real programs
are told their configuration by. One keeper process per array starts its elements, throttled and
in order, and is the only one that writes the array's file; others ask it by a request file.
Elements and keepers carry the folder's name in their environment: ``end_all`` finds them by it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SLOTS = 8  # elements of one array at once
KILL_WAIT = 1.0  # seconds from TERM to KILL
PAUSE = 0.004
PENDING, RUNNING, COMPLETED, FAILED, CANCELLED, TIMEOUT = (
    "PENDING",
    "RUNNING",
    "COMPLETED",
    "FAILED",
    "CANCELLED",
    "TIMEOUT",
)
ALIVE = (PENDING, RUNNING)


@dataclass
class Element:
    state: str = PENDING
    pid: int = 0
    status: int = 0  # as of wait()
    started: float = 0.0
    ended: float = 0.0
    memory: int = 0  # bytes
    why: str = ""  # it will never run, or never ran


@dataclass
class Order:
    """What a submit command understood of a script."""

    name: str
    indices: list[int]
    is_array: bool
    argv: list[str]
    folder: str
    output: str
    env: dict[str, str]
    index_variable: str
    throttle: int | None = None
    after: list[str] = field(default_factory=list)
    after_ok: list[str] = field(default_factory=list)
    never: str = ""  # why no element can ever run
    unmet: str = ""  # said of elements that wait for what failed
    cancels_unmet: bool = False
    checks_output: bool = False  # an element whose output cannot be opened is kept back
    walltime: float | None = None
    walltime_signal: int = signal.SIGKILL  # any other one is followed by KILL after kill_wait
    kill_wait: float = KILL_WAIT


class Refused(Exception):
    """What a program says on stderr, and its exit status."""

    def __init__(self, said: str, status: int = 1):
        super().__init__(said)
        self.said, self.status = said, status


class Engine:
    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.jobs = self.folder / "jobs"
        self.jobs.mkdir(parents=True, exist_ok=True)

    # submitting

    def submit(self, order: Order, script: bytes) -> str:
        with self._locked():
            counter = self.folder / "last"
            number = str(int(counter.read_text()) + 1 if counter.exists() else 1)
            counter.write_text(number)
        path = self.jobs / f"{number}.sh"
        path.write_bytes(script)
        path.chmod(0o700)
        order.argv = [*order.argv, str(path)]
        elements = {str(index): Element() for index in order.indices}
        _write(self.jobs / f"{number}.json", _shown(order, elements))
        self._detach(number, order, elements)
        return number

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with open(self.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _detach(self, number: str, order: Order, elements: dict[str, Element]) -> None:
        sys.stdout.flush()
        if os.fork():
            return
        try:
            os.setsid()
            null = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(null, stream)
            _Keeper(self, number, order, elements).run()
        except BaseException:  # nobody else would see it
            import traceback

            (self.jobs / f"{number}.crash").write_text(traceback.format_exc())
        finally:
            os._exit(0)

    # asking

    def arrays(self) -> list[tuple[str, dict[str, Any]]]:
        numbers = sorted(int(path.stem) for path in self.jobs.glob("*.json"))
        return [(str(number), self.array(str(number))) for number in numbers]

    def array(self, number: str) -> dict[str, Any]:
        return dict(json.loads((self.jobs / f"{number}.json").read_bytes()))

    def exists(self, number: str) -> bool:
        return (self.jobs / f"{number}.json").exists()

    def is_alive(self, number: str) -> bool:
        return self.exists(number) and any(
            element["state"] in ALIVE for element in self.array(number)["elements"].values()
        )

    def succeeded(self, number: str) -> bool:
        elements = self.array(number)["elements"].values()
        return all(element["state"] == COMPLETED for element in elements)

    # cancelling

    def cancel(self, number: str, indices: Iterable[int] | None) -> None:
        """Returns when the keeper has seen to it, or has ended."""
        request = self.jobs / f"{number}.cancel-{os.getpid()}"
        _write(request, {"indices": None if indices is None else [str(i) for i in indices]})
        give_up = time.monotonic() + 10
        while request.exists() and self.is_alive(number) and time.monotonic() < give_up:
            time.sleep(PAUSE)
        with contextlib.suppress(FileNotFoundError):
            request.unlink()

    def requests(self, number: str) -> Iterator[list[str] | None]:
        for path in self.jobs.glob(f"{number}.cancel-*"):
            if path.suffix.startswith(".cancel-") and not path.name.endswith(".new"):
                with contextlib.suppress(FileNotFoundError):
                    yield json.loads(path.read_bytes())["indices"]
                    path.unlink()


class _Keeper:
    """Runs one array."""

    def __init__(
        self, engine: Engine, number: str, order: Order, elements: dict[str, Element]
    ) -> None:
        self.engine, self.number, self.order, self.elements = engine, number, order, elements
        self.pending = list(elements)
        self.stuck: set[str] = set()
        self.running: dict[int, str] = {}
        self.deadlines: dict[str, tuple[float, int]] = {}
        self.written = 0.0
        self.dirty = False

    def run(self) -> None:
        if self.order.never:
            self._hold_back(self.order.never)
        while self.pending or self.running or self.stuck:
            for indices in self.engine.requests(self.number):
                self._cancel(self.elements if indices is None else indices)
                self._write()
            self._reap()
            self._start()
            self._enforce()
            if self.dirty and time.monotonic() - self.written > 0.02:
                self._write()
            time.sleep(PAUSE)
        self._write()

    def _write(self) -> None:
        _write(self.engine.jobs / f"{self.number}.json", _shown(self.order, self.elements))
        self.written, self.dirty = time.monotonic(), False

    def _start(self) -> None:
        if any(map(self.engine.is_alive, [*self.order.after, *self.order.after_ok])):
            return
        if self.pending and not all(map(self.engine.succeeded, self.order.after_ok)):
            self._hold_back(self.order.unmet)
            if self.order.cancels_unmet:
                self._cancel(list(self.stuck))
        output = Path(self.order.output)
        if self.pending and self.order.checks_output and not output.parent.is_dir():
            self._hold_back(f"can't open output file {output}")
        most = min(self.order.throttle or SLOTS, SLOTS)
        while self.pending and len(self.running) < most:
            index = self.pending.pop(0)
            element = self.elements[index]
            element.pid, element.state, element.started = self._spawn(index), RUNNING, time.time()
            self.running[element.pid] = index
            if self.order.walltime:
                deadline = time.monotonic() + self.order.walltime
                self._end_at(index, deadline, self.order.walltime_signal)
            self.dirty = True

    def _hold_back(self, why: str) -> None:
        for index in self.pending:
            self.elements[index].why = why
        self.stuck.update(self.pending)
        self.pending.clear()
        self.dirty = True

    def _spawn(self, index: str) -> int:
        pid = os.fork()
        if pid:
            return pid
        try:
            os.setsid()
            os.umask(0o022)
            os.chdir(self.order.folder)
            output = os.open(self.order.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(output, 1)
            os.dup2(output, 2)
            told = index if self.order.is_array else "undefined"
            env = {**self.order.env, self.order.index_variable: told}
            os.execvpe(self.order.argv[0], self.order.argv, env)
        finally:
            os._exit(53)

    def _end_at(self, index: str, deadline: float, number: int) -> None:
        self.deadlines[index] = (deadline, number)

    def _enforce(self) -> None:
        for index, (deadline, number) in list(self.deadlines.items()):
            if time.monotonic() >= deadline:
                del self.deadlines[index]
                element = self.elements[index]
                if element.state == RUNNING:
                    element.state = TIMEOUT
                _signal(element.pid, number)
                if number != signal.SIGKILL:
                    self._end_at(index, deadline + self.order.kill_wait, signal.SIGKILL)

    def _cancel(self, indices: Iterable[str]) -> None:
        for index in indices:
            element = self.elements.get(index)
            if element is None:
                continue
            if index in self.pending or index in self.stuck:
                self.stuck.discard(index)
                self.pending = [other for other in self.pending if other != index]
                element.state = CANCELLED
            elif element.pid in self.running:
                element.state = CANCELLED
                if self.order.kill_wait:
                    _signal(element.pid, signal.SIGTERM)
                    self._end_at(index, time.monotonic() + self.order.kill_wait, signal.SIGKILL)
                else:
                    _signal(element.pid, signal.SIGKILL)

    def _reap(self) -> None:
        while self.running:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if not pid:
                return
            index = self.running.pop(pid)
            self.deadlines.pop(index, None)
            element = self.elements[index]
            element.status, element.ended = status, time.time()
            element.memory = usage.ru_maxrss * 1024
            if element.state == RUNNING:
                element.state = FAILED if status else COMPLETED
            _signal(pid, signal.SIGKILL)  # what it left in its group
            self.dirty = True


def end_all(folder: str | Path) -> list[int]:
    """Kill everything that came of arrays in ``folder``; returns the processes found."""
    mark, found = os.fsencode(str(folder)), []
    for entry in Path("/proc").glob("[0-9]*"):
        if int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            variables = (entry / "environ").read_bytes().split(b"\0")
            if any(v.partition(b"=")[2].startswith(mark) for v in variables):
                os.kill(int(entry.name), signal.SIGKILL)
                found.append(int(entry.name))
    return found


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """(first, last) of neighbouring numbers."""
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def main(program: Any) -> None:
    """Run a fake program; what it refuses goes to stderr."""
    try:
        program(sys.argv[1:])
    except Refused as refused:
        if refused.said:
            print(refused.said, file=sys.stderr)
        sys.exit(refused.status)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _shown(order: Order, elements: dict[str, Element]) -> dict[str, Any]:
    return {
        "name": order.name,
        "is_array": order.is_array,
        "throttle": order.throttle,
        "after": [*order.after, *order.after_ok],
        "elements": {index: asdict(element) for index, element in elements.items()},
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    new.write_text(json.dumps(content))
    new.replace(path)
