"""What a Slurm cluster is: scontrol(1), sacctmgr(1), slurm.conf(5)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...shell import Output
from ..answers import Queue, Survey
from ..base import Argv
from ..units import whole_seconds

_MEGABYTE = 1 << 20
_FIELD = re.compile(r"(\w+)=(\S*)")
_ACCOUNTING = re.compile(r"^AccountingStorageType\s*=\s*(\S*)", re.MULTILINE)
_SHOW_PARTITIONS = ("scontrol", "-o", "show", "partition")
_SHOW_LIMITS = ("sacctmgr", "-nP", "show", "assoc")


def survey_argv(user: str) -> list[Argv]:
    return [
        ["sinfo", "--version"],
        list(_SHOW_PARTITIONS),
        ["scontrol", "show", "config"],
        [*_SHOW_LIMITS, f"user={user}", "format=MaxSubmitJobs"],
    ]


def parse_survey(outputs: Sequence[Output]) -> Survey:
    version, accounting = "", None
    queues: tuple[Queue, ...] = ()
    most: list[int] = []
    for output in outputs:
        if output.argv[0] == "sinfo":
            version = output.stdout.strip()
        elif output.argv == _SHOW_PARTITIONS:
            queues = tuple(map(_queue, _partitions(output.stdout)))
        elif output.argv[:4] == _SHOW_LIMITS:
            most = [int(line) for line in output.stdout.split() if line.isdigit()]
        elif found := _ACCOUNTING.search(output.stdout):
            accounting = not found[1].endswith("/none") and found[1] != "(null)"
    return Survey(version, queues, accounting, min(most, default=None))


def _partitions(text: str) -> list[dict[str, str]]:
    found = (dict(_FIELD.findall(line)) for line in text.splitlines())
    return [fields for fields in found if "PartitionName" in fields]


def _queue(fields: dict[str, str]) -> Queue:
    return Queue(
        fields["PartitionName"],
        fields.get("Default") == "YES",
        fields.get("State", "UP") == "UP" and fields.get("RootOnly") != "YES",
        whole_seconds(fields.get("MaxTime", "")),
        whole_seconds(fields.get("DefaultTime", "")),
        _megabytes(fields.get("MaxMemPerNode", "")),
        _number(fields.get("MaxCPUsPerNode", "")),
    )


def _megabytes(text: str) -> int | None:
    """0 and ``UNLIMITED`` set no limit."""
    number = _number(text)
    return number * _MEGABYTE if number else None


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() else None
