"""The public face is one list."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import hpcbatch

ASKED_FOR = [
    *(
        "AlreadySubmitted",
        "CodeWarning",
        "CommandFailed",
        "CommandTimeout",
        "ConfigError",
        "DamagedFile",
    ),
    *("HpcbatchError", "InputError", "JobError", "NewerFormat", "NotFound", "NotSubmitted"),
    *("ProgramMissing", "RegistryBusy", "RegistryError", "RegistryUnsafe", "RegistryUnwritable"),
    *("ResourceError", "SchedulerError", "StateError", "SubmissionDeferred", "SubmissionError"),
    *("SubmissionRejected", "SubmissionUnclear", "TaskFailed", "UsageError", "WaitTimeout"),
    *("AccessDenied", "KeyFileError", "NotAllowed", "ServerChanged", "SiteError"),
    "SiteUnreachable",
    *("ServerUnknown", "Site", "SiteNotReady", "TooManyFailures", "connect"),
    *("autoclose_server", "default_host", "default_port", "ensure_server", "kill_server"),
    *("server_alive", "start_server"),
    *("Controller", "ControllerGroup", "PoolClosed", "PoolError", "RemoteError"),
    *("Call", "LaunchError", "Launcher", "SequentialController", "Standing", "WorkerLost"),
    *("DaskCluster", "pools", "register_joblib"),
    *("Job", "JobInfo", "Task", "TaskStatus", "TaskStuck"),
    *("__version__", "create", "grid", "restore", "tasks"),
]


def test_the_public_names_are_these() -> None:
    assert sorted(hpcbatch.__all__) == sorted(ASKED_FOR)
    for name in hpcbatch.__all__:
        assert getattr(hpcbatch, name) is not None
    assert set(dir(hpcbatch)) == set(hpcbatch.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(hpcbatch, "no_such_name")


def test_importing_it_imports_nothing_heavy() -> None:
    heavy = ("cloudpickle", "jinja2", "yaml", "click", "rich", "filelock", "fabric", "drmaa", "zmq")
    heavy += ("joblib", "dask", "distributed", "IPython")
    source = f"import hpcbatch, sys; print([m for m in {heavy} if m in sys.modules])"
    told = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("missing", "extra", "wanted"),
    [
        ("zmq", "pool", "hpcbatch.Controller()"),
        ("zmq", "pool", "hpcbatch.ControllerGroup()"),
        ("joblib", "joblib", "hpcbatch.register_joblib()"),
        ("distributed", "dask", "hpcbatch.DaskCluster()"),
        ("jwt", "server", "known_sites.add(card, 'there'); hpcbatch.connect('there')"),
        ("jwt", "server", "main(['keys', 'whoami'])"),
        ("jwt", "server", "main(['server', 'run'])"),
        ("uvicorn", "server", "main(['server', 'run'])"),
    ],
)
def test_what_needs_more_packages_says_which(
    missing: str, extra: str, wanted: str, tmp_path: Path
) -> None:
    source = f"""
import sys
sys.modules[{missing!r}] = None
import hpcbatch
from hpcbatch.cli.main import main
from hpcbatch.sites import known_sites
card = known_sites.Card("https://there:1", "k" * 43)
{wanted}
"""
    told = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)},
    )
    assert f"needs more packages (import of {missing} halted" in told.stderr
    assert f"pip install 'hpcbatch[{extra}]'" in told.stderr


def test_what_needs_more_packages_can_be_looked_at() -> None:
    source = """
import inspect, pydoc, sys
for name in ("zmq", "joblib", "distributed", "jwt"):
    sys.modules[name] = None
import hpcbatch
from hpcbatch import *
assert {name for name, _ in inspect.getmembers(hpcbatch)} >= set(hpcbatch.__all__)
assert "pip install 'hpcbatch[pool]'" in hpcbatch.Controller.__doc__
assert "DaskCluster" in pydoc.render_doc(hpcbatch)
"""
    subprocess.run([sys.executable, "-c", source], check=True)


def test_the_benchmarks_can_be_loaded() -> None:
    """They are run by hand: what they use may have moved."""
    folder = Path(__file__).resolve().parents[1] / "benchmarks"
    names = ", ".join(path.stem for path in folder.glob("*.py"))
    argv = [sys.executable, "-c", f"import {names}"]
    subprocess.run(argv, cwd=folder, check=True, timeout=60)
