"""Slurm, 20.11 and later. Commands and fields: sbatch(1), squeue(1), scontrol(1), sacct(1);
reasons for waiting: squeue(1) and slurm.schedmd.com/resource_limits.html."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from ...words.errors import CommandFailed
from ...words.model import Ending, Sighting
from ...words.ranges import Ranges
from ..shell import Output
from .base import Argv, Ended, Limits, Scheduler
from .units import bytes_of, seconds_of

DAY = 86400.0  # seconds: the clock of the client may be ahead of the cluster's

_ID = re.compile(r"^(\d+)(?:;\S+)?\s*$", re.MULTILINE)
_ROW = re.compile(r"(\d+)(?:_(\d+)|\+\d+)?\|([A-Z_]+)\|([^|]*)\|(.*)")
_RUN = r"\d+(?:-\d+)?"
_ELEMENTS = re.compile(rf"(\d+)_\[?({_RUN}(?:,{_RUN})*)(?:%\d+)?\]?\Z")  # 2_7, 2_[3,5-9%2]
_RUNNING = {"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"}
_REASONS = {
    "TIMEOUT": "timeout",
    "DEADLINE": "timeout",
    "OUT_OF_MEMORY": "out-of-memory",
    "NODE_FAIL": "node-failure",
    "BOOT_FAIL": "node-failure",
    "PREEMPTED": "preempted",
    "CANCELLED": "canceled",
    "FAILED": "failed",
    "COMPLETED": "ended",
}
_FIELD = re.compile(r"(?:^| )(\w+)=(\S*)")
_ACCOUNTED = "JobID,State,ExitCode,ElapsedRaw,MaxRSS,ReqMem,NodeList,Reason"
_NEVER = "DependencyNeverSatisfied"
_HELD = re.compile(r".*[ _]held(?:[ _]state)?|JobHeldUser|JobHoldMaxRequeue")
_HELD_STATES = {"REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
_STUCK = {  # reasons that no time heals, and what does
    _HELD: "'scontrol release ID' lets it run",
    re.compile("JobHeldAdmin"): "ask the cluster's administrators to release it",
    re.compile(_NEVER): "an element that it waits for failed: cancel it",
    re.compile(r"BadConstraints|Partition(?:Config|NodeLimit|TimeLimit)"): "it asks for more "
    "than this partition has: cancel it, and submit with other resources",
    re.compile(r"(?:QOS|Assoc)M(?:ax\w+Per(?:Job|Node)|in)\w*"): "it asks for more or less than "
    "the account or QOS allows: cancel it, and submit with other resources",
    re.compile(r"InvalidAccount|AccountNotAllowed|InvalidQOS|QOSNotAllowed"): "cancel it, and "
    "submit with an account and a QOS that may use this partition",
    re.compile(r"Reservation(?:Deleted|Invalid)"): "cancel it, and submit without the reservation",
}
_LAUNCH_FAILED = 53  # as if it were a signal: slurmstepd could not open a file of the element


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
        return [["scancel", f"{array}_[{indices}]"]]

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
            [*accounting, f"--format={_ACCOUNTED}"],
        ]

    def parse_history(self, output: Output) -> Iterable[Ended]:
        lines = output.stdout.splitlines()
        if output.argv[0] == "sacct":
            yield from _from_sacct(lines)
        else:
            for line in lines:
                yield from _from_scontrol(line)

    def limits_argv(self) -> Argv:
        return ["scontrol", "show", "config"]

    def parse_limits(self, output: Output) -> Limits:
        found = re.search(r"^MaxArraySize\s*=\s*(\d+)", self.checked(output), re.MULTILINE)
        if found is None:
            raise CommandFailed(f"it does not tell MaxArraySize: {output}")
        return Limits(array=int(found[1]))


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


def _from_sacct(lines: Iterable[str]) -> Iterator[Ended]:
    """One row an element, and one for each of its steps (``2_7.batch``), which know the memory."""
    memory: dict[str, int] = {}
    rows = []
    for line in lines:
        fields = line.split("|")
        if len(fields) == _ACCOUNTED.count(",") + 1:
            element, dot, _ = fields[0].partition(".")
            memory[element] = max(memory.get(element, 0), bytes_of(fields[4]) or 0)
            if not dot:
                rows.append(fields)
    for element, state, exit_code, elapsed, _, limit, host, why in rows:
        seconds, used = float(elapsed) if elapsed.isdigit() else None, memory[element]
        if state == "FAILED" and exit_code == "0:9" and used >= _allowed(limit):
            state = "OUT_OF_MEMORY"  # a cluster without cgroups: slurmd killed it
        if state == "CANCELLED" and why == "Dependency":  # by nobody: by the controller
            why = _NEVER
        yield from _ended(element, state, exit_code, host, why, seconds, used or None)


def _allowed(limit: str) -> float:
    """Bytes: ``500M``, before 21.08 ``500Mn`` (per node); ``100Mc`` (per CPU) says too little."""
    return bytes_of(limit.removesuffix("n")) or math.inf


def _from_scontrol(line: str) -> Iterator[Ended]:
    fields = dict(reversed(_FIELD.findall(line)))  # the first one counts: SubmitLine= is free text
    element = f"{fields.get('ArrayJobId')}_{fields.get('ArrayTaskId')}"
    host = fields.get("BatchHost") or fields.get("NodeList") or ""
    state, exit_code = fields.get("JobState", ""), fields.get("ExitCode", "")
    elapsed = seconds_of(fields.get("RunTime", ""))
    yield from _ended(element, state, exit_code, host, fields.get("Reason", ""), elapsed, None)


def _ended(
    elements: str,
    state: str,
    exit_code: str,
    host: str,
    why: str,
    elapsed: float | None,
    memory: int | None,
) -> Iterator[Ended]:
    found = _ELEMENTS.match(elements)
    word = state.split(" ")[0].rstrip("+")  # "CANCELLED by 1001"
    if found is None or word not in _REASONS:
        return
    code, signal = (int(part) if part.isdigit() else 0 for part in f"{exit_code}:".split(":")[:2])
    reason = _REASONS[word]
    if word == "FAILED":
        reason = "killed" if signal else f"exit-code {code}"
        reason = "launch-failure" if signal == _LAUNCH_FAILED else reason
    elif word == "CANCELLED" and why == _NEVER:
        reason = "dependency"
    told = Ending(
        reason,
        code if word in ("FAILED", "COMPLETED") and not signal else None,
        signal if 0 < signal < 65 and signal != _LAUNCH_FAILED else None,  # 125: memory
        "" if " " in host else host,  # None assigned
        elapsed=elapsed,
        memory=memory,
    )
    for index in Ranges.parse(found[2]):
        yield Ended(found[1], index, told)
