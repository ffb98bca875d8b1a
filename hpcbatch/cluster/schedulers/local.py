"""This very machine, through a small scheduler of our own: see ``hpcbatch.supervisor``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from ...words.errors import CommandFailed
from ...words.model import Ending, Sighting
from ...words.ranges import Ranges
from ..shell import Output
from .answers import Ended, Limits
from .base import Argv, Scheduler, cut

_FORGOTTEN = "there is no submission"
ELEMENTS_PER_SLOT = 8  # enough for an even load, few enough to start quickly


class Local(Scheduler):
    name = "local"
    template = "local.sh.j2"
    programs = ()
    checks_after_ok = True
    deferred_words = ("the supervisor di",)  # "died before it stood", "did not stand within"
    variables = ("HPCBATCH_LOCAL_", "PYTHONPATH", "VIRTUAL_ENV")
    grace = 0.5  # one host and one disk: nothing is late
    poll_seconds = (0.5, 1.0)

    def submit_argv(self) -> Argv:
        return _program("submit")

    def parse_id(self, stdout: str) -> str | None:
        found = stdout.strip()
        return found if found.count(":") == 2 else None

    def list_argv(self, user: str) -> Argv:
        return _program("list")

    def parse_list(self, output: Output) -> list[Sighting]:
        found = []
        for item in self._parsed(output):
            for key, word in (("queued", "queued"), ("running", "running")):
                for first, last in item[key]:
                    for index in range(first, last + 1):
                        running, why = key == "running", item["why"] if key == "queued" else ""
                        found.append(Sighting(item["id"], index, item["name"], running, word, why))
        return found

    def cancel_argv(self, array: str, indices: Ranges | None) -> list[Argv]:
        if indices is None:
            return [_program("cancel", array)]
        return [_program("cancel", array, str(part)) for part in cut(indices)]

    def parse_cancel(self, output: Output) -> None:
        if _FORGOTTEN not in output.stderr:  # ended before a reboot, or a week ago
            super().parse_cancel(output)

    def history_argv(self, arrays: Sequence[str], since: float) -> list[Argv]:
        return [_program("history", *arrays)]

    def parse_history(self, output: Output) -> Iterable[Ended]:
        for item in self._parsed(output):
            for element in item.get("elements", ()):
                reason = element["ending"]
                if reason == "exit-code":
                    reason = f"exit-code {element['code']}"
                yield Ended(
                    item["id"],
                    element["index"],
                    Ending(
                        "ended" if reason == "ok" else reason,
                        element["code"],
                        element["signal"],
                        element["host"],
                        element["ended"],
                        element["elapsed"],
                        element["memory"],
                    ),
                )

    def limits_argv(self) -> Argv:
        return _program("limits")

    def parse_limits(self, output: Output) -> Limits:
        return Limits(parallel=self._parsed(output)["slots"] * ELEMENTS_PER_SLOT)

    def is_reachable(self, host: str) -> bool:
        return host == os.uname().nodename

    def _parsed(self, output: Output) -> Any:
        try:
            return json.loads(self.checked(output))
        except ValueError as error:
            raise CommandFailed(f"the local supervisor did not answer in JSON: {error}") from error


def _program(*arguments: str) -> Argv:
    return [sys.executable, "-m", "hpcbatch.supervisor", *arguments]
