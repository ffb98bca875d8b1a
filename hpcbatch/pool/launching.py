"""Launches workers as they are wanted: gathers what is asked for, and pauses where it fails.

A thread of its own launches, since a scheduler may take its time.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from ..words.errors import HpcbatchError, PoolClosed, SubmissionDeferred, SubmissionRejected
from ..words.layout import PoolLayout
from ..words.messages import in_short
from .arrivals import REFUSALS, Arrivals, Expected
from .folder import was_ended
from .launchers.base import Call, Launcher
from .logs import Logs, WorkerLogs
from .scaling import to_launch

log = logging.getLogger("hpcbatch.pool")

GATHER = 0.05  # seconds in which pushes are gathered, so that their workers start as one array
FAILURES = 3  # launches that fail in a row before it pauses
PAUSES = (60.0, 900.0)  # seconds: the first pause, and the longest
ENDED = "the pool was ended by somebody else: its door is gone"
REFUSED = (
    f"no worker has ever come, and launching them was refused {REFUSALS} times: mend what is told "
    "here, and make another Controller."
)


class Launching:
    """``call`` makes the call of a launch from its number. ``end`` is called with the reason when
    nothing can ever be launched: somebody else has ended the pool, or its first workers are
    refused for good; without it the latter are tried again after a pause. All times are seconds."""

    def __init__(
        self,
        pool: str,
        layout: PoolLayout,
        launcher: Launcher,
        call: Callable[[int], Call],
        maximum: int,
        seconds_launch: float,
        logs: WorkerLogs | None = None,
        end: Callable[[str], None] | None = None,
    ):
        self._pool, self._layout, self._launcher, self._call = pool, layout, launcher, call
        self._logs: WorkerLogs = logs or Logs(layout)
        self._end = end
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._arrivals = Arrivals(seconds_launch)
        self._is_closing = self._is_hurried = False
        self.maximum, self.is_automatic = maximum, True
        self._demand = self._connected = self._failures = 0
        self._numbers = itertools.count(1)
        self._pause_until = self._asked = 0.0
        self._why = ""
        self._failed: dict[int, str] = {}  # why, by the launch
        self._thread = threading.Thread(target=self._live, name="hpcbatch-launching", daemon=True)

    def start(self, workers: int) -> None:
        """Launch the first ones."""
        self._is_hurried = True
        self._demand = workers
        self._thread.start()

    def tell(self, demand: int, connected: int, came: Iterable[dict[str, Any]]) -> None:
        """How many tasks are left and workers are here, and what new ones said of themselves. To
        be called as often as one likes: it costs little, and waits for nothing."""
        with self._lock:
            self._demand, self._connected = demand, connected
            if self._arrivals.come(came):
                self._failures, self._why, self._pause_until = 0, "", 0.0
            is_wanted = self._wanted() > 0 and self.is_automatic
        if is_wanted and time.monotonic() >= self._pause_until:
            self._wake.set()

    def scale(self) -> int:
        """Launch now what is wanted, also where launching pauses; returns how many that are."""
        with self._lock:
            self._pause_until, self._failures, self._is_hurried = 0.0, 0, True
            wanted = self._wanted()
        self._wake.set()
        return wanted

    def report(self) -> dict[str, Any]:
        """Counts, and why nothing is launched, if so."""
        with self._lock:
            arrivals = self._arrivals
            left = self._pause_until - time.monotonic()
            return {
                "launched": arrivals.launched,
                "launching": arrivals.launching,
                "arrived": arrivals.arrived,
                "lost": arrivals.lost,
                "failures": self._failures,
                "pauses_for": max(left, 0.0) if self._failures >= FAILURES else 0.0,
                "why": self._why,
            }

    def failure(self, number: int) -> str:
        """Why that launch failed; empty where it has not."""
        with self._lock:
            return self._failed.get(number, "")

    def close(self) -> None:
        """End what is left of all launches. Raises what the launcher does."""
        self._is_closing = True
        self._wake.set()
        self._thread.join()
        self._launcher.terminate_workers()

    def _wanted(self) -> int:
        launching = self._arrivals.launching
        return to_launch(self._demand, launching, self._connected, self.maximum)

    def _live(self) -> None:
        while not self._is_closing:
            try:
                self._turn()
            except Exception:
                log.exception("launching workers of pool %s has failed", self._pool)
                self._fail(0, "hpcbatch itself has failed: the log tells how")
            self._wake.wait(self._seconds_to_rest())

    def _turn(self) -> None:
        self._wake.clear()
        with self._lock:
            is_hurried, self._is_hurried = self._is_hurried, False
        if not is_hurried:
            time.sleep(GATHER)
        self._look_for_losses()
        with self._lock:
            may = is_hurried or (self.is_automatic and time.monotonic() >= self._pause_until)
            wanted = self._wanted() if may else 0
        if wanted and not self._is_closing:
            self.launch(wanted)

    def _seconds_to_rest(self) -> float | None:
        """None: until something is told."""
        with self._lock:
            now = time.monotonic()
            waits = [self._pause_until - now] if self._wanted() and self._pause_until > now else []
            if self._arrivals.open():
                waits.append(self._launcher.pause)
        return max(min(waits), 0.01) if waits else None

    def launch(self, n: int) -> int:
        """``n`` workers now; returns the number of the launch, also where that fails."""
        number = next(self._numbers)
        with self._lock:  # before a worker can come
            self._arrivals.expect(number, n)
        try:
            if was_ended(self._layout):
                raise PoolClosed(ENDED)
            taken = self._launcher.launch_workers(self._call(number), n)
        except PoolClosed as error:
            self._withdraw(number, n)
            self._give_up(number, str(error))
        except SubmissionRejected as error:
            self._withdraw(number, n, is_final=True)
            with self._lock:
                are_refused = self._arrivals.are_refused
            if are_refused and self._end is not None:
                self._give_up(number, f"{REFUSED} {error}")
            else:
                self._fail(number, str(error))
        except SubmissionDeferred as error:
            self._withdraw(number, n)
            self._defer(number, in_short(error))
        except (OSError, HpcbatchError) as error:
            self._withdraw(number, n)
            self._fail(number, str(error))
        except Exception as error:  # a launcher is its author's code
            self._withdraw(number, n)
            self._fail(number, f"{type(error).__name__}: {error}")
        else:
            if taken is not None and taken < n:
                self._withdraw(number, n - taken)
            with self._lock:
                self._arrivals.begin(number, time.monotonic())
            self._wake.set()
        return number

    def _withdraw(self, number: int, n: int, is_final: bool = False) -> None:
        with self._lock:
            self._arrivals.withdraw(number, n, is_final)

    def _give_up(self, number: int, why: str) -> None:
        """Nothing is launched any more."""
        with self._lock:
            self._is_closing = True
            self._failures += 1
            self._why = self._failed[number] = why
        if self._end is not None:
            self._end(why)

    def _look_for_losses(self) -> None:
        now = time.monotonic()
        if now - self._asked < self._launcher.pause:
            return
        self._asked = now
        with self._lock:
            launches = self._arrivals.open()
        for launch in launches:
            asks = launch.is_late(now) or self._launcher.is_prompt
            try:
                standing = self._launcher.standing(launch.number) if asks else None
            except HpcbatchError as error:  # nobody is missed for that
                log.info("pool %s: launch %d: %s", self._pool, launch.number, error)
                with self._lock:
                    self._arrivals.put_off(launch, time.monotonic())
                continue
            with self._lock:
                lost = launch.lost
                in_vain = self._arrivals.judge(launch, standing, self._launcher.is_prompt, now)
                lost = launch.lost - lost
            if lost:
                log.warning("%d workers of launch %d never came", lost, launch.number)
            if in_vain:
                self._fail(launch.number, f"its workers never came. {self._said(launch)}")

    def _said(self, launch: Expected) -> str:
        """The end of what a worker of the launch has logged."""
        name, said = self._logs.said(launch.number) or ("", "")
        if said:
            return f"{name} says: {said}"
        return f"There is no log of any in {self._logs.folder}: they did not start."

    def _defer(self, number: int, why: str) -> None:
        with self._lock:
            is_news = self._why != why
            self._why = self._failed[number] = why
            self._pause_until = time.monotonic() + self._launcher.pause
        if is_news:  # it is tried again every moment
            log.warning("pool %s: no worker was launched: %s", self._pool, why)

    def _fail(self, number: int, why: str) -> None:
        with self._lock:
            self._failures += 1
            self._why = self._failed[number] = why
            pause = 2.0**self._failures
            if is_pausing := self._failures >= FAILURES:
                pause = min(PAUSES[0] * 2 ** (self._failures - FAILURES), PAUSES[1])
            self._pause_until = time.monotonic() + pause
        if is_pausing:
            told = f"launching failed {self._failures} times, and pauses for {pause:.0f} s"
            log.warning("pool %s: %s (scale() tries at once): %s", self._pool, told, why)
        else:
            log.warning("pool %s: a launch failed: %s", self._pool, why)
