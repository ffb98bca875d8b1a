"""How elements of Slurm ended, as sacct(1) and scontrol(1) tell it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

from ....words.model import Ending
from ....words.ranges import Ranges
from ..answers import Ended
from ..units import bytes_of, seconds_of

_RUN = r"\d+(?:-\d+)?"
_ELEMENTS = re.compile(rf"(\d+)_\[?({_RUN}(?:,{_RUN})*)(?:%\d+)?\]?\Z")  # 2_7, 2_[3,5-9%2]
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
ACCOUNTED = "JobID,State,ExitCode,ElapsedRaw,MaxRSS,ReqMem,NodeList,Reason"
NEVER = "DependencyNeverSatisfied"
_LAUNCH_FAILED = 53  # as if it were a signal: slurmstepd could not open a file of the element


def from_sacct(lines: Iterable[str]) -> Iterator[Ended]:
    """One row an element, and one for each of its steps (``2_7.batch``), which know the memory."""
    memory: dict[str, int] = {}
    rows = []
    for line in lines:
        fields = line.split("|")
        if len(fields) == ACCOUNTED.count(",") + 1:
            element, dot, _ = fields[0].partition(".")
            memory[element] = max(memory.get(element, 0), bytes_of(fields[4]) or 0)
            if not dot:
                rows.append(fields)
    for element, state, exit_code, elapsed, _, limit, host, why in rows:
        seconds, used = float(elapsed) if elapsed.isdigit() else None, memory[element]
        if state == "FAILED" and exit_code == "0:9" and used >= _allowed(limit):
            state = "OUT_OF_MEMORY"  # a cluster without cgroups: slurmd killed it
        if state == "CANCELLED" and why == "Dependency":  # by nobody: by the controller
            why = NEVER
        yield from _ended(element, state, exit_code, host, why, seconds, used or None)


def _allowed(limit: str) -> float:
    """Bytes: ``500M``, before 21.08 ``500Mn`` (per node); ``100Mc`` (per CPU) says too little."""
    return bytes_of(limit.removesuffix("n")) or math.inf


def from_scontrol(line: str) -> Iterator[Ended]:
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
    elif word == "CANCELLED" and why == NEVER:
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
