"""A cluster's configuration and programs, as they are on this host."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..cluster.cluster import Cluster
from ..cluster.config import is_here, load_clusters
from ..cluster.config_file import find_file
from ..words.errors import HpcbatchError, ProgramMissing, RegistryError, SchedulerError
from ..words.finding import Finding, fine, note, wrong


def check_configuration() -> Iterator[Finding]:
    try:
        load_clusters()
    except HpcbatchError as error:
        yield wrong("configuration", str(error))
        return
    path = find_file()
    yield fine("configuration", path or "none: the clusters that are built in")


def chosen_clusters(name: str | None) -> list[str]:
    """The one asked for, or all whose programs are here. Raises ConfigError."""
    if name is not None:
        return [Cluster.named(name).name]
    return [name for name, config in load_clusters().items() if is_here(config)]


def check_cluster(name: str, root: str) -> Iterator[Finding]:
    cluster = Cluster.named(name)
    try:
        cluster.check_here()
    except ProgramMissing as error:
        yield wrong("programs", str(error), "load the scheduler's module, or put it on PATH")
        return
    version = cluster.survey().version
    programs = ", ".join(cluster.scheduler.programs) or "none needed"
    yield fine("programs", f"{programs}{f' ({version})' if version else ''}")
    python = cluster.python
    if os.path.isabs(python) and not os.access(python, os.X_OK):
        yield note("python", f"{python} is not on this host; it has to be on the nodes")
    try:
        limits = cluster.limits(root)
        cluster.listing()
    except RegistryError as error:
        yield wrong("registry", str(error))
        return
    except SchedulerError as error:
        yield wrong(
            "scheduler",
            str(error),
            "is it up, is its module loaded here, and is your account known to it?",
        )
        return
    most = f"arrays of up to {limits.array:,} elements" if limits.array else "no limit of arrays"
    yield fine("scheduler", f"answers; {most}")
