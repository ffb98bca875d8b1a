"""Submit, list, cancel, history on a python-drmaa that fails where a test says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hpcbatch.cluster.config import find_cluster, is_here
from hpcbatch.cluster.schedulers import get_scheduler
from hpcbatch.cluster.shell import Output
from hpcbatch.drmaa_front import listing
from hpcbatch.drmaa_front.spool import Spool
from hpcbatch.words.errors import (
    RegistryUnsafe,
    SubmissionDeferred,
    SubmissionRejected,
    SubmissionUnclear,
)

from ..core import eventually
from .conftest import Front, script


def ended(front: Front, name: str, *indices: int) -> None:
    for index in indices:
        told = {"reason": "ended", "code": 0, "host": "n1", "elapsed": 1.5, "memory": 4096}
        (front.folder(name) / f"{index}.ended").write_text(json.dumps(told))


def test_the_way_of_an_array(front: Front) -> None:
    assert front.submit("x", 3, "#NATIVE -p 1") == "submitted x\n"
    template = front.template()
    assert template["nativeSpecification"] == "-w n -r n -p 1"
    assert template["remoteCommand"] == "/bin/bash"
    assert template["workingDirectory"] == "/"
    assert template["outputPath"] == ":/dev/null"
    assert "jobEnvironment" not in template
    assert os.path.exists(template["args"][0])
    assert front.listed("x") == {"queued_active": [[1, 3]]}
    front.jobs(_1="running", _2="user_system_suspended")
    states = {"running": [[1, 1]], "user_system_suspended": [[2, 2]], "queued_active": [[3, 3]]}
    assert front.listed("x") == states
    ended(front, "x", 1, 3)
    assert front.listed("x") == {"user_system_suspended": [[2, 2]]}
    assert front.endings("x").keys() == {"1", "3"}


@pytest.mark.parametrize("state", ["done", "failed"])
def test_what_has_ended_is_not_alive(front: Front, state: str) -> None:
    front.submit("x", 2)
    front.jobs("7.1", _2=state)
    assert front.listed("x") == {}


def test_folder_of_an_ended_array_is_small(front: Front) -> None:
    front.submit("x", 3)
    ended(front, "x", 1, 2, 3)
    before = front.endings("x")
    assert front.listed("x") == {}
    left = {path.name for path in front.folder("x").iterdir()}
    assert left == {"asked.json", "script.sh", "ids", "endings.json", "over", "lock"}
    assert front.endings("x") == before
    (front.folder("x") / "2.begun").write_text(json.dumps({"job": "7.2"}))  # the admin's doing
    assert front.listed("x") == {"queued_active": [[2, 2]]}
    assert front.endings("x").keys() == {"1", "3"}


def test_old_arrays_are_forgotten(front: Front) -> None:
    for name, age in (("x", listing.KEPT_SECONDS), ("y", listing.ASKED_SECONDS)):
        front.submit(name, 3)
        ended(front, name, 1)
        over = front.folder(name) / "over"
        over.touch()
        os.utime(over, (time.time() - age - 60,) * 2)
    assert front.ask("list") == []
    assert not front.folder("x").exists()
    assert front.endings("y").keys() == {"1"}
    assert not list(front.folder("y").glob("*.ended"))


def test_a_failed_listing_is_no_empty_one(front: Front) -> None:
    front.submit("x")
    for function in ("initialize", "jobStatus"):
        front.trouble(**{function: "DrmCommunicationException"})
        done = front.run("list")
        assert (done.returncode, done.stdout) == (1, "")
        assert "DrmCommunication: code 1: it is as you said" in done.stderr
    front.trouble(exit="InternalException")
    assert front.listed("x")


def test_another_cells_arrays_fail_the_listing(front: Front) -> None:
    front.submit("x")
    done = front.run("list", SGE_CELL="other")
    assert done.returncode == 1
    assert "HPCBATCH_DRMAA_SPOOL" in done.stderr
    assert not (front.folder("x") / "over").exists()


def test_what_there_is_no_time_for(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    front.submit("x", 4)
    front.jobs("7.2")
    array = Spool(str(front.spool)).array("x")
    asked = []

    class Session:
        drms = "SGE"

        def __enter__(self) -> Session:
            return self

        def __exit__(self, *_: object) -> None: ...

        def state(self, job: str) -> str | None:
            asked.append(job)
            return front.jobs().get(job)

    monkeypatch.setattr(listing, "ASKING_SECONDS", -1.0)
    (told,) = listing.alive(Spool(str(front.spool)), Session)
    assert (told["states"], asked) == ({"undetermined": [[1, 4]]}, [])
    array.mark_gone([2])
    (told,) = listing.alive(Spool(str(front.spool)), Session)
    assert told["states"] == {"undetermined": [[1, 1], [3, 4]]}


REFUSALS = [
    ({"initialize": "DrmCommunicationException"}, SubmissionDeferred),
    ({"initialize": "DrmsInitException"}, SubmissionDeferred),
    ({"initialize": "InternalException"}, SubmissionRejected),
    ({"before": "DeniedByDrmException"}, SubmissionRejected),
    ({"before": "InvalidAttributeValueException"}, SubmissionRejected),
    ({"before": "TryLaterException"}, SubmissionDeferred),
    ({"after": "DrmCommunicationException"}, SubmissionUnclear),
    ({"after": "InternalException"}, SubmissionUnclear),
    ({"after": "UnicodeDecodeError"}, SubmissionUnclear),
    ({"after": "kill"}, SubmissionUnclear),
]


@pytest.mark.parametrize(("trouble", "kind"), REFUSALS)
def test_refusals_are_told_apart(front: Front, trouble: dict[str, str], kind: type) -> None:
    front.trouble(**trouble)
    done = front.run("submit", script=script("x", 2))
    with pytest.raises(kind):
        get_scheduler("drmaa").parse_submit(
            Output(("x",), done.returncode, done.stdout, done.stderr)
        )
    assert front.folder("x").exists() == (kind is SubmissionUnclear)
    front.trouble()
    again = front.run("submit", script=script("x", 2))
    assert (again.returncode == 0) == (kind is not SubmissionUnclear)  # never twice
    assert len(front.jobs()) == 2


def test_a_submission_that_is_repeated_is_one(front: Front) -> None:
    assert front.submit("x", 2) == front.submit("x", 2) == "submitted x\n"
    assert len(front.jobs()) == 2


def start_element(front: Front, name: str, index: int, **env: str) -> int:
    """As the scheduler would."""
    command = [front.template()["remoteCommand"], *front.template()["args"]]
    own = {"PATH": os.environ["PATH"], "JOB_ID": "7", "SGE_TASK_ID": str(index), **env}
    return subprocess.run(command, env=own, timeout=60, check=False, cwd="/").returncode


def test_an_array_whose_ids_nobody_saw_is_found(front: Front) -> None:
    front.submit("known", 1)
    front.trouble(after="kill")
    assert front.run("submit", script=script("x", 2)).returncode == 137
    front.trouble()
    assert front.listed("x") == {}
    args = front.template()["args"]
    args[1:3] = [str(front.folder("x")), "2"]
    (front.state / "template").write_text(json.dumps({"remoteCommand": "/bin/bash", "args": args}))
    gate = front.folder("x") / "script.sh"
    gate.write_text("kill -9 $PPID")  # it ends without a word
    start_element(front, "x", 2)
    assert front.listed("x") == {"queued_active": [[2, 2]]}
    front.ask("cancel", "x")
    assert "7.2" not in front.jobs()
    assert start_element(front, "x", 1) == 0  # late, and cancelled meanwhile
    assert not (front.folder("x") / "1.ended").exists()


def test_cancel(front: Front) -> None:
    front.submit("x", 6)
    front.ask("cancel", "x", "2,4-5")
    assert front.jobs().keys() == {"7.1", "7.3", "7.6"}
    front.ask("cancel", "x", "2,4-5")
    ended(front, "x", 1, 4)
    told = front.endings("x")
    assert {index: one["reason"] for index, one in told.items()} == {
        **{"1": "ended", "2": "canceled", "4": "ended", "5": "canceled"}
    }
    front.ask("cancel", "x")
    assert front.jobs() == {}
    assert (front.state / "controlled").read_text().split() == ["7.2", "7.4", "7.5", "7"]
    front.ask("cancel", "x")
    front.trouble(control="DrmCommunicationException")
    assert front.run("cancel", "x").returncode == 1
    assert "there is no array 'y'" in front.run("cancel", "y").stderr
    assert front.run("cancel", "../x").returncode == 2


def test_an_ending_near_the_limit_is_a_timeout(front: Front) -> None:
    front.submit("x", 2)
    told = json.dumps({"reason": "timeout", "code": None, "host": "n1", "elapsed": 9})
    for index in (1, 2):
        (front.folder("x") / f"{index}.limit").write_text(told)
    ended(front, "x", 2)
    assert {one["reason"] for one in front.endings("x").values()} == {"timeout", "ended"}
    assert front.listed("x") == {"queued_active": [[1, 1]]}


def test_walltime_is_an_attribute_where_there_is_one(front: Front) -> None:
    asked = script("x", 1, "#DRMAA --walltime=90")
    front.ask("submit", script=asked, FAKE_WALLTIME="1", FAKE_DRMS="Other 1.0")
    assert front.template()["hardWallclockTimeLimit"] == 90
    assert front.template()["nativeSpecification"] == ""


def test_other_schedulers_refuse_what_they_have_no_words_for(front: Front) -> None:
    done = front.run("submit", script=script("x", 2, "#DRMAA --throttle=1"), FAKE_DRMS="Other 1")
    assert "throttle=1 was asked for" in done.stderr
    assert front.jobs() == {}
    assert not front.folder("x").exists()


def test_without_the_library(front: Front) -> None:
    gone = {"PYTHONPATH": front.environment["PYTHONPATH"].split(os.pathsep)[-1]}
    for path in ("/no/such/libdrmaa.so", ""):
        done = front.run("submit", script=script("x"), DRMAA_LIBRARY_PATH=path, **gone)
        assert done.returncode == 1
        assert "the DRMAA library cannot be loaded" in done.stderr
        assert "DRMAA_LIBRARY_PATH" in done.stderr
        assert not front.folder("x").exists()
    assert get_scheduler("drmaa").programs == ()


def test_is_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DRMAA_LIBRARY_PATH", str(tmp_path / "lib"))
    assert not get_scheduler("drmaa").is_here()
    (tmp_path / "lib").touch()
    assert get_scheduler("drmaa").is_here()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_cluster().name == "local"  # by name only
    assert is_here(find_cluster("drmaa"))


def test_room_is_made_once(front: Front) -> None:
    code = (
        "import os, sys\n"
        "from hpcbatch.drmaa_front.native import make_room\n"
        "print(sys.argv[1:], os.environ.get('GLIBC_TUNABLES'), flush=True)\n"
        "make_room()\n"
    )
    for before, rounds in (("", 2), ("glibc.malloc.check=0", 2), (None, 1)):
        changed = {} if before is None else {"GLIBC_TUNABLES": before}
        told = subprocess.run(
            [sys.executable, "-c", code, "two words"],
            env={**front.environment, **changed},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout.splitlines()
        assert len(told) == rounds
        assert told[-1].startswith(f"['two words'] {before or ''}")
        assert told[-1].endswith("glibc.rtld.optional_static_tls=4096")


def test_an_open_spool_is_refused(front: Front) -> None:
    front.spool.mkdir(mode=0o755)
    assert "others can get at" in front.run("submit", script=script("x")).stderr
    assert front.run("list").returncode == 1


def test_a_spool_of_another_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    monkeypatch.setenv("HPCBATCH_DRMAA_SPOOL", str(tmp_path / "theirs"))
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(RegistryUnsafe, match="belongs to user"):
        Spool.find()


def test_nothing_is_handed_over_for_one_who_is_gone(front: Front) -> None:
    front.trouble(initialize="wait")
    process = subprocess.Popen(
        [sys.executable, "-m", "hpcbatch.drmaa_front", "submit"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=front.environment,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(script("x", 2))
    process.stdin.close()
    eventually(lambda: (front.state / "waits").exists(), "it to wait for the scheduler")
    process.kill()
    process.wait()
    (front.state / "trouble").unlink()
    eventually(lambda: (front.state / "ended").exists(), "it to end")
    assert front.jobs() == {}
    assert not front.folder("x").exists()
