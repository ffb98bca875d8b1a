"""Torque, 2.5 and later: what it does otherwise than its relative. Commands: qsub(1B), qstat(1B),
qdel(1B); exit codes: the Torque Administrator's Guide, "Job exit status"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ...words.model import Sighting
from ...words.ranges import Ranges
from ..shell import Output
from .base import Argv
from .pbs.endings import EndingCodes
from .pbs.scheduler import Pbs, batches

_SUFFIX = re.compile(r"-\d*\Z")  # an element's name is its array's and its index, cut off at 16


class Torque(Pbs):
    name = "torque"
    template = "torque.sh.j2"
    programs, known_by = ("qsub", "qstat", "qdel"), "qchkpt"
    variables = ("PBS_DEFAULT", "PBS_SERVER*")
    base = 1
    codes = EndingCodes(
        ended="C",  # shown for keep_completed seconds
        exit_field="exit_status",
        out_of_memory=(-10,),
        timeout=(-11, -12),
        own_status=(),
    )
    array_limit = re.compile(r"^\s+max_job_array_size = (\d+)", re.MULTILINE)
    default_limit = None

    def list_argv(self, user: str) -> Argv:
        return ["qstat", "-t", "-u", user, "-s"]

    def parse_list(self, output: Output) -> list[Sighting]:
        return [replace(s, name=_SUFFIX.sub("", s.name)) for s in super().parse_list(output)]

    def cancel_argv(self, array: str, indices: Ranges | None) -> list[Argv]:
        if indices is None:
            return [["qdel", array]]
        return [["qdel", "-t", ",".join(some), array] for some in batches(str(indices).split(","))]

    def history_argv(self, arrays: Sequence[str], since: float) -> list[Argv]:
        # one by one: an id that is unknown spoils the answer about all others
        return [["qstat", "-t", "-f", array] for array in arrays]
