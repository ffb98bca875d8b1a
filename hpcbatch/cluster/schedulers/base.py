"""The contract of a scheduler: it builds command lines and parses text, and never runs anything.

One subclass and one template per scheduler. Third parties add theirs by the entry point
``hpcbatch.schedulers``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

from ...words.errors import (
    CommandFailed,
    SubmissionDeferred,
    SubmissionError,
    SubmissionRejected,
    SubmissionUnclear,
)
from ...words.model import Sighting
from ...words.ranges import Ranges
from ..shell import Output, is_here
from .answers import Ended, Limits, Survey

Argv = list[str]
KILLED = frozenset(128 + number for number in (1, 2, 3, 6, 9, 11, 13, 15))  # as a shell tells it


def cut(indices: Ranges, runs: int = 1000) -> list[Ranges]:
    """Parts of so many runs each: one argument of a command has 128 KiB at most (execve(2))."""
    return [Ranges(indices.runs[at : at + runs]) for at in range(0, len(indices.runs), runs)]


class Scheduler(ABC):
    """Commands and parsers of one scheduler."""

    name: str
    template: str
    programs: tuple[str, ...]  # that must be on PATH; without any, only who names it gets it
    known_by: str = ""  # a program that others, whose programs have the same names, do not have
    variables: tuple[str, ...] = ()  # of the environment, that the programs need
    settings: Mapping[str, str] = {}  # environment variables that the programs are given
    base: int = 0  # the index of an array's first element
    longest_name: int = 63
    chains: bool = True  # an array can wait for the end of another
    checks_after_ok: bool = False  # it does not run what waited for an array that failed
    grace: float | None = None  # seconds a silent element is waited for; None: by file system
    poll_seconds: tuple[float, float] = (2.0, 120.0)  # shortest and longest between two listings
    deferred_words: tuple[str, ...] = ()  # in stderr of a refusal that may pass later
    pauses_with: tuple[str, ...] = ()  # signals that it also sends before it suspends a job
    unclear_words: tuple[str, ...] = ()  # in stderr when the request may have been taken

    def is_here(self) -> bool:
        """Whether this host has what its commands need."""
        return not self.missing()

    def missing(self) -> list[str]:
        """Programs that are not on PATH."""
        needed = [*self.programs, *filter(None, [self.known_by])]
        return [program for program in needed if not is_here(program)]

    @abstractmethod
    def submit_argv(self) -> Argv:
        """The program that takes a script on its standard input."""

    @abstractmethod
    def parse_id(self, stdout: str) -> str | None:
        """The array's id in what the submit command printed; None when there is none."""

    def parse_submit(self, output: Output) -> str:
        """The array's id. Raises SubmissionRejected, SubmissionDeferred or SubmissionUnclear,
        with what the scheduler said."""
        found = self.parse_id(output.stdout)
        if found is not None and output.status == 0:
            return found
        was_killed = output.status <= 0 or output.status in KILLED
        if found is not None or was_killed:  # it said yes and no, or nobody knows
            raise SubmissionUnclear(str(output))
        said = output.stderr.lower()
        kind: type[SubmissionError] = SubmissionRejected
        if any(words.lower() in said for words in self.deferred_words):
            kind = SubmissionDeferred
        if any(words.lower() in said for words in self.unclear_words):
            kind = SubmissionUnclear
        raise kind(str(output))

    @abstractmethod
    def list_argv(self, user: str) -> Argv:
        """Lists everything of ``user`` that is alive."""

    @abstractmethod
    def parse_list(self, output: Output) -> list[Sighting]:
        """Raises CommandFailed: a failed listing is no empty one."""

    def explain_argv(self, array: str) -> Argv | None:
        """Asks why elements of an array are stuck; None where the listing says all there is."""
        return None

    def parse_explain(self, output: Output) -> str:
        """One line of plain text, empty when nothing is told. Raises CommandFailed."""
        return ""

    def doubt_argv(self, array: str) -> Argv | None:
        """Asks whether an array that waits can ever run; None where the listing says so."""
        return None

    def parse_doubt(self, output: Output) -> str:
        """One line of plain text, empty when it may run. Raises CommandFailed."""
        return ""

    @abstractmethod
    def cancel_argv(self, array: str, indices: Ranges | None) -> list[Argv]:
        """Ends these elements of an array (None: all), by the scheduler's own indices; repeating
        it does no harm. An argument may have 128 KiB: ``cut`` the indices where they go in one."""

    def parse_cancel(self, output: Output) -> None:
        """Raises CommandFailed, but not for elements that have ended already."""
        if output.status != 0:
            raise CommandFailed(str(output))

    def history_argv(self, arrays: Sequence[str], since: float) -> list[Argv]:
        """Asks how elements of ``arrays`` ended that were submitted after ``since`` (seconds since
        the epoch); empty where there is no history. Of several commands each is run, and the last
        word about an element counts."""
        return []

    def parse_history(self, output: Output) -> Iterable[Ended]:
        """Elements that have ended, with a reason of ``words.model.Ending`` each; also from what a
        command printed that has failed. May raise CommandFailed."""
        return ()

    def limits_argv(self) -> Argv | None:
        """Asks for what ``Limits`` tells; None where there is nothing to ask."""
        return None

    def parse_limits(self, output: Output) -> Limits:
        """Elements that an array may have, and the unit of memory. May raise CommandFailed."""
        return Limits()

    def survey_argv(self, user: str) -> list[Argv]:
        """Asks for what ``Survey`` tells; empty where nobody can be asked."""
        return []

    def parse_survey(self, outputs: Sequence[Output]) -> Survey:
        """From the outputs of those programs that could be run, whatever they said."""
        return Survey()

    def is_reachable(self, host: str) -> bool:
        """Whether a listing made here would show what was submitted on ``host``."""
        return True

    def checked(self, output: Output) -> str:
        """Standard output of a command that succeeded. Raises CommandFailed."""
        if output.status != 0:
            raise CommandFailed(str(output))
        return output.stdout
