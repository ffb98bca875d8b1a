"""Slurm, 20.11 and later. Commands and fields: sbatch(1), squeue(1), scontrol(1), sacct(1);
reasons for waiting: squeue(1) and slurm.schedmd.com/resource_limits.html."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache

from ....words.errors import CommandFailed
from ....words.model import Sighting
from ....words.ranges import Ranges
from ...shell import Output
from ..answers import Ended, Limits, Survey
from ..base import Argv, Scheduler, cut
from .endings import ACCOUNTED, NEVER, from_sacct, from_scontrol
from .survey import parse_survey, survey_argv

DAY = 86400.0  # seconds: the clock of the client may be ahead of the cluster's

_ID = re.compile(r"^(\d+)(?:;\S+)?\s*$", re.MULTILINE)
_ROW = re.compile(r"(\d+)(?:_(\d+)|\+\d+)?\|([A-Z_]+)\|([^|]*)\|(.*)")
_RUNNING = {"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"}
_HELD = re.compile(r".*[ _]held(?:[ _]state)?|JobHeldUser|JobHoldMaxRequeue")
_HELD_STATES = {"REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
_STUCK = {  # reasons that no time heals, and what does
    _HELD: "'scontrol release ID' lets it run",
    re.compile("JobHeldAdmin"): "ask the cluster's administrators to release it",
    re.compile(NEVER): "an element that it waits for failed: cancel it",
    re.compile(r"BadConstraints|Partition(?:Config|NodeLimit|TimeLimit)"): "it asks for more "
    "than this partition has: cancel it, and submit with other resources",
    re.compile(r"(?:QOS|Assoc)M(?:ax\w+Per(?:Job|Node)|in)\w*"): "it asks for more or less than "
    "the account or QOS allows: cancel it, and submit with other resources",
    re.compile(r"InvalidAccount|AccountNotAllowed|InvalidQOS|QOSNotAllowed"): "cancel it, and "
    "submit with an account and a QOS that may use this partition",
    re.compile(r"Reservation(?:Deleted|Invalid)"): "cancel it, and submit without the reservation",
}


class Slurm(Scheduler):
    name = "slurm"
    template = "slurm.sh.j2"
    programs = ("sbatch", "squeue", "scancel")
    checks_after_ok = True
    variables = ("SLURM_CONF",)
    unclear_words = ("timed out", "Zero Bytes were transmitted")
    deferred_words = (
        "Unable to contact",
        "temporarily unable",
        "Temporarily unavailable",
        "MaxSubmitJob",
        "GrpSubmitJob",
        "Connection refused",
        "Communication connection failure",
    )

    def submit_argv(self) -> Argv:
        return ["sbatch", "--parsable"]

    def parse_id(self, stdout: str) -> str | None:
        found = _ID.findall(stdout)  # a site's filter may print before and after it
        return str(found[-1]) if found else None

    def list_argv(self, user: str) -> Argv:
        # -a: jobs in hidden partitions are absent otherwise; the name last: it may hold a '|'
        return ["squeue", "-u", user, "-a", "-r", "-h", "-o", "%i|%T|%r|%j"]

    def parse_list(self, output: Output) -> list[Sighting]:
        lines = self.checked(output).splitlines()
        rows = [row for row in map(_ROW.match, lines) if row]  # else the rest of a job's name
        if not rows and (any(map(str.strip, lines)) or "error:" in output.stderr):
            raise CommandFailed(f"this is no listing: {output}")  # an unknown user has status 0
        return [_sighting(*row.groups()) for row in rows]

    def cancel_argv(self, array: str, indices: Ranges | None) -> list[Argv]:
        if indices is None:
            return [["scancel", array]]
        return [["scancel", f"{array}_[{part}]"] for part in cut(indices)]

    def parse_cancel(self, output: Output) -> None:
        if "Invalid job id" not in output.stderr and "already" not in output.stderr:
            super().parse_cancel(output)

    def history_argv(self, arrays: Sequence[str], since: float) -> list[Argv]:
        start = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(since - DAY))
        ids = ",".join(arrays)
        accounting = ["sacct", "-P", "-n", "-j", ids, "--starttime", start]
        # without accounting only the controller knows, for MinJobAge seconds (default 300);
        # accounting comes last, since the last word about an element counts: it knows memory too
        return [
            *(["scontrol", "-o", "show", "job", array] for array in arrays),
            [*accounting, f"--format={ACCOUNTED}"],
        ]

    def parse_history(self, output: Output) -> Iterable[Ended]:
        lines = output.stdout.splitlines()
        if output.argv[0] == "sacct":
            yield from from_sacct(lines)
        else:
            for line in lines:
                yield from from_scontrol(line)

    def limits_argv(self) -> Argv:
        return ["scontrol", "show", "config"]

    def parse_limits(self, output: Output) -> Limits:
        found = re.search(r"^MaxArraySize\s*=\s*(\d+)", self.checked(output), re.MULTILINE)
        if found is None:
            raise CommandFailed(f"it does not tell MaxArraySize: {output}")
        return Limits(array=int(found[1]))

    def survey_argv(self, user: str) -> list[Argv]:
        return survey_argv(user)

    def parse_survey(self, outputs: Sequence[Output]) -> Survey:
        return parse_survey(outputs)


def _sighting(array: str, index: str | None, word: str, why: str, name: str) -> Sighting:
    why = "" if why == "None" else why
    running = word in _RUNNING
    advice = _advice(why)
    if not advice and word in _HELD_STATES:
        advice = _STUCK[_HELD]
    if advice and not running:
        why = f"{why}: {advice}".replace(" ID'", f" {array}'")
    number = int(index) if index else None
    return Sighting(array, number, name, running, word, why, bool(advice) and not running)


@lru_cache(maxsize=256)
def _advice(why: str) -> str:
    return next((told for reason, told in _STUCK.items() if reason.fullmatch(why)), "")
