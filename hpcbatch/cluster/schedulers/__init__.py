"""Every scheduler by name. A new one: a module or a folder here and a template, or the entry point
``hpcbatch.schedulers`` of another package."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from ...words.errors import ConfigError
from ...words.messages import nearest
from .base import Scheduler

BUILT_IN = {
    "local": "hpcbatch.cluster.schedulers.local:Local",
    "slurm": "hpcbatch.cluster.schedulers.slurm.scheduler:Slurm",
    "sge": "hpcbatch.cluster.schedulers.sge.scheduler:GridEngine",
    "lsf": "hpcbatch.cluster.schedulers.lsf.scheduler:Lsf",
    "pbs": "hpcbatch.cluster.schedulers.pbs.scheduler:Pbs",
    "torque": "hpcbatch.cluster.schedulers.torque:Torque",
    "drmaa": "hpcbatch.cluster.schedulers.drmaa:Drmaa",
}


@cache
def get_scheduler(name: str) -> Scheduler:
    """Raises ConfigError for an unknown one."""
    target = BUILT_IN.get(name) or _from_entry_points().get(name)
    if target is None:
        raise ConfigError(f"unknown scheduler {name!r}{nearest(name, scheduler_names())}")
    module, _, attribute = target.partition(":")
    try:
        made = getattr(import_module(module), attribute)()
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{target} of scheduler {name!r} cannot be loaded: {error}") from error
    if not isinstance(made, Scheduler):
        raise ConfigError(f"{target} of scheduler {name!r} is no hpcbatch Scheduler")
    return made


def is_scheduler(name: str) -> bool:
    """Looks for other packages' only where it is none of ours: that takes 20 ms."""
    return name in BUILT_IN or name in _from_entry_points()


def scheduler_names() -> list[str]:
    return [*BUILT_IN, *_from_entry_points()]


@cache
def _from_entry_points() -> dict[str, str]:
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group="hpcbatch.schedulers")}
