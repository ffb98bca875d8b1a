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

from ...words.errors import CommandFailed
from ...words.model import Ending, Sighting
from ...words.ranges import Ranges
from ..shell import Output
from .base import Argv, Ended, Limits, Scheduler
from .units import bytes_of, seconds_of

_PRINTED_ID = re.compile(r"^(\d+(?:\[\])?)\.\S+\s*$", re.MULTILINE)
_ID = re.compile(r"(\d+)(?:\[(\d*)\]\*?)?(?:\.\S*)?\Z")  # 12, 12[], 12[7]; *: cut off here
_NUMBER = re.compile(r"-?\d+\Z")
_RULER = re.compile(r"-+(?: +-+)+ *\Z")
_COLUMNS = {6: (1, 4), 11: (3, 9)}  # of name and state, in the plain and in the users' table
_PER_COMMAND = 200  # ids in one command line: a few kilobytes
_RECORD = re.compile(r"^Job Id: *", re.MULTILINE)
_CONTINUED = re.compile(r"\n(?:\t| {8})")
_HARMLESS = ("Unknown Job Id", "Job has finished", "Request invalid for state of job")
_KILLED = frozenset(128 + number for number in (1, 2, 3, 6, 9, 11, 13, 15))  # by a shell between
_TERMINATED = 256 + 15
_DELETED, _FINISHED, _FAILED = "91", "92", "93"  # substates
_STUCK = {  # comments that no time changes, and what helps
    "Can Never Run": "it asks for more than the cluster has: cancel it, and submit with other "
    "resources",
    "Job held by": "'qrls ID' lets it run",
}


class Pbs(Scheduler):
    name = "pbs"
    template = "pbs.sh.j2"
    programs = ("qsub", "qstat", "qdel", "pbs_rstat")  # the last: others have the first three
    variables: tuple[str, ...] = (
        "PBS_CONF_FILE",
        "PBS_DEFAULT",
        "PBS_SERVER",
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
    ended = "XF"  # states; X: an element of an array that lives on
    exit_field = "Exit_status"
    out_of_memory: tuple[int, ...] = (-26, -27)  # exit codes, pbs_ifl and job.h
    timeout: tuple[int, ...] = (-28, -29)
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
            if row.element is not None and row.word not in self.ended
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
        for text, fields in _records(output.stdout):
            array, index = _element(text, self.base) or ("", None)
            if index is not None and fields.get("job_state") in tuple(self.ended):
                ending = self._ending(fields)
                if ending.reason:
                    yield Ended(array, index, ending)

    def limits_argv(self) -> Argv:
        return ["qstat", "-B", "-f"]

    def parse_limits(self, output: Output) -> Limits:
        said = self.checked(output)
        found = self.array_limit.search(said)
        if found is None and "Server: " not in said:
            raise CommandFailed(f"this is no server's status: {output}")
        return Limits(array=int(found[1]) if found else self.default_limit)

    def is_own_status(self, fields: dict[str, str]) -> bool:
        """Else it may be that of the whole array."""
        return fields.get("substate") in (_FINISHED, _FAILED)

    def _ending(self, fields: dict[str, str]) -> Ending:
        status = fields.get(self.exit_field, "")
        number = int(status) if _NUMBER.match(status) else None
        signal = _signal(number)
        host = fields.get("exec_host", "").partition("/")[0]
        reason = self._reason(fields, number, signal, bool(host))
        is_code = reason == "ended" or reason.startswith("exit-code")
        return Ending(
            reason,
            number if is_code else None,
            signal if host and not is_code else None,
            host,
            elapsed=seconds_of(fields.get("resources_used.walltime", "")),
            memory=_size(fields, "resources_used.mem") or None,
        )

    def _reason(
        self, fields: dict[str, str], status: int | None, signal: int | None, ran: bool
    ) -> str:
        waited = "afterok" in fields.get("depend", "")
        if "result of dependency" in fields.get("comment", "") or (waited and not ran):
            return "dependency"
        if not self.is_own_status(fields):
            return "canceled" if fields.get("substate") == _DELETED else ""
        if status is None:
            return "canceled"
        if status <= 0:
            if status in (*self.timeout, *self.out_of_memory):
                return "timeout" if status in self.timeout else "out-of-memory"
            return "launch-failure" if status else "ended"
        if signal is None:
            return f"exit-code {status}"
        asked = seconds_of(fields.get("Resource_List.walltime", ""))
        if asked and (seconds_of(fields.get("resources_used.walltime", "")) or 0) >= asked:
            return "timeout"
        allowed, used = _size(fields, "Resource_List.mem"), _size(fields, "resources_used.mem")
        if signal == 9 and allowed and used >= allowed:
            return "out-of-memory"
        return "canceled" if status == _TERMINATED else "killed"


class _Row(NamedTuple):
    """``element`` is the index, None for an array as a whole."""

    array: str
    element: int | None
    name: str
    word: str
    comment: list[str]


def _row(words: list[str], base: int, name_at: int, state_at: int) -> _Row:
    """Raises CommandFailed: a row that is passed over would be an element that has ended."""
    found = _element(words[0], base)
    if found is None or len(words) <= state_at:
        raise CommandFailed(f"this is no row of a listing: {' '.join(words)}")
    return _Row(*found, words[name_at], words[state_at], [])


def _element(text: str, base: int) -> tuple[str, int | None] | None:
    """Array and index; an array of one is a plain job, and an array as a whole has no index."""
    found = _ID.match(text)
    if found is None:
        return None
    if found[2] is None:
        return found[1], base
    return f"{found[1]}[]", int(found[2]) if found[2] else None


def _sighting(row: _Row, index: int, word: str) -> Sighting:
    running = word in ("R", "E", "S", "U")  # E: exiting; S, U: suspended
    why = "" if running else " ".join(row.comment)
    advice = next((told for words, told in _STUCK.items() if words in why), "")
    if advice:
        why = f"{why}: {advice}".replace(" 'qrls ID'", f" 'qrls {row.array}'")
    return Sighting(row.array, index, row.name, running, word, why, bool(advice))


def _records(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Id and fields; a line that is set in further than a field's continues the one before."""
    for record in _RECORD.split(_CONTINUED.sub("", text))[1:]:
        first, *lines = record.split("\n")
        pairs = (line.strip().partition(" = ") for line in lines)
        yield first.strip(), {name: value for name, equals, value in pairs if equals}


def _signal(status: int | None) -> int | None:
    if status is None:
        return None
    if 256 < status < 256 + 65:
        return status - 256
    return status - 128 if status in _KILLED else None


def _size(fields: dict[str, str], name: str) -> int:
    return bytes_of(fields.get(name, "").upper()) or 0  # 7252kb: of 1024 bytes


def batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _PER_COMMAND):
        yield ids[start : start + _PER_COMMAND]
