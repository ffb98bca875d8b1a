"""What an LSF cluster is: bqueues(1), lsb.queues(5)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...shell import Output
from ..answers import Queue, Survey
from ..base import Argv
from ..units import bytes_of

_QUEUE = re.compile(r"^QUEUE: *", re.MULTILINE)
_VERSION = re.compile(r"^.*(?:LSF|OpenLava|lava) [^,\n]*", re.MULTILINE)  # bsub(1): -V
_STATUS = re.compile(r"^PRIO +NICE +STATUS.*\n\s*\S+ +\S+ +(\S+)", re.MULTILINE)
_DEFAULTS = re.compile(r"^DEFAULT LIMITS:(.*?)^(?=[A-Z])", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^ *\w+LIMIT(?: +\w+LIMIT)* *$", re.MULTILINE)
_VALUE = re.compile(r"([\d.]+) (min|[KMGTP])\b")

Limited = dict[str, tuple[str, str]]  # by name: number and unit


def survey_argv() -> list[Argv]:
    return [["bsub", "-V"], ["bqueues", "-l"]]


def parse_survey(outputs: Sequence[Output]) -> Survey:
    """How elements ended is told by bjobs for a while, with accounting or without."""
    version, queues = "", ""
    for output in outputs:
        if output.argv[0] == "bqueues":
            queues = output.stdout
        else:
            found = _VERSION.search(output.stdout + output.stderr)
            version = found[0].strip() if found and output.status == 0 else ""
    return Survey(version, tuple(map(_queue, _QUEUE.split(queues)[1:])), True if queues else None)


def _queue(text: str) -> Queue:
    status, defaults = _STATUS.search(text), _DEFAULTS.search(text)
    limits = _limits(_DEFAULTS.sub("", text))
    return Queue(
        text.split("\n", 1)[0].strip(),
        "This is the default queue" in text,
        status is None or status[1].startswith("Open"),
        _seconds(limits),
        _seconds(_limits(defaults[1])) if defaults else None,
        bytes_of("".join(limits["MEMLIMIT"])) if "MEMLIMIT" in limits else None,
    )


def _limits(text: str) -> Limited:
    """They stand in columns, the values in the line below the names."""
    found: Limited = {}
    for heading in _HEADING.finditer(text):
        names = heading[0].split()
        values = _VALUE.findall(text[heading.end() + 1 :].partition("\n")[0])
        if len(values) == len(names):
            found.update(zip(names, values, strict=True))
    return found


def _seconds(limits: Limited) -> int | None:
    return int(float(limits["RUNLIMIT"][0]) * 60) if "RUNLIMIT" in limits else None
