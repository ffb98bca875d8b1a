"""The supervisor of one submission: starts its elements, cancels them, records how they ended."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable

from ..disk import files
from ..words.ranges import Ranges, chosen
from . import process, shepherd
from .journal import EndingRecord, Journal, ending
from .slots import Slots
from .spool import Spool
from .submission import Submission
from .waiting import Waiting

TYPE_CHECKING = False  # see hpcbatch/__init__.py
if TYPE_CHECKING:
    from typing import Any

_PATH = "/usr/local/bin:/usr/bin:/bin"
_KEPT_NAMES = ("HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TMPDIR")
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.005, 0.25  # between looks at slots that others hold
_LONGEST_LOOK = 1.0  # between looks at submissions that it waits for
_RETRY_SECONDS = 1.0  # after a failed write or fork
_HEARTBEAT_SECONDS = 3600.0
_UNWRITTEN_SECONDS = 3600.0  # how long endings that cannot be written are kept


class RunningElement:
    """A running element, from the supervisor's side; ``shepherd`` is a pid, ours to wait for."""

    def __init__(
        self, number: int, slots: list[int], started: float, shepherd: int, channel: socket.socket
    ):
        self.number, self.slots, self.started = number, slots, started
        self.shepherd, self.channel = shepherd, channel


class Daemon:
    def __init__(self, submission: Submission, asked: dict[str, Any]):
        self._submission, self._asked = submission, asked
        self._queued = Ranges([(0, asked["elements"])])
        self._running: dict[int, RunningElement] = {}
        self._shepherds: set[int] = set()
        self._saved = ""
        self._failing_since: float | None = None
        self._leaving = False
        self._waits = ""  # the submission that it waits for
        self._pause = 0.0  # above 0 while it waits for that, or for slots
        self._beaten = time.monotonic()

    def stand(self) -> None:
        """Hold the lock, then become visible: whoever sees the submission sees it alive."""
        path = self._submission.path
        self._lock = self._submission.hold()
        self._bell = os.open(path("bell"), os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        spool_path = os.path.dirname(self._submission.folder)
        self._slots = Slots(f"{spool_path}/slots", self._asked["slots"])
        self._waiting = Waiting(Spool(spool_path), self._asked["after"], self._asked["after_ok"])
        self._journal = Journal(path("endings"))
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._bell, selectors.EVENT_READ, self._hear)
        signal.signal(signal.SIGTERM, self._leave)
        signal.set_wakeup_fd(self._bell, warn_on_full_buffer=False)
        process.adopt_orphans()
        files.publish(path("submission.json"), json.dumps(self._asked).encode())

    def run(self) -> None:
        """Until every element ended and every ending is written."""
        self._hear()
        while True:
            self._start_what_may()
            self._save()
            if not self._unfinished():
                return
            for key, _ in self._selector.select(self._longest_wait()):
                react: Callable[[], None] = key.data
                react()
            self._beat()

    def _unfinished(self) -> bool:
        if self._queued or self._running:
            return True
        failing = time.monotonic() - (self._failing_since or time.monotonic())
        return bool(self._journal.pending) and failing < _UNWRITTEN_SECONDS and not self._leaving

    def _start_what_may(self) -> None:
        self._waits = self._waiting.look() if self._queued else ""
        if self._waits:
            self._pause = min(max(self._pause * 2, _SHORTEST_PAUSE), _LONGEST_LOOK)
            return
        if self._waiting.failed:
            self._end_queued("dependency", None)
        while self._queued and len(self._running) < (self._asked["throttle"] or sys.maxsize):
            slots = self._slots.take(self._asked["cpus"])
            if slots is None:
                enough = (len(self._running) + 1) * self._asked["cpus"] <= self._asked["slots"]
                longer = min(max(self._pause * 2, _SHORTEST_PAUSE), _LONGEST_PAUSE)
                self._pause = longer if enough else 0.0  # else an own element must end first
                return
            try:
                self._start(self._queued.runs[0][0], slots)
            except OSError as error:  # too many processes or open files, for now
                self._slots.release(slots)
                self._say(f"cannot start an element: {error}")
                self._pause = _RETRY_SECONDS
                return
            self._queued = self._queued.slice(1, len(self._queued))
        self._slots.give_way()
        self._pause = 0.0

    def _start(self, index: int, slots: list[int]) -> None:
        order, started = self._order(index), round(time.time(), 3)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs:
            try:
                pid = os.fork()
            except OSError:
                ours.close()
                raise
            if pid == 0:
                shepherd.live(order, theirs)
        element = RunningElement(index, slots, started, pid, ours)
        self._shepherds.add(pid)
        self._running[index] = element
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._heard(element))

    def _order(self, index: int) -> shepherd.ElementOrder:
        environment = {name: os.environ[name] for name in _KEPT_NAMES if name in os.environ}
        environment |= {"PATH": _PATH, "TERM": "dumb"}
        environment |= {**self._submission.marks(), "HPCBATCH_LOCAL_INDEX": str(index)}
        return shepherd.ElementOrder(
            ["/bin/bash", self._submission.path("script.sh")],
            environment,
            self._asked["walltime"],
            self._asked["memory"],
            self._asked["kill_wait"],
        )

    def _heard(self, element: RunningElement) -> None:
        """The shepherd's report, or its end."""
        try:
            told = element.channel.recv(4096)
        except OSError:
            told = b""
        if told:
            report = json.loads(told)
            self._ended(element, ending(element.number, report.pop("ending"), **report))
            return
        self._selector.unregister(element.channel)
        element.channel.close()
        status = os.waitpid(element.shepherd, 0)[1]
        self._shepherds.discard(element.shepherd)
        if element.number in self._running:
            self._bury(element, status)

    def _bury(self, element: RunningElement, status: int) -> None:
        """An element whose shepherd was killed: what that kept is ours now, and is killed."""
        process.kill_strays(os.getpid(), self._shepherds)
        code = os.waitstatus_to_exitcode(status)
        word, number = ("killed", -code) if code < 0 else ("lost", None)
        now = round(time.time(), 3)
        self._ended(element, ending(element.number, word, signal=number, ended=now))

    def _ended(self, element: RunningElement, how: EndingRecord) -> None:
        self._journal.add({**how, "started": element.started})
        self._slots.release(element.slots)
        del self._running[element.number]

    def _leave(self, *_: object) -> None:
        self._leaving = True  # and the signal's number rings the bell

    def _hear(self) -> None:
        try:
            while os.read(self._bell, 4096):
                pass
        except BlockingIOError:
            pass
        for indices, wait in self._submission.requests():
            self._cancel(chosen(indices), wait)
        if self._leaving:
            self._cancel(None, None)

    def _cancel(self, wanted: Ranges | None, wait: float | None) -> None:
        self._end_queued("canceled", wanted)
        for element in self._running.values():
            if wanted is None or element.number in wanted:
                self._tell(element.channel, self._asked["kill_wait"] if wait is None else wait)

    def _end_queued(self, word: str, wanted: Ranges | None) -> None:
        gone = [index for index in self._queued if wanted is None or index in wanted]
        left = set(self._queued).difference(gone) if len(gone) < len(self._queued) else ()
        self._queued = Ranges.of(left)
        now = round(time.time(), 3)
        for index in gone:
            self._journal.add(ending(index, word, ended=now))

    def _tell(self, channel: socket.socket, wait: float) -> None:
        try:
            channel.send(str(wait).encode())
        except OSError:
            return  # it has ended, or has been told so often that it did not listen yet

    def _save(self) -> None:
        """Endings first: what the state shows no more must be found among them."""
        try:
            self._journal.flush()
            self._save_state()
        except OSError as error:
            if self._failing_since is None:
                self._failing_since = time.monotonic()
                self._say(f"cannot write to the spool, will try again: {error}")
        else:
            self._failing_since = None

    def _save_state(self) -> None:
        queued = self._queued.spans()
        running = {element.number: element.started for element in self._running.values()}
        state = json.dumps({"queued": queued, "running": running, "waits": self._waits})
        if state == self._saved:
            return
        path = self._submission.path("state.json")
        with open(f"{path}.tmp", "w", encoding="ascii") as file:
            file.write(state)
        os.replace(f"{path}.tmp", path)
        self._saved = state

    def _longest_wait(self) -> float:
        waits = [_HEARTBEAT_SECONDS]
        if self._pause:
            waits.append(self._pause)
        if self._failing_since is not None:
            waits.append(_RETRY_SECONDS)
        return min(waits)

    def _beat(self) -> None:
        if time.monotonic() - self._beaten >= _HEARTBEAT_SECONDS:
            self._beaten = time.monotonic()
            self._submission.keep_fresh()

    def _say(self, text: str) -> None:
        try:
            print(time.strftime("%Y-%m-%d %H:%M:%S"), text, file=sys.stderr, flush=True)
        except OSError:
            return  # the disk is full: that is what we were about to say
