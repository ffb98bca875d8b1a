"""Slurm, 20.11 and later. Commands and fields: sbatch(1), squeue(1), scontrol(1), sacct(1)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence

from ...words.model import Ending, Sighting
from ...words.ranges import Ranges
from ..shell import Output
from .base import Argv, Ended, Limits, Scheduler

_ID = re.compile(r"(\d+)(?:;\S+)?\Z")
_ELEMENT = re.compile(r"(\d+)_(\d+)\Z")
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
        "Connection refused",
        "Communication connection failure",
    )

    def submit_argv(self) -> Argv:
        return ["sbatch", "--parsable"]

    def parse_id(self, stdout: str) -> str | None:
        lines = stdout.strip().splitlines()
        found = _ID.match(lines[-1].strip()) if lines else None
        return found[1] if found else None

    def list_argv(self, user: str) -> Argv:
        # -a: jobs in hidden partitions are absent otherwise; the name last: it may hold a '|'
        return ["squeue", "-u", user, "-a", "-r", "-h", "-o", "%i|%T|%r|%j"]

    def parse_list(self, output: Output) -> list[Sighting]:
        found = []
        for line in self.checked(output).splitlines():
            fields = line.strip().split("|", 3)
            if len(fields) == 4:
                array, _, index = fields[0].partition("_")
                found.append(
                    Sighting(
                        array,
                        int(index) if index.isdigit() else None,
                        fields[3],
                        fields[1] in _RUNNING,
                        fields[1],
                        "" if fields[2] == "None" else fields[2],
                    )
                )
        return found

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
            ended = parse(line)
            if ended is not None:
                yield ended

    def limits_argv(self) -> Argv:
        return ["scontrol", "show", "config"]

    def parse_limits(self, output: Output) -> Limits:
        found = re.search(r"^MaxArraySize\s*=\s*(\d+)", self.checked(output), re.MULTILINE)
        return Limits(array=int(found[1]) if found else None)


def _from_sacct(line: str) -> Ended | None:
    fields = line.split("|")
    if len(fields) < 5:
        return None
    elapsed = float(fields[3]) if fields[3].isdigit() else None
    return _ended(fields[0], fields[1], fields[2], fields[4], elapsed)


def _from_scontrol(line: str) -> Ended | None:
    fields = dict(_FIELD.findall(line))
    array, index = fields.get("ArrayJobId"), fields.get("ArrayTaskId", "")
    if array is None or not index.isdigit():
        return None
    host = fields.get("BatchHost") or fields.get("NodeList") or ""
    return _ended(f"{array}_{index}", fields["JobState"], fields.get("ExitCode", ""), host, None)


def _ended(
    element: str, state: str, exit_code: str, host: str, elapsed: float | None
) -> Ended | None:
    found = _ELEMENT.match(element)
    word = state.split(" ")[0].rstrip("+")  # "CANCELLED by 1001"
    if found is None or word not in _REASONS:
        return None
    code, _, signal = exit_code.partition(":")
    status = int(code) if code.isdigit() else None
    number = int(signal) if signal.isdigit() and signal != "0" else None
    reason = _REASONS[word]
    if reason == "exit-code":
        reason = f"exit-code {status}" if not number else "killed"
    return Ended(found[1], int(found[2]), Ending(reason, status, number, host, None, elapsed))
