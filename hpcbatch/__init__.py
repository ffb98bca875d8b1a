"""Run a function over many inputs as job arrays, and resubmit only what is unfinished.

import hpcbatch as hb

task = hb.create(simulate, x=range(1000), const={"y": 3}, name="Test")
task.submit(cluster="slurm", resources={"walltime": "10m", "memory": "500MB"})
task.wait()
results = task.collect()
"""

from __future__ import annotations

from importlib import import_module

from .words.version import VERSION as __version__

TYPE_CHECKING = False  # type checkers take it for true; loading typing for it costs 5 ms
if TYPE_CHECKING:
    from typing import Any

    from .handles.job import Job
    from .handles.task import Task
    from .handles.tasks import create, restore, tasks
    from .pool.controller import Controller
    from .pool.dask import DaskCluster
    from .pool.group import ControllerGroup
    from .pool.joblib import register_joblib
    from .pool.launchers.base import Call, Launcher, Standing
    from .pool.monitor import pools
    from .pool.sequential import SequentialController
    from .server.control import (
        autoclose_server,
        default_host,
        default_port,
        ensure_server,
        kill_server,
        server_alive,
        start_server,
    )
    from .sites.base import Site
    from .sites.connect import connect
    from .use.inputs import grid
    from .words.errors import (
        AccessDenied,
        AlreadySubmitted,
        CodeWarning,
        CommandFailed,
        CommandTimeout,
        ConfigError,
        DamagedFile,
        HpcbatchError,
        InputError,
        JobError,
        KeyFileError,
        LaunchError,
        NewerFormat,
        NotAllowed,
        NotFound,
        NotSubmitted,
        PoolClosed,
        PoolError,
        ProgramMissing,
        RegistryBusy,
        RegistryError,
        RegistryUnsafe,
        RegistryUnwritable,
        RemoteError,
        ResourceError,
        SchedulerError,
        ServerChanged,
        ServerUnknown,
        SiteError,
        SiteNotReady,
        SiteUnreachable,
        StateError,
        SubmissionDeferred,
        SubmissionError,
        SubmissionRejected,
        SubmissionUnclear,
        TaskFailed,
        TaskStuck,
        TooManyFailures,
        UsageError,
        WaitTimeout,
        WorkerLost,
    )
    from .words.status import JobInfo, TaskStatus


_HOMES = {
    "server.control": (
        "autoclose_server",
        "default_host",
        "default_port",
        "ensure_server",
        "kill_server",
        "server_alive",
        "start_server",
    ),
    "sites.base": ("Site",),
    "sites.connect": ("connect",),
    "use.inputs": ("grid",),
    "handles.job": ("Job",),
    "handles.task": ("Task",),
    "handles.tasks": ("create", "restore", "tasks"),
    "pool.controller": ("Controller",),
    "pool.dask": ("DaskCluster",),
    "pool.group": ("ControllerGroup",),
    "pool.joblib": ("register_joblib",),
    "pool.launchers.base": ("Call", "Launcher", "Standing"),
    "pool.monitor": ("pools",),
    "pool.sequential": ("SequentialController",),
    "words.errors": (
        "AccessDenied",
        "AlreadySubmitted",
        "CodeWarning",
        "CommandFailed",
        "CommandTimeout",
        "ConfigError",
        "DamagedFile",
        "HpcbatchError",
        "InputError",
        "JobError",
        "KeyFileError",
        "LaunchError",
        "NewerFormat",
        "NotAllowed",
        "NotFound",
        "NotSubmitted",
        "PoolClosed",
        "PoolError",
        "ProgramMissing",
        "RegistryBusy",
        "RegistryError",
        "RegistryUnsafe",
        "RegistryUnwritable",
        "RemoteError",
        "ResourceError",
        "SchedulerError",
        "ServerChanged",
        "ServerUnknown",
        "SiteError",
        "SiteNotReady",
        "SiteUnreachable",
        "StateError",
        "SubmissionDeferred",
        "SubmissionError",
        "SubmissionRejected",
        "SubmissionUnclear",
        "TaskFailed",
        "TaskStuck",
        "TooManyFailures",
        "UsageError",
        "WaitTimeout",
        "WorkerLost",
    ),
    "words.status": ("JobInfo", "TaskStatus"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AccessDenied",
    "AlreadySubmitted",
    "Call",
    "CodeWarning",
    "CommandFailed",
    "CommandTimeout",
    "ConfigError",
    "Controller",
    "ControllerGroup",
    "DamagedFile",
    "DaskCluster",
    "HpcbatchError",
    "InputError",
    "Job",
    "JobError",
    "JobInfo",
    "KeyFileError",
    "LaunchError",
    "Launcher",
    "NewerFormat",
    "NotAllowed",
    "NotFound",
    "NotSubmitted",
    "PoolClosed",
    "PoolError",
    "ProgramMissing",
    "RegistryBusy",
    "RegistryError",
    "RegistryUnsafe",
    "RegistryUnwritable",
    "RemoteError",
    "ResourceError",
    "SchedulerError",
    "SequentialController",
    "ServerChanged",
    "ServerUnknown",
    "Site",
    "SiteError",
    "SiteNotReady",
    "SiteUnreachable",
    "Standing",
    "StateError",
    "SubmissionDeferred",
    "SubmissionError",
    "SubmissionRejected",
    "SubmissionUnclear",
    "Task",
    "TaskFailed",
    "TaskStatus",
    "TaskStuck",
    "TooManyFailures",
    "UsageError",
    "WaitTimeout",
    "WorkerLost",
    "__version__",
    "autoclose_server",
    "connect",
    "create",
    "default_host",
    "default_port",
    "ensure_server",
    "grid",
    "kill_server",
    "pools",
    "register_joblib",
    "restore",
    "server_alive",
    "start_server",
    "tasks",
]


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first used, so that importing hpcbatch costs little."""
    if name not in _HOME:
        raise AttributeError(f"module 'hpcbatch' has no attribute {name!r}")
    from .words.errors import UsageError

    try:
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    except UsageError as error:
        from .words.extras import stand_in

        return stand_in(name, error)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
