"""A configuration for this very host, made from what its schedulers tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..words.errors import UsageError
from ..words.messages import nearest
from ..words.text import bytes_text
from .schedulers.answers import Limits, Queue, Survey

_HEAD = """\
# Made by 'hpcbatch clusters init' from what this host's schedulers tell. Change what you know
# better; 'hpcbatch config show' prints what holds.
"""


@dataclass(frozen=True)
class FoundCluster:
    """A cluster that is here, and what is known of it."""

    name: str
    scheduler: str
    limits: Limits
    survey: Survey


def proposed(found: Sequence[FoundCluster], default: str | None = None) -> str:
    """The text of an hpcbatch.yaml. With several clusters ``default`` is left to the user, where
    none is given. Raises UsageError for one that is not here."""
    names = [*(each.name for each in found), "local"]
    if default is None and len(names) <= 2:
        default = names[0]
    if default is None:
        lines = [f"# default: one of {', '.join(map(_yaml, names))}"]
    elif default in names:
        lines = [f"default: {_yaml(default)}"]
    else:
        raise UsageError(f"there is no cluster {default!r} here{nearest(default, names)}")
    if found:
        lines.append("clusters:")
    for each in found:
        lines += [f"  {_yaml(each.name)}:", *(f"    {line}" for line in _settings(each))]
    return _HEAD + "\n".join(lines) + "\n"


def _settings(found: FoundCluster) -> Iterator[str]:
    usable = [queue for queue in found.survey.queues if queue.is_open]
    first = next((queue for queue in usable if queue.is_default), None)
    yield f"scheduler: {_yaml(found.scheduler)}"
    walltime = _time(first.default_walltime) if first and first.default_walltime else "1h"
    yield f"# resources: {{walltime: {walltime}, memory: 1GB}}  # where nothing else is asked for"
    if usable and all(queue.max_walltime for queue in usable):
        yield f"max_walltime: {_time(max(queue.max_walltime or 0 for queue in usable))}"
        yield from _choice(usable)
    if usable and all(queue.max_memory for queue in usable):
        yield f"max_memory: {bytes_text(max(queue.max_memory or 0 for queue in usable))}"
    if found.survey.max_queued:
        yield f"max_queued: {found.survey.max_queued}"
    if found.limits.memory_unit:
        yield f"memory_unit: {found.limits.memory_unit}"


def _choice(queues: Sequence[Queue]) -> Iterator[str]:
    """Commented out: nobody can tell which of them are for this user's jobs."""
    if len(queues) > 1:
        limits = {queue.name: _time(queue.max_walltime or 0) for queue in queues}
        yield f"# queues: {_yaml(limits)}  # chosen by walltime, where none is asked for"


def _time(seconds: int) -> str:
    """``7d``, ``36h``, ``90m``: YAML reads ``36:00:00`` as a number."""
    for unit, each in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % each == 0 and seconds >= each:
            return f"{seconds // each}{unit}"
    return f"{seconds}s"


def _yaml(value: str | Mapping[str, Any]) -> str:
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False)
    return str(text).removesuffix("...\n").strip()
