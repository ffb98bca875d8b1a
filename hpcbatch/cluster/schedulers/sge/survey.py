"""What a Grid Engine cluster is: qconf(1), queue_conf(5), sge_conf(5)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...shell import Output
from ..answers import Queue, Survey
from ..base import Argv
from ..units import bytes_of, whole_seconds

_SHOW_QUEUES = ("qconf", "-sq", "*")
_CONTINUED = re.compile(r"\\\n\s*")
_VERSION = re.compile(r"^[A-Z][\w ./-]*\d+\.\d+\S*", re.MULTILINE)
_ACCOUNTING = re.compile(r"^reporting_params\s.*\baccounting=(true|false)", re.MULTILINE)


def survey_argv() -> list[Argv]:
    return [["qstat", "-help"], list(_SHOW_QUEUES), ["qconf", "-sconf"]]


def parse_survey(outputs: Sequence[Output]) -> Survey:
    """No queue is the default: the scheduler chooses one that fits."""
    version, accounting = "", None
    queues: tuple[Queue, ...] = ()
    for output in outputs:
        said = _CONTINUED.sub("", output.stdout)
        if output.argv == _SHOW_QUEUES:
            queues = tuple(map(_queue, _configurations(said)))
        elif output.argv[0] == "qstat":
            found = _VERSION.match(said)
            version = found[0].strip() if found else ""
        elif told := _ACCOUNTING.search(said):
            accounting = told[1] == "true"
    return Survey(version, queues, accounting)


def _configurations(text: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name == "qname":
            found.append({})
        if found and value:
            found[-1][name] = value.strip()
    return [fields for fields in found if "qname" in fields]


def _queue(fields: dict[str, str]) -> Queue:
    walltimes = (whole_seconds(_of_most_hosts(fields, name)) for name in ("s_rt", "h_rt"))
    return Queue(
        fields["qname"],
        is_open="BATCH" in fields.get("qtype", "BATCH"),
        max_walltime=min((limit for limit in walltimes if limit), default=None),
        max_memory=bytes_of(_of_most_hosts(fields, "h_vmem")),
        max_cpus=int(slots) if (slots := _of_most_hosts(fields, "slots")).isdigit() else None,
    )


def _of_most_hosts(fields: dict[str, str], name: str) -> str:
    """``24:00:00,[fat@@big=INFINITY]``: what is in brackets holds for single hosts."""
    return fields.get(name, "").partition(",")[0].strip()
