"""Jobs in processes of their own: whatever one does, it ends alone, and as a user would say."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.disk.index import EXPIRED, read_entries
from hpcbatch.registry.results import Results
from hpcbatch.runner.child import Child
from tests.core import Case, eventually, everyone
from tests.local import Local, reasons, states

BAD = 1  # the job that misbehaves, among four of one element


def misbehaving(how: str, folder: str) -> Callable[[int], Any]:
    def job(k: int) -> Any:
        import os
        import signal
        import sys
        import time

        print(f"job {k}", flush=True)
        if k != 1:
            return k
        if how == "_exit 0":
            os._exit(0)
        if how == "_exit 7":
            os._exit(7)
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "terminated":
            os.kill(os.getpid(), signal.SIGTERM)
        if how == "segfault":
            import ctypes
            import resource

            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            sys.stdout.flush()
            ctypes.string_at(0)
        if how == "too long":
            time.sleep(600)
        if how == "too long with children":
            import subprocess

            subprocess.Popen(["sleep", "601"], start_new_session=True)
            subprocess.run(["sh", "-c", "sleep 602"], check=False)
        if how == "deaf and too long":
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            while True:
                time.sleep(600)
        if how == "daemon":
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    time.sleep(600)
                os._exit(0)
            return os.wait()[1]
        if how == "dies beside a daemon":
            if os.fork() == 0:
                os.setsid()
                time.sleep(600)
            sys.stdout.flush()
            os._exit(9)
        if how == "closes all":
            os.closerange(3, 256)
            return k
        if how == "closes all and opens":
            sys.stdout.flush()
            os.closerange(0, 256)
            files = [open(f"{folder}/own-{n}", "w") for n in range(20)]  # noqa: SIM115
            return len(files)
        if how == "prints":
            for line in range(20_000):
                print(f"line {line} " + "x" * 80)
            return k
        if how == "50 MB":
            return b"x" * (50 << 20)
        if how == "SystemExit":
            raise SystemExit("enough")
        if how == "child comes back":
            pid = os.fork()
            if pid == 0:
                return "child"
            return os.waitpid(pid, 0)[1]
        if how == "unpicklable":
            return (line for line in "abc")
        if how == "memory":
            block = bytearray(80 << 20)
            time.sleep(0.02)
            end = time.process_time() + 0.2
            while time.process_time() < end:
                pass
            return len(block)
        raise AssertionError(how)

    return job


SIGNALS = {
    "killed": 9,
    "segfault": 11,
    "too long": 15,
    "too long with children": 15,
    "deaf and too long": 9,
}


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("_exit 0", "exit-code 0"),
        ("_exit 7", "exit-code 7"),
        ("killed", "killed"),
        ("segfault", "killed"),
        ("too long", "timeout"),
        ("too long with children", "timeout"),
        ("deaf and too long", "timeout"),
        ("dies beside a daemon", "exit-code 9"),
    ],
)
def test_a_job_that_dies_alone_is_expired_and_says_why(local: Local, how: str, told: str) -> None:
    task = local.create(misbehaving(how, str(local.folder)), range(4))
    status = local.run(task, chunk=4, isolate=True, job_timeout=2)
    assert states(task) == ["done", "expired", "done", "done"], task.errors()
    assert status.reasons == {told: 1}
    bad = task.job(BAD)
    assert bad.reason == told
    assert bad.stats.host == os.uname().nodename
    assert bad.stats.memory is not None
    assert bad.stats.memory > 1 << 20
    assert bad.stats.cpu is not None
    assert bad.stats.signal == SIGNALS.get(how)
    assert bad.stats.code == (int(told.split()[1]) if told.startswith("exit") else 0)
    assert [job.log() for job in task.jobs()] == [f"job {k}\n" for k in (0,)] + [
        bad.log(), "job 2\n", "job 3\n"
    ]  # fmt: skip
    (error,) = task.errors()
    assert told.split()[0] in str(error)
    assert error.traceback.endswith(bad.log()[-20:])
    local.ended(task)
    if how == "_exit 7":
        task.resubmit(jobs=[BAD])
        local.wait(task)
        assert task.collect(on_error="skip") == [0, 2, 3]
        assert reasons(task) == {BAD: told}


@pytest.mark.parametrize(
    ("how", "result"),
    [
        ("daemon", 0),
        ("closes all", 1),
        ("closes all and opens", 20),
        ("prints", 1),
        ("50 MB", b"x" * (50 << 20)),
        ("child comes back", 0),
        ("memory", 80 << 20),
    ],
)
def test_a_job_that_does_odd_things_has_its_result(local: Local, how: str, result: Any) -> None:
    task = local.create(misbehaving(how, str(local.folder)), range(4))
    local.run(task, chunk=4, isolate=True)
    assert task.collect() == [0, result, 2, 3]
    logs = [job.log() for job in task.jobs()]
    if how == "prints":
        assert logs.pop(BAD).count("\n") == 20_001
        assert logs == ["job 0\n", "job 2\n", "job 3\n"]
    else:
        assert logs == [f"job {k}\n" for k in range(4)]
    if how == "memory":
        stats = [job.stats for job in task.jobs()]
        assert (stats[BAD].memory or 0) > 80 << 20
        assert (stats[BAD].cpu or 0) > 0.2
        assert (stats[2].cpu or 0) < (stats[BAD].cpu or 0)
    for path in Path(local.folder).glob("own-*"):
        assert path.read_bytes() == b""
    local.ended(task)


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [("SystemExit", "SystemExit", "enough"), ("unpicklable", "TypeError", "cannot be pickled")],
)
def test_a_job_that_raises_is_in_error(local: Local, how: str, kind: str, message: str) -> None:
    task = local.create(misbehaving(how, ""), range(4))
    local.run(task, chunk=4, isolate=True)
    assert states(task) == ["done", "error", "done", "done"]
    (error,) = task.errors()
    assert error.type == kind
    assert message in error.message
    assert "Traceback" in error.traceback


def test_a_job_that_terminates_itself_is_killed_or_leaves(local: Local) -> None:
    task = local.create(misbehaving("terminated", ""), range(4))
    local.run(task, chunk=4, isolate=True)
    assert states(task) == ["done", "expired", "done", "done"]


def test_what_a_child_is_telling_is_read_while_it_ends() -> None:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            with open(writing, "wb") as file:
                file.write(Child.framed(bytes(10 << 20)))  # more than a pipe holds
        finally:
            os._exit(0)
    os.close(writing)
    child = Child(pid, reading)
    assert not child.has_told(60), "it begins to"
    child.end(60)
    told = child.told()
    os.close(reading)
    assert len(told or b"") == 10 << 20


def test_job_timeout_isolates_and_counts_for_each_job(local: Local) -> None:
    def job(k: int) -> int:
        import os
        import time

        time.sleep(600 if k == 2 else 0.3)
        return os.getpid()

    task = local.create(job, range(5))
    local.run(task, chunk=5, job_timeout="1s")
    assert states(task) == ["done", "done", "expired", "done", "done"]
    assert len(set(task.collect(on_error="skip"))) == 4


def waiting(folder: str) -> Callable[[int], int]:
    def job(k: int) -> int:
        import os
        import subprocess
        import time
        import warnings

        print(f"job {k}", flush=True)
        if k == 1:
            warnings.simplefilter("ignore")  # of a helper that is left behind
            helper = subprocess.Popen(["sleep", "600"])
            with open(f"{folder}/pids", "w") as file:
                file.write(f"{os.getpid()} {helper.pid}\n")
            while True:
                time.sleep(0.05)
        return k

    return job


def pids(folder: Path) -> list[int]:
    path = folder / "pids"
    eventually(lambda: path.exists() and path.read_text().endswith("\n"), "the job to begin")
    return [int(pid) for pid in path.read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    made = Case.of(waiting(str(tmp_path)), range(3))
    made.submit(isolate=True)
    yield made
    for pid in pids(tmp_path):
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("whom", "number"),
    [
        ("element", signal.SIGTERM),
        ("group", signal.SIGTERM),
        ("element", signal.SIGINT),
        ("group", signal.SIGUSR2),
    ],
)
def test_an_element_asked_to_leave_ends_its_job_and_tells_so(
    case: Case, tmp_path: Path, whom: str, number: signal.Signals
) -> None:
    with case.element(start_new_session=True) as element:
        started = pids(tmp_path)
        if whom == "group":
            os.killpg(element.pid, number)
        else:
            os.kill(element.pid, number)
        assert element.wait(20) == 128 + number
        assert not any(map(is_alive, started))
    assert case.states() == ["done", "queued", "queued"]  # until its scheduler has told why
    assert "Traceback" not in case.log()
    (ending,) = case.view().snapshot.endings[1].values()
    assert ending.reason == ("timeout" if number == signal.SIGUSR2 else "killed")
    assert ending.signal == number


def test_a_job_that_alone_was_asked_to_leave_is_killed_and_the_element_goes_on(
    case: Case, tmp_path: Path
) -> None:
    with case.element(start_new_session=True) as element:
        os.kill(pids(tmp_path)[0], signal.SIGTERM)
        assert element.wait(20) == 1
    assert case.states() == ["done", "expired", "done"]
    entry = read_entries(case.layout.index, everyone(3))[1]
    assert entry.said == EXPIRED
    with Results(case.layout) as results:
        ending = results.ending(1, entry, "")
    assert (ending.reason, ending.signal) == ("killed", signal.SIGTERM)


@pytest.mark.slow
def test_one_that_dies_takes_the_rest_of_its_chunk_along_and_innocents_are_done_after_resubmit(
    local: Local,
) -> None:
    log = local.log

    def job(k: int) -> int:
        import os

        with open(log, "a") as file:
            file.write(f"{k}\n")
        if k in (2, 3, 11):
            os._exit(1)
        return k

    for chunk in (3, 20):
        task = local.create(job, range(20))
        local.run(task, chunk=chunk)
        done = set(task.collect(on_error="skip"))
        assert done < set(range(20)) - {2, 3, 11}
        for _ in range(3):  # as many as there are killers in one chunk
            task.resubmit(only="expired")
            local.wait(task)
        assert set(task.collect(on_error="skip")) == set(range(20)) - {2, 3, 11}
        counted = local.executions()
        assert all(counted[k] == 1 for k in range(20) if k not in (2, 3, 11))
        os.unlink(log)


def test_a_suspect_that_did_not_begin_again_is_no_suspect_any_more(local: Local) -> None:
    log, gate = local.log, local.gate

    def job(k: int) -> int:
        import os
        import time

        with open(log, "a") as file:
            file.write(f"{k}\n")
        if k == 0:
            os._exit(1)
        while not os.path.exists(gate):
            time.sleep(0.02)
        return k

    task = local.create(job, range(4))
    task.submit("local", chunk=1)
    local.began(4)
    for pid in local.processes(task):
        os.kill(pid, signal.SIGKILL)
    local.wait(task)
    assert states(task) == ["expired"] * 4
    local.open_gate()
    for _ in range(2):
        task.resubmit(chunk=4)
        local.wait(task)
    assert states(task) == ["expired", "done", "done", "done"]


def test_a_task_without_isolate_says_what_the_cluster_told(local: Local) -> None:
    task = local.create(misbehaving("killed", ""), range(3))
    local.run(task, chunk=3)
    assert states(task) == ["done", "expired", "expired"]
    assert reasons(task) == {1: "killed", 2: "killed"}
    begun, unbegun = task.errors()
    assert "before the job began" not in str(begun)
    assert "before the job began" in str(unbegun)


def test_isolate_is_refused_what_is_no_flag(local: Local) -> None:
    task = local.create(misbehaving("killed", ""), range(1))
    with pytest.raises(hb.UsageError, match="isolate"):
        task.submit("local", isolate="yes")  # type: ignore[arg-type]
    with pytest.raises(hb.ResourceError, match="job_timeout"):
        task.submit("local", job_timeout=0)
    assert task.status().defined == 1


STYLES = ("KeyboardInterrupt", "Exception", "slow cleanup", "swallows once", "forks")


def catching(folder: str) -> Callable[[str], Any]:
    def job(style: str) -> Any:
        import os
        import time

        def begin() -> None:
            with open(f"{folder}/log", "a") as file:
                file.write("x\n")

        if style == "KeyboardInterrupt":
            try:
                begin()
                while True:
                    time.sleep(0.05)
            except KeyboardInterrupt:
                return "caught"
        if style == "Exception":
            begin()
            while True:
                try:
                    time.sleep(0.05)
                except Exception:  # noqa: S110
                    pass
        if style == "slow cleanup":
            try:
                begin()
                while True:
                    time.sleep(0.05)
            finally:
                time.sleep(0.5)
                open(f"{folder}/cleaned", "w").close()
        if style == "swallows once":
            try:
                begin()
                while True:
                    time.sleep(0.05)
            except:  # noqa: E722
                while True:
                    time.sleep(0.05)
        begin()
        while True:
            pid = os.fork()
            if pid == 0:
                os._exit(0)
            os.waitpid(pid, 0)

    return job


@pytest.mark.parametrize("isolate", [False, True])
def test_whatever_user_code_catches_it_ends_as_the_user_would_say(
    local: Local, isolate: bool
) -> None:
    task = local.create(catching(str(local.folder)), STYLES)
    task.submit("local", chunk=1, isolate=isolate, resources={"extra": ["--kill-wait=3"]})
    local.began(len(STYLES))
    task.cancel()
    local.ended(task)
    assert states(task) == ["canceled"] * len(STYLES)
    assert (local.folder / "cleaned").exists()
    assert "Traceback" not in "".join(job.log() for job in task.jobs())


@pytest.mark.parametrize("isolate", [False, True])
def test_a_signal_in_the_middle_of_a_fork_is_not_lost(tmp_path: Path, isolate: bool) -> None:
    folder = str(tmp_path)

    def job(k: int) -> None:
        import os

        block = bytearray(50 << 20)  # forks take longer
        open(f"{folder}/{k}", "w").close()
        while block:
            pid = os.fork()
            if pid == 0:
                os._exit(0)
            os.waitpid(pid, 0)

    case = Case.of(job, range(5))
    for k in range(5):
        attempt = case.submit([k], isolate=isolate)
        with case.element(attempt, start_new_session=True) as element:
            eventually((tmp_path / str(k)).exists)
            os.killpg(element.pid, signal.SIGTERM)
            assert element.wait(15) == 143
        assert "ignored" not in case.log(attempt)
