"""What runs an array's elements; only the programs that submit load it."""

from __future__ import annotations

import contextlib
import fcntl
import marshal
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator

from engine import (
    CANCELLED,
    COMPLETED,
    FAILED,
    PAUSE,
    PENDING,
    RUNNING,
    TIMEOUT,
    Engine,
    Order,
    Steps,
    read,
    write,
)

SLOTS = 8  # elements of one array at once
ENDED = (signal.SIGCHLD,)


class Element:
    def __init__(self) -> None:
        self.state = PENDING
        self.pid = 0
        self.status = 0  # as of wait()
        self.started = 0.0
        self.ended = 0.0
        self.memory = 0  # bytes
        self.why = ""  # it will never run, or never ran


def submit(engine: Engine, order: Order, script: bytes) -> str:
    with open(f"{engine.folder}/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        counter = f"{engine.folder}/last"
        number = str(int(read(counter) or 0) + 1)
        write(counter, number.encode())
    path = f"{engine.jobs}/{number}.sh"
    write(path, script)
    os.chmod(path, 0o700)
    order.argv = [*order.argv, path]
    keeper = _Keeper(engine, number, order)
    keeper.write()
    sys.stdout.flush()
    if not os.fork():
        _detach(keeper)
    return number


def _detach(keeper: _Keeper) -> None:
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        keeper.run()
    except BaseException:  # nobody else would see it
        import traceback

        crash = f"{keeper.engine.jobs}/{keeper.number}.crash"
        write(crash, traceback.format_exc().encode())
    finally:
        os._exit(0)


class _Keeper:
    """Runs one array."""

    def __init__(self, engine: Engine, number: str, order: Order) -> None:
        self.engine, self.number, self.order = engine, number, order
        self.elements = {str(index): Element() for index in order.indices}
        self.pending = list(self.elements)
        self.stuck: set[str] = set()
        self.running: dict[int, str] = {}
        self.deadlines: dict[str, Steps] = {}
        self.written = 0.0
        self.dirty = False

    def run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDED)  # kept for sigtimedwait
        if self.order.never:
            self._hold_back(self.order.never)
        while self.pending or self.running or self.stuck:
            for indices in self._requests():
                self._cancel(self.elements if indices is None else indices)
                self.write()
            self._reap()
            self._start()
            self._enforce()
            if self.dirty and time.monotonic() - self.written > PAUSE:
                self.write()
            signal.sigtimedwait(ENDED, PAUSE)
        self.write()

    def write(self) -> None:
        order = self.order
        told = {
            "name": order.name,
            "is_array": order.is_array,
            "throttle": order.throttle,
            "after": [*order.after, *order.after_ok],
            "elements": {index: vars(element) for index, element in self.elements.items()},
        }
        write(self.engine.file(self.number), marshal.dumps(told))
        self.written, self.dirty = time.monotonic(), False

    def _requests(self) -> Iterator[list[str] | None]:
        for name in os.listdir(self.engine.jobs):
            if name.startswith(f"{self.number}.cancel-") and not name.endswith(".new"):
                path = f"{self.engine.jobs}/{name}"
                with contextlib.suppress(FileNotFoundError):
                    with open(path, "rb") as file:
                        asked = marshal.load(file)
                    yield asked
                    os.unlink(path)

    def _start(self) -> None:
        first = [*self.order.after, *self.order.after_ok]
        if not self.pending or any(map(self.engine.is_alive, first)):
            return
        if not all(map(self.engine.succeeded, self.order.after_ok)):
            self._hold_back(self.order.unmet)
            if self.order.cancels_unmet:
                self._cancel(list(self.stuck))
        output = self.order.output
        if self.pending and self.order.checks_output and not os.path.isdir(os.path.dirname(output)):
            self._hold_back(f"can't open output file {output}")
        most = min(self.order.throttle or SLOTS, SLOTS)
        while self.pending and len(self.running) < most:
            index = self.pending.pop(0)
            element = self.elements[index]
            element.pid, element.state, element.started = self._spawn(index), RUNNING, time.time()
            self.running[element.pid] = index
            if self.order.walltime:
                steps = self.order.times_out_with
                self._end_by(index, [(self.order.walltime + after, n) for after, n in steps])
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
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDED)
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

    def _end_by(self, index: str, steps: Steps) -> None:
        now = time.monotonic()
        self.deadlines[index] = [(now + after, number) for after, number in steps]

    def _enforce(self) -> None:
        for index, steps in self.deadlines.items():
            while steps and time.monotonic() >= steps[0][0]:
                _, number = steps.pop(0)
                element = self.elements[index]
                if element.state == RUNNING:
                    element.state = TIMEOUT
                _signal(element.pid, number)

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
                wait = self.order.kill_wait
                usual: Steps = [(0.0, signal.SIGTERM)] if wait else []
                usual.append((wait, signal.SIGKILL))
                self._end_by(index, self.order.cancels_with or usual)
                self._enforce()

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


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
