"""With a site whose connection is lost: what may be asked twice is asked again, and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from ..words.errors import NotFound, SiteUnreachable

Made = TypeVar("Made")


class Patience:
    """Of one request. ``pauses``: seconds between two tries, the first and the longest;
    ``seconds``: without progress, until it is over; ``may_come`` tells of an error and the number
    of tries whether there is hope at all; ``sleep`` waits for so many seconds."""

    def __init__(
        self,
        pauses: tuple[float, float],
        seconds: float,
        may_come: Callable[[SiteUnreachable, int], bool],
        sleep: Callable[[float], object] = time.sleep,
    ):
        self._pauses, self._seconds = pauses, seconds
        self._may_come, self._sleep = may_come, sleep
        self._tries = 0
        self.progressed()

    def progressed(self) -> None:
        self._pause = self._pauses[0]
        self._give_up = time.monotonic() + self._seconds

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self._give_up

    def wait(self) -> None:
        self._sleep(self._pause)
        self._pause = min(self._pause * 2, self._pauses[1])

    def after(self, error: SiteUnreachable) -> None:
        """Waits for the next try. Raises ``error`` when there is to be none."""
        self._tries += 1
        if self.is_over or not self._may_come(error, self._tries):
            raise error
        self.wait()

    def kept(self, once: Callable[[], Made]) -> Made:
        """What ``once`` makes."""
        while True:
            try:
                return once()
            except SiteUnreachable as error:
                self.after(error)

    def kept_removal(self, once: Callable[[], object]) -> None:
        """Like ``kept``; what is gone at a later try was removed by one whose answer was lost."""
        try:
            self.kept(once)
        except NotFound:
            if not self._tries:
                raise
