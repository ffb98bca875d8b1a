"""What a PBS cluster is: qstat(1B); attributes: pbs_queue_attributes(7B),
pbs_server_attributes(7B)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...shell import Output
from ..answers import Queue, Survey
from ..base import Argv
from ..units import whole_seconds
from .endings import CONTINUED, size

_SHOW_QUEUES = ("qstat", "-Q", "-f")
_SHOW_SERVER = ("qstat", "-B", "-f")
_QUEUE = re.compile(r"^Queue: *", re.MULTILINE)
_VERSION = re.compile(r"(?:pbs_version *=|[Vv]ersion:) *(\S+)")


def survey_argv() -> list[Argv]:
    return [["qstat", "--version"], list(_SHOW_QUEUES), list(_SHOW_SERVER)]


def parse_survey(outputs: Sequence[Output]) -> Survey:
    """How elements ended is told as long as the server keeps a history."""
    version, queues = "", ""
    server: dict[str, str] = {}
    for output in outputs:
        if output.argv == _SHOW_QUEUES:
            queues = output.stdout
        elif output.argv == _SHOW_SERVER:
            server = _fields(output.stdout)
        elif found := _VERSION.search(output.stdout + output.stderr):
            version = found[1]
    history = server.get("job_history_enable")
    return Survey(
        version or server.get("pbs_version", ""),
        tuple(_queue(text, server) for text in _QUEUE.split(queues)[1:]),
        None if not server else history == "True" or "keep_completed" in server,
    )


def _fields(text: str) -> dict[str, str]:
    pairs = (line.strip().partition(" = ") for line in CONTINUED.sub("", text).splitlines())
    return {name: value for name, equals, value in pairs if equals}


def _queue(text: str, server: dict[str, str]) -> Queue:
    name, fields = text.split("\n", 1)[0].strip(), _fields(text)
    either = {**{key: value for key, value in server.items() if "." in key}, **fields}
    cpus = either.get("resources_max.ncpus", "")
    return Queue(
        name,
        name == server.get("default_queue"),
        fields.get("enabled") != "False" and fields.get("started") != "False",
        whole_seconds(either.get("resources_max.walltime", "")),
        whole_seconds(either.get("resources_default.walltime", "")),
        size(either, "resources_max.mem") or None,
        int(cpus) if cpus.isdigit() else None,
    )
