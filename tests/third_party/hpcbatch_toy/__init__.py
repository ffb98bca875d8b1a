"""A scheduler of another package: see docs/adding-a-scheduler.md."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from hpcbatch.cluster.schedulers.answers import Ended, Limits
from hpcbatch.cluster.schedulers.base import Argv, Scheduler
from hpcbatch.cluster.shell import Output
from hpcbatch.words.errors import CommandFailed
from hpcbatch.words.model import Ending, Sighting
from hpcbatch.words.ranges import Ranges

_TAKEN = re.compile(r"^array (\d+) taken$", re.MULTILINE)
_ALIVE = re.compile(r"(\d+) (\d+) (\w+) (\S+)")
_ENDED = re.compile(r"(\d+) (\d+) (exit|signal|deleted|limit) (\d+) (\S+) ([\d.]+)$", re.MULTILINE)


class Toy(Scheduler):
    name = "toy"
    template = str(Path(__file__).with_name("toy.sh.j2"))
    programs = ("toysub", "toystat", "toydel")
    variables = ("TOY_*",)
    base = 1
    deferred_words = ("is away",)

    def submit_argv(self) -> Argv:
        return ["toysub"]

    def parse_id(self, stdout: str) -> str | None:
        found = _TAKEN.findall(stdout)
        return str(found[-1]) if found else None

    def list_argv(self, user: str) -> Argv:
        return ["toystat", "--user", user]

    def parse_list(self, output: Output) -> list[Sighting]:
        first, *lines = self.checked(output).splitlines() or [""]
        rows = [_ALIVE.fullmatch(line) for line in lines]
        if first != "ARRAY INDEX STATE NAME" or not all(rows):
            raise CommandFailed(f"this is no listing: {output}")
        return [
            Sighting(row[1], int(row[2]), row[4], running=row[3] == "running", word=row[3])
            for row in rows
            if row
        ]

    def cancel_argv(self, array: str, indices: Ranges | None) -> list[Argv]:
        return [["toydel", array, *([] if indices is None else [str(indices)])]]

    def history_argv(self, arrays: Sequence[str], since: float) -> list[Argv]:
        return [["toystat", "--ended", *arrays]]

    def parse_history(self, output: Output) -> Iterable[Ended]:
        for array, index, how, number, host, elapsed in _ENDED.findall(self.checked(output)):
            reasons = {"signal": "killed", "deleted": "canceled", "limit": "timeout"}
            reason = reasons.get(how) or (f"exit-code {number}" if int(number) else "ended")
            ending = Ending(
                reason,
                code=int(number) if how == "exit" else None,
                signal=int(number) if how == "signal" else None,
                host=host,
                elapsed=float(elapsed),
            )
            yield Ended(array, int(index), ending)

    def limits_argv(self) -> Argv:
        return ["toystat", "--limits"]

    def parse_limits(self, output: Output) -> Limits:
        found = re.search(r"^elements (\d+)$", self.checked(output), re.MULTILINE)
        if found is None:
            raise CommandFailed(f"it does not tell how many elements an array may have: {output}")
        return Limits(array=int(found[1]))
