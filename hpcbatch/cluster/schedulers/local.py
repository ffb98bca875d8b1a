"""This very machine, through a small scheduler of our own: see ``hpcbatch.supervisor``."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ...words.model import Ending, Sighting
from ..shell import Output
from .answers import Ended, Limits
from .base import Argv
from .own_program import OwnProgram

ELEMENTS_PER_SLOT = 8  # enough for an even load, few enough to start quickly


class Local(OwnProgram):
    name = "local"
    template = "local.sh.j2"
    module = "hpcbatch.supervisor"
    forgotten = "there is no submission"
    checks_after_ok = True
    deferred_words = ("the supervisor di",)  # "died before it stood", "did not stand within"
    variables = ("HPCBATCH_LOCAL_*", *OwnProgram.variables)
    grace = 0.5  # one host and one disk: nothing is late
    poll_seconds = (0.5, 1.0)

    def parse_id(self, stdout: str) -> str | None:
        found = stdout.strip()
        return found if found.count(":") == 2 else None

    def parse_list(self, output: Output) -> list[Sighting]:
        found = []
        for item in self.parsed(output):
            for key, word in (("queued", "queued"), ("running", "running")):
                for first, last in item[key]:
                    for index in range(first, last + 1):
                        running, why = key == "running", item["why"] if key == "queued" else ""
                        found.append(Sighting(item["id"], index, item["name"], running, word, why))
        return found

    def parse_history(self, output: Output) -> Iterable[Ended]:
        for item in self.parsed(output):
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
        return self.command("limits")

    def parse_limits(self, output: Output) -> Limits:
        return Limits(parallel=self.parsed(output)["slots"] * ELEMENTS_PER_SLOT)

    def is_reachable(self, host: str) -> bool:
        return host == os.uname().nodename
