"""What stands for a scheduler and is ours: a program of this package that answers in JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from ...words.errors import CommandFailed
from ...words.ranges import Ranges
from ..shell import Output
from .base import Argv, Scheduler, cut


class OwnProgram(Scheduler):
    """Its commands are ``submit``, ``list``, ``cancel ID [INDICES]``, ``history ID...``."""

    module: str  # run by this very Python
    forgotten: str  # in stderr where what is to be canceled ended long ago
    programs = ()
    variables: tuple[str, ...] = ("PYTHONPATH", "VIRTUAL_ENV")

    def submit_argv(self) -> Argv:
        return self.command("submit")

    def list_argv(self, user: str) -> Argv:
        return self.command("list")

    def cancel_argv(self, array: str, indices: Ranges | None) -> list[Argv]:
        if indices is None:
            return [self.command("cancel", array)]
        return [self.command("cancel", array, str(part)) for part in cut(indices)]

    def parse_cancel(self, output: Output) -> None:
        if self.forgotten not in output.stderr:
            super().parse_cancel(output)

    def history_argv(self, arrays: Sequence[str], since: float) -> list[Argv]:
        return [self.command("history", *arrays)]

    def command(self, *arguments: str) -> Argv:
        return [sys.executable, "-m", self.module, *arguments]

    def parsed(self, output: Output) -> Any:
        """Raises CommandFailed."""
        try:
            return json.loads(self.checked(output))
        except ValueError as error:
            raise CommandFailed(f"{self.module} did not answer in JSON: {error}") from error
