"""Workers that the other end of a relay launches, and what they have logged there."""

from __future__ import annotations

import logging
import time

from ...words.errors import SiteUnreachable, SubmissionDeferred
from ..launchers.base import Call, Launcher, Standing
from .near import Near

log = logging.getLogger("hpcbatch.pool")

SETTLES = 10.0  # seconds in which workers come back after a connection was lost


class RelayLauncher(Launcher):
    def __init__(self, near: Near, pause: float, is_prompt: bool):
        self._near = near
        self.pause, self.is_prompt = pause, is_prompt

    def launch_workers(self, call: Call, n: int) -> int:
        """Raises what the launcher there does. Whoever asks has counted the workers that are here:
        after a cut it has to ask anew."""
        near = self._near
        if near.connections > 1 and time.monotonic() - near.connected_since < SETTLES:
            raise SubmissionDeferred("workers may come back: the connection is made again")
        try:
            return int(near.ask("launch", number=call.number, n=n))
        except SiteUnreachable as error:
            taken = near.ask_patiently("launched", number=call.number)
            if taken is None:
                raise SubmissionDeferred(str(error)) from error
            return int(taken)

    def standing(self, number: int) -> Standing | None:
        told = self._near.ask("standing", number=number)
        return None if told is None else Standing(*told)

    def terminate_workers(self) -> None:
        if not self._near.close():
            log.warning("workers were not seen to end: the relay ends them when nobody comes back")


class RelayLogs:
    def __init__(self, near: Near, folder: str):
        self._near, self.folder = near, folder

    def said(self, launch: int) -> tuple[str, str] | None:
        try:
            told = self._near.ask("said", number=launch)
        except SiteUnreachable as error:
            return "", str(error)
        return None if told is None else (str(told[0]), str(told[1]))
