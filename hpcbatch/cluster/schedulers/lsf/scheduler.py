"""LSF (IBM Spectrum LSF 9.1 and later, OpenLava 4). Commands and fields: bsub(1), bjobs(1),
bkill(1), bparams(1), lsb.params(5), lsf.conf(5)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from ....words.errors import CommandFailed, ProgramMissing
from ....words.model import Sighting
from ....words.ranges import Ranges
from ...shell import Output
from ..answers import Ended, Limits, Survey
from ..base import Argv, Scheduler, cut
from .endings import OVER, endings, unwrapped
from .survey import parse_survey, survey_argv

_ID = re.compile(r"^Job <(\d+)> is submitted to ", re.MULTILINE)
_ROW = re.compile(r"(\d+)\|([A-Za-z]+)\|[\d-]*\|(.*?)(?:\[(\d+)\])?")
_RUNNING = {"RUN", "USUSP", "SSUSP", "UNKWN", "ZOMBI"}  # the last two: its host does not answer
_HELD = "PSUSP"
_RUNS_A_CALL = 25  # command lines of programs that copy them into buffers of fixed size
_HAS_ENDED = re.compile("already finished|Operation is in progress|[Nn]o matching job|not found")

# no program tells both: the unit is in lsf.conf, which "badmin showconf" of IBM prints
_ASK_LIMITS = """bparams -a || bparams -l || exit
badmin showconf mbd || cat "${LSF_ENVDIR:-/etc}/lsf.conf" || :"""
_ARRAY_SIZE = re.compile(r"^\s*MAX_JOB_ARRAY_SIZE\s*=\s*(\d+)", re.MULTILINE)
_PARAMETER = re.compile(r"^\s*\w[\w ]*[:=]", re.MULTILINE)
_DEFAULT_SIZE = 1000  # lsb.params(5); not all releases print it
_UNIT = re.compile(r'^\s*LSF_UNIT_FOR_LIMITS\s*=\s*"?([KMGTP])', re.MULTILINE | re.IGNORECASE)

_REASONS = re.compile(r"^ PENDING REASONS:\s*\n((?: .*;?\n)+)", re.MULTILINE)
_NEVER = re.compile("never satisfied|no suitable hosts for the job")


class Lsf(Scheduler):
    name = "lsf"
    template = "lsf.sh.j2"
    programs = ("bsub", "bjobs", "bkill")
    variables = (
        "LSF_ENVDIR",
        "LSF_SERVERDIR",
        "LSF_BINDIR",
        "LSF_LIBDIR",
        "EGO_TOP",
        "EGO_CONFDIR",
    )
    settings = {"LSB_NTRIES": "1"}  # else they try for ever what was not taken
    base = 1
    unclear_words = ("Communication timeout",)
    deferred_words = (
        "threshold reached",
        "reached its job limit",
        "LSF is down",
        "LIM is down",
        "not responding",
        "cannot connect",
        "Connection refused",
        "Timeout on connect",
        "Unable to contact",
        "No job Id can be used now",
        "cannot fork",
    )

    def submit_argv(self) -> Argv:
        return ["bsub"]

    def parse_id(self, stdout: str) -> str | None:
        found = _ID.findall(stdout)
        return str(found[-1]) if found else None

    def list_argv(self, user: str) -> Argv:
        # no jobindex: OpenLava has none; the name last: it may hold a '|'
        fields = "jobid stat exit_code job_name delimiter='|'"
        return ["bjobs", "-u", user, "-noheader", "-o", fields]

    def parse_list(self, output: Output) -> list[Sighting]:
        if not output.stdout.strip() and "No unfinished job found" in output.stderr:
            return []
        rows = [row for row in map(_ROW.fullmatch, self.checked(output).splitlines()) if row]
        if not rows:
            raise CommandFailed(f"this is no listing: {output}")
        return [_sighting(*row.groups()) for row in rows if row[2] not in OVER]

    def explain_argv(self, array: str) -> Argv | None:
        return ["bjobs", "-l", array]

    def parse_explain(self, output: Output) -> str:
        said = "; ".join(_reasons(self.checked(output)))
        return f"{said or _HELD}: 'bresume {output.argv[-1]}' lets it run"

    def doubt_argv(self, array: str) -> Argv | None:
        return ["bjobs", "-l", array]

    def parse_doubt(self, output: Output) -> str:
        """Other reasons pass: a busy host, a full queue, a dependency that is not met yet."""
        found = [reason for reason in _reasons(self.checked(output)) if _NEVER.search(reason)]
        return f"may never run: {'; '.join(found)}" if found else ""

    def cancel_argv(self, array: str, indices: Ranges | None) -> list[Argv]:
        if indices is None:
            return [["bkill", array]]
        return [["bkill", f"{array}[{part}]"] for part in cut(indices, _RUNS_A_CALL)]

    def parse_cancel(self, output: Output) -> None:
        lines = [line for line in output.stderr.splitlines() if line.strip()]
        if not lines or not all(map(_HAS_ENDED.search, lines)):
            super().parse_cancel(output)

    def history_argv(self, arrays: Sequence[str], since: float) -> list[Argv]:
        # as long as they are remembered: CLEAN_PERIOD, an hour by default
        return [["bjobs", "-UF", *arrays]]

    def parse_history(self, output: Output) -> Iterable[Ended]:
        return endings(output.stdout)

    def limits_argv(self) -> Argv | None:
        return ["sh", "-c", _ASK_LIMITS]

    def parse_limits(self, output: Output) -> Limits:
        if output.status == 127:  # of the shell
            raise ProgramMissing(str(output))
        said = self.checked(output)
        if not _PARAMETER.search(said):
            raise CommandFailed(f"these are no parameters: {output}")
        size, unit = _ARRAY_SIZE.search(said), _UNIT.search(said)
        return Limits(
            array=int(size[1]) if size else _DEFAULT_SIZE,
            memory_unit=f"{unit[1].upper()}B" if unit else "KB",
        )

    def survey_argv(self, user: str) -> list[Argv]:
        return survey_argv()

    def parse_survey(self, outputs: Sequence[Output]) -> Survey:
        return parse_survey(outputs)


def _sighting(array: str, word: str, name: str, index: str | None) -> Sighting:
    number = int(index) if index else None
    return Sighting(array, number, name, word in _RUNNING, word, stuck=word == _HELD)


def _reasons(said: str) -> Iterator[str]:
    """What elements wait for, each reason once."""
    found = "".join(_REASONS.findall(unwrapped(said)))
    lines = (line.strip().rstrip(";") for line in found.splitlines())
    yield from dict.fromkeys(line for line in lines if line)
