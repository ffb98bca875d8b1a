"""Slurm, 20.11 and later. Commands and fields: sbatch(1), squeue(1), scontrol(1), sacct(1)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence

from ...words.errors import CommandFailed
from ...words.model import Ending, Sighting
from ...words.ranges import Ranges
from ..shell import Output
from .base import Argv, Ended, Limits, Scheduler

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
    "FAILED": "exit-code",
    "COMPLETED": "ended",
}
_FIELD = re.compile(r"(?:^| )(\w+)=(\S*)")


class Slurm(Scheduler):
    name = "slurm"
    template = "slurm.sh.j2"
    programs = ("sbatch", "squeue", "scancel")
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
        return [
            Sighting(
                array,
                int(index) if index else None,
                name,
                word in _RUNNING,
                word,
                "" if why == "None" else why,
            )
            for array, index, word, why, name in (row.groups() for row in rows)
        ]

    def cancel_argv(self, array: str, indices: Ranges | None) -> list[Argv]:
        if indices is None:
            return [["scancel", array]]
        return [["scancel", f"{array}_[{indices}]"]]

    def parse_cancel(self, output: Output) -> None:
        if "Invalid job id" not in output.stderr and "already" not in output.stderr:
            super().parse_cancel(output)

    def history_argv(self, arrays: Sequence[str], since: float) -> list[Argv]:
        start = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(since - 60))
        ids = ",".join(arrays)
        accounting = ["sacct", "-X", "-P", "-n", "-j", ids, "--starttime", start]
        # without accounting only the controller knows, for MinJobAge seconds (default 300)
        return [
            [*accounting, "--format=JobID,State,ExitCode,ElapsedRaw,NodeList"],
            *(["scontrol", "-o", "show", "job", array] for array in arrays),
        ]

    def parse_history(self, output: Output) -> Iterable[Ended]:
        parse = _from_sacct if output.argv[0] == "sacct" else _from_scontrol
        for line in output.stdout.splitlines():
            yield from parse(line)

    def limits_argv(self) -> Argv:
        return ["scontrol", "show", "config"]

    def parse_limits(self, output: Output) -> Limits:
        found = re.search(r"^MaxArraySize\s*=\s*(\d+)", self.checked(output), re.MULTILINE)
        if found is None:
            raise CommandFailed(f"it does not tell MaxArraySize: {output}")
        return Limits(array=int(found[1]))


def _from_sacct(line: str) -> Iterator[Ended]:
    fields = line.split("|")
    if len(fields) >= 5:
        elapsed = float(fields[3]) if fields[3].isdigit() else None
        yield from _ended(fields[0], fields[1], fields[2], fields[4], elapsed)


def _from_scontrol(line: str) -> Iterator[Ended]:
    fields = dict(reversed(_FIELD.findall(line)))  # the first one counts: SubmitLine= is free text
    element = f"{fields.get('ArrayJobId')}_{fields.get('ArrayTaskId')}"
    host = fields.get("BatchHost") or fields.get("NodeList") or ""
    yield from _ended(element, fields.get("JobState", ""), fields.get("ExitCode", ""), host, None)


def _ended(
    elements: str, state: str, exit_code: str, host: str, elapsed: float | None
) -> Iterator[Ended]:
    found = _ELEMENTS.match(elements)
    word = state.split(" ")[0].rstrip("+")  # "CANCELLED by 1001"
    if found is None or word not in _REASONS:
        return
    code, _, signal = exit_code.partition(":")
    status = int(code) if code.isdigit() else None
    number = int(signal) if signal.isdigit() and signal != "0" else None
    reason = _REASONS[word]
    if reason == "exit-code":
        reason = f"exit-code {status}" if not number else "killed"
    for index in Ranges.parse(found[2]):
        yield Ended(found[1], index, Ending(reason, status, number, host, None, elapsed))
