"""A small process for each element, as Grid Engine has: it sees to it that nothing of it is left.

It is forked by the supervisor, is the subreaper of all that the element starts, and so has a
child for as long as anything of the element lives, whatever forked twice or left the session.
Over a socket it hears of cancellation, and of the supervisor's death (end of file); the last
that it says is how the element ended.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Mapping

from ..disk.forked_child import exit_with_status_of
from ..disk.process_tree import descendants, kill, terminate
from . import process

TYPE_CHECKING = False  # see hpcbatch/__init__.py
if TYPE_CHECKING:
    from typing import NoReturn

_FIRST_SAMPLE = 0.05
_SAMPLE_SECONDS = 0.5
_SAMPLE_SHARE = 0.02  # of one core, at most, goes into sampling
_KILL_AGAIN_SECONDS = 0.02
_LONGEST_WAIT = 60.0
_DEAF_TO = ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "ALRM", "TSTP", "TTIN", "TTOU")


class ElementOrder:
    """What to run, and its limits."""

    def __init__(
        self,
        argv: list[str],
        environment: Mapping[str, str],
        walltime: float | None,
        memory: int | None,
        kill_wait: float,
    ):
        self.argv, self.environment = argv, environment
        self.walltime, self.memory, self.kill_wait = walltime, memory, kill_wait


def live(order: ElementOrder, channel: socket.socket) -> NoReturn:
    """Be the shepherd of one element; to be called in a forked child."""

    def work() -> int:
        for name in _DEAF_TO:  # an element may well signal everything that it can
            signal.signal(getattr(signal, f"SIG{name}"), signal.SIG_IGN)
        process.close_all_but(channel.fileno())
        process.adopt_orphans()
        Shepherd(order, channel).run()
        return 0

    exit_with_status_of(work)


class Shepherd:
    def __init__(self, order: ElementOrder, channel: socket.socket):
        self._order = order
        self._channel = channel
        self._why = ""  # the ending that we brought about, if it was us
        self._ended: tuple[float, float] | None = None  # of the leader; epoch and monotonic
        self._status = 0
        self._peak = 0
        self._kill_at: float | None = None
        self._kill_pause = _KILL_AGAIN_SECONDS
        self._sample_pause = _FIRST_SAMPLE

    def run(self) -> None:
        self._wakeup, writer = os.pipe()
        os.set_blocking(writer, False)
        os.set_blocking(self._wakeup, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self._poll = select.poll()
        self._poll.register(self._wakeup, select.POLLIN)
        self._poll.register(self._channel, select.POLLIN)
        self._began = time.monotonic()
        self._sample_at = self._began + self._sample_pause
        self._floor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self._leader = _start(self._order)
        while self._reap():
            try:
                self._enforce()
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):  # they pass
                    raise
                time.sleep(_KILL_AGAIN_SECONDS)
            self._wait()
        self._report()

    def _reap(self) -> bool:
        """Bury the dead; False when nothing of the element is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._leader:
                self._ended, self._status = (time.time(), time.monotonic()), status

    def _enforce(self) -> None:
        now = time.monotonic()
        if self._kill_at is None:
            if self._ended is not None:
                self._end("", self._order.kill_wait)
            elif self._order.walltime is not None and now - self._began >= self._order.walltime:
                self._end("timeout", self._order.kill_wait)
            elif now >= self._sample_at:
                self._sample()
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            kill(descendants(os.getpid()))
            self._kill_at = time.monotonic() + self._kill_pause
            self._kill_pause = min(self._kill_pause * 2, 1.0)  # disk sleep ends when it ends

    def _end(self, why: str, wait: float) -> None:
        """Ask all to end, kill what is left after ``wait``; asking again only shortens it."""
        now = time.monotonic()
        if self._kill_at is not None:
            self._kill_at = min(self._kill_at, now + wait)
            return
        self._why, self._kill_at = why, now + wait
        if wait > 0:
            terminate(descendants(os.getpid()))

    def _sample(self) -> None:
        begun = time.monotonic()
        tree = descendants(os.getpid())
        limit = self._order.memory
        self._peak = max(self._peak, process.memory(tree, self._peak))
        self._sample_pause = min(self._sample_pause * 2, _SAMPLE_SECONDS)
        cost = time.monotonic() - begun
        self._sample_at = begun + max(self._sample_pause, cost / _SAMPLE_SHARE)
        if limit is not None and self._peak > limit:
            self._end("out-of-memory", 0.0)

    def _wait(self) -> None:
        times = [self._kill_at] if self._kill_at is not None else [self._sample_at]
        if self._kill_at is None and self._order.walltime is not None:
            times.append(self._began + self._order.walltime)
        left = max(min(times) - time.monotonic(), 0.0)
        for fd, _ in self._poll.poll(min(left, _LONGEST_WAIT) * 1000 + 1):
            if fd == self._wakeup:
                os.read(fd, 4096)
            else:
                self._hear()

    def _hear(self) -> None:
        try:
            told = self._channel.recv(256)
        except OSError:
            told = b""
        if told:
            self._end("canceled", float(told))
        else:
            self._poll.unregister(self._channel)  # else its end of file wakes us for ever
            self._end("lost", 0.0)

    def _report(self) -> None:
        ended, monotonic = self._ended or (time.time(), time.monotonic())
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        # a fork's peak begins with its parent's: one that is near ours tells nothing
        known = usage.ru_maxrss > self._floor * 1.25 or self._peak == 0
        code = os.waitstatus_to_exitcode(self._status)
        word = "ok" if code == 0 else "exit-code" if code > 0 else "killed"
        report = {
            "ending": self._why or word,
            "code": code if code >= 0 else None,
            "signal": -code if code < 0 else None,
            "ended": round(ended, 3),
            "elapsed": round(monotonic - self._began, 3),
            "cpu": round(usage.ru_utime + usage.ru_stime, 3),
            "memory": max(self._peak, usage.ru_maxrss * 1024 if known else 0),
        }
        try:
            self._channel.send(json.dumps(report).encode())
        except OSError:
            return  # the supervisor is gone: the element counts as lost


def _start(order: ElementOrder) -> int:
    shepherd = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            _become(order, shepherd)
        finally:
            os._exit(127)
    return pid


def _become(order: ElementOrder, shepherd: int) -> NoReturn:
    process.die_with_parent(shepherd)
    os.setsid()
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.execve(order.argv[0], order.argv, order.environment)
