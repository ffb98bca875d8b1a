"""OpenPBS and PBS Professional. Commands: qsub(1B), qstat(1B), qdel(1B); fields:
pbs_job_attributes(7B); states, exit codes and arrays: the PBS Professional User's Guide.

The array's id is kept without its server, ``12[]``: a listing cuts the server off where the column
ends, and the programs add their own. Elements are listed as the table of one user's jobs: 200
bytes each, where the full text has 1,400, and the JSON of 23.06 is often none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ....words.errors import CommandFailed
from ....words.model import Sighting
from ....words.ranges import Ranges
from ...shell import Output
from ..answers import Ended, Limits, Survey
from ..base import Argv, Scheduler
from .endings import EndingCodes, element_of, endings
from .survey import parse_survey, survey_argv

_PRINTED_ID = re.compile(r"^(\d+(?:\[\])?)\.\S+\s*$", re.MULTILINE)
_RULER = re.compile(r"-+(?: +-+)+ *\Z")
_COLUMNS = {6: (1, 4), 11: (3, 9)}  # of name and state, in the plain and in the users' table
_PER_COMMAND = 200  # ids in one command line: a few kilobytes
_HARMLESS = ("Unknown Job Id", "Job has finished", "Request invalid for state of job")
_STUCK = {  # comments that no time changes, and what helps
    "Can Never Run": "it asks for more than the cluster has: cancel it, and submit with other "
    "resources",
    "Job held by": "'qrls ID' lets it run",
}


class Pbs(Scheduler):
    name = "pbs"
    template = "pbs.sh.j2"
    programs, known_by = ("qsub", "qstat", "qdel"), "pbs_rstat"
    variables: tuple[str, ...] = (
        "PBS_CONF_FILE",
        "PBS_DEFAULT",
        "PBS_SERVER*",
        "PBS_PRIMARY",
        "PBS_SECONDARY",
    )
    longest_name = 15  # more is refused by old releases, and cut off in listings
    checks_after_ok = True
    unclear_words = ("end of message", "End of File", "timed out", "Protocol (ASN.1) error")
    deferred_words = (
        "cannot connect to server",
        "Connection refused",
        "would exceed",  # a limit of jobs, which is met again when others have ended
        "Maximum number of",
        "temporarily unavailable",
        "Queue is not enabled",
        "Server is shutting down",
    )
    codes = EndingCodes()
    array_limit = re.compile(r"^\s+max_array_size = (\d+)", re.MULTILINE)
    default_limit: int | None = 10000

    def submit_argv(self) -> Argv:
        return ["qsub"]

    def parse_id(self, stdout: str) -> str | None:
        found = _PRINTED_ID.findall(stdout)  # a site's hook may print before and after it
        return str(found[-1]) if found else None

    def list_argv(self, user: str) -> Argv:
        # -s comes last: a -u behind it makes qstat forget that comments were asked for
        return ["qstat", "-t", "-w", "-u", user, "-s"]

    def parse_list(self, output: Output) -> list[Sighting]:
        """The elements of a held array read Q, those of a finished one X until all have ended."""
        rows: list[_Row] = []
        columns = None
        lines = self.checked(output).split("\n")
        for line in lines:
            if _RULER.match(line):
                columns = _COLUMNS.get(len(line.split()))
            elif columns and line[:1].isdigit():
                rows.append(_row(line.split(), self.base, *columns))
            elif rows and line.strip(" -"):
                rows[-1].comment.append(line.strip())
        if columns is None and (output.stderr.strip() or any(map(str.strip, lines))):
            raise CommandFailed(f"this is no listing: {output}")
        held = {row.array for row in rows if row.element is None and row.word == "H"}
        return [
            _sighting(row, row.element, "H" if row.word == "Q" and row.array in held else row.word)
            for row in rows
            if row.element is not None and row.word not in self.codes.ended
        ]

    def cancel_argv(self, array: str, indices: Ranges | None) -> list[Argv]:
        if indices is None or not array.endswith("[]"):
            return [["qdel", array]]
        ids = [f"{array[:-1]}{part}]" for part in str(indices).split(",")]
        return [["qdel", *some] for some in batches(ids)]

    def parse_cancel(self, output: Output) -> None:
        lines = [line for line in output.stderr.splitlines() if line.strip()]
        if not lines or not all(any(words in line for words in _HARMLESS) for line in lines):
            super().parse_cancel(output)

    def history_argv(self, arrays: Sequence[str], since: float) -> list[Argv]:
        return [["qstat", "-t", "-x", "-f", *some] for some in batches(arrays)]

    def parse_history(self, output: Output) -> Iterable[Ended]:
        """Also of a command that failed: it prints the ids that it knows."""
        return endings(output.stdout, self.base, self.codes)

    def limits_argv(self) -> Argv:
        return ["qstat", "-B", "-f"]

    def parse_limits(self, output: Output) -> Limits:
        said = self.checked(output)
        found = self.array_limit.search(said)
        if found is None and "Server: " not in said:
            raise CommandFailed(f"this is no server's status: {output}")
        return Limits(array=int(found[1]) if found else self.default_limit)

    def survey_argv(self, user: str) -> list[Argv]:
        return survey_argv()

    def parse_survey(self, outputs: Sequence[Output]) -> Survey:
        return parse_survey(outputs)


class _Row(NamedTuple):
    """``element`` is the index, None for an array as a whole."""

    array: str
    element: int | None
    name: str
    word: str
    comment: list[str]


def _row(words: list[str], base: int, name_at: int, state_at: int) -> _Row:
    """Raises CommandFailed: a row that is passed over would be an element that has ended."""
    found = element_of(words[0], base)
    if found is None or len(words) <= state_at:
        raise CommandFailed(f"this is no row of a listing: {' '.join(words)}")
    return _Row(*found, words[name_at], words[state_at], [])


def _sighting(row: _Row, index: int, word: str) -> Sighting:
    running = word in ("R", "E", "S", "U")  # E: exiting; S, U: suspended
    why = "" if running else " ".join(row.comment)
    advice = next((told for words, told in _STUCK.items() if words in why), "")
    if advice:
        why = f"{why}: {advice}".replace(" 'qrls ID'", f" 'qrls {row.array}'")
    return Sighting(row.array, index, row.name, running, word, why, bool(advice))


def batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _PER_COMMAND):
        yield ids[start : start + _PER_COMMAND]
