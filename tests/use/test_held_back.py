"""A task that is larger than its user's share of the queue (``max_queued``)."""

from __future__ import annotations

import json
import os
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.cluster.cluster import Cluster
from hpcbatch.cluster.schedulers.local import Local as LocalScheduler
from hpcbatch.use import held_back, in_doubt, service
from hpcbatch.use.preview import preview
from hpcbatch.use.submission_pauses import hindrance
from hpcbatch.words.options import SubmitOptions
from hpcbatch.words.ranges import Ranges
from tests.core import eventually
from tests.local import Local, configured, states

MOST = 4


def gated(log: str, gate: str) -> Callable[[int], int]:
    """A job that tells that it began, and ends when there is a file ``gate``."""

    def job(k: int) -> int:
        import os
        import time

        with open(log, "a") as file:
            file.write(f"{k}\n")
        while not os.path.exists(gate):
            time.sleep(0.02)
        return -k

    return job


@pytest.fixture
def narrow(local: Local) -> Local:
    """The local cluster, where a user may have few elements."""
    configured(max_queued=MOST)
    return local


def submitted(local: Local, njobs: int, **options: Any) -> hb.Task:
    task = local.create(gated(local.log, local.gate), range(njobs))
    task.submit("local", **{"chunk": 2, **options})
    return task


def test_only_so_many_are_in_the_queue_and_the_rest_follows(narrow: Local) -> None:
    task = submitted(narrow, 23)
    status = task.status()
    assert [(a.plan.elements, a.held_back.elements) for a in narrow.attempts(task)] == [(MOST, 8)]
    assert (status.held_back, status.attempts, status.resolved) == (23 - 2 * MOST, 1, False)
    assert "held back" in str(status)
    assert set(states(task)[2 * MOST :]) == {"submitted"}
    narrow.began(MOST)
    service.track(task.site.registry, task.id)
    assert len(narrow.attempts(task)) == 1  # no room yet
    narrow.open_gate()
    done = narrow.wait(task)
    assert (done.done, done.attempts, done.held_back) == (23, 1, 0)
    assert task.collect() == [-k for k in range(23)]
    assert set(narrow.executions().values()) == {1}
    first, *others = narrow.attempts(task)
    assert all(0 < a.plan.elements <= MOST and a.part_of == first.number for a in others)
    assert max(a.plan.largest() for a in others) == 2


@pytest.mark.slow
def test_the_room_is_shared_by_all_tasks(narrow: Local) -> None:
    first, second = submitted(narrow, 6), submitted(narrow, 10)
    third = submitted(narrow, 2)
    taken = [narrow.attempts(task)[0].plan.elements for task in (first, second, third)]
    assert taken == [3, 1, 0]
    assert states(third) == ["submitted"] * 2
    assert third.status().attempts == 1
    narrow.open_gate()
    for task in (third, second, first):
        narrow.wait(task)
    assert third.collect() == [0, -1]
    assert set(narrow.executions()) == set(range(10))


def test_two_trackers_never_fill_it_over(narrow: Local) -> None:
    tasks = [submitted(narrow, 8, chunk=1) for _ in range(2)]

    def running() -> int:
        return sum(len(narrow.processes(task)) for task in tasks)

    most = eventually(running, "the first elements")
    narrow.open_gate()
    waiting = [threading.Thread(target=narrow.wait, args=(task,)) for task in tasks]
    for thread in waiting:
        thread.start()
    while any(thread.is_alive() for thread in waiting):
        most = max(most, running())
        time.sleep(0.2)
    assert most > 0
    assert [task.status().done for task in tasks] == [8, 8]
    for task in tasks:
        assert sum(a.plan.elements for a in narrow.attempts(task)) == 8


def test_a_cancellation_ends_what_waits_for_room_too(narrow: Local) -> None:
    task = submitted(narrow, 14)
    narrow.began(MOST)
    task.cancel()
    assert set(states(task)) == {"canceled"}
    assert task.status().held_back == 0
    narrow.ended(task)
    service.track(task.site.registry, task.id)
    assert len(narrow.attempts(task)) == 1
    narrow.open_gate()
    task.resubmit()
    narrow.wait(task)
    assert task.collect() == [-k for k in range(14)]


def test_single_jobs_that_wait_for_room_are_cancelled(narrow: Local) -> None:
    task = submitted(narrow, 16)
    task.cancel(jobs=[9, 15])
    narrow.open_gate()
    narrow.wait(task)
    assert [k for k, state in enumerate(states(task)) if state == "canceled"] == [9, 15]
    assert {9, 15}.isdisjoint(narrow.executions())


def test_what_waits_for_room_is_alive_and_can_be_revoked(narrow: Local) -> None:
    task = submitted(narrow, 12)
    with pytest.raises(hb.StateError, match="waiting or running"):
        task.resubmit(jobs=[11])
    again = task.resubmit(jobs=[10, 11], chunk=1, revoke=True)
    assert again is not None
    assert task.status().held_back == 4
    narrow.open_gate()
    narrow.wait(task)
    assert task.collect() == [-k for k in range(12)]
    assert set(narrow.executions().values()) == {1}


def test_errors_that_are_run_again_are_in_error_no_more(narrow: Local) -> None:
    gate = narrow.gate

    def job(k: int) -> int:
        import os

        if not os.path.exists(gate):
            raise ValueError(k)
        return k

    task = narrow.create(job, range(6))
    narrow.run(task, chunk=1)
    assert task.status().error == 6
    narrow.open_gate()
    task.resubmit()
    assert task.status().error == 0
    narrow.wait(task)
    assert task.collect() == list(range(6))


def test_who_waits_for_another_task_waits_for_all_of_it(narrow: Local) -> None:
    first = submitted(narrow, 16)
    second = narrow.create(gated(narrow.log, narrow.gate), range(100, 102))
    second.submit("local", after=first)
    assert narrow.attempts(second)[0].plan.elements == 0
    narrow.open_gate()
    narrow.wait(first)
    narrow.wait(second)
    order = list(map(int, narrow.lines()))
    assert set(order[:16]) == set(range(16))


def test_a_throttle_holds_for_all_parts(narrow: Local) -> None:
    task = submitted(narrow, 6, chunk=1, throttle=2)
    narrow.open_gate()
    narrow.wait(task)
    assert task.collect() == [-k for k in range(6)]


def tracked_until(task: hb.Task, condition: Callable[[hb.TaskStatus], bool]) -> hb.TaskStatus:
    found: list[hb.TaskStatus] = []

    def holds() -> bool:
        found.append(service.track(task.site.registry, task.id))
        return condition(found[-1])

    eventually(holds, "a status of the task")
    return found[-1]


def test_a_rest_that_is_refused_is_told_by_every_status(
    narrow: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = narrow.folder / "told"
    task = submitted(narrow, 16, resources={"cpus": 2}, notify=f"cat > {told}")
    monkeypatch.setenv("HPCBATCH_LOCAL_SLOTS", "1")
    narrow.open_gate()
    status = tracked_until(task, lambda status: status.idle)
    assert (status.defined, status.done, status.held_back) == (8, 8, 0)
    [note] = task.status().notes
    assert note.startswith("8 jobs not submitted: ")
    assert "an element of 2 cpus can never start" in note
    assert "script" not in note
    assert {error.index for error in task.errors()} == set(range(8, 16))
    assert all("can never start" in str(error) for error in task.errors())
    assert json.loads(told.read_text())["counts"]["defined"] == 8
    attempt = task.resubmit(resources={"cpus": 1})
    assert attempt is not None
    assert attempt.jobs_taken == Ranges([(8, 16)])
    assert narrow.wait(task).done == 16
    assert task.status().notes == ()


def test_parts_are_submitted_as_the_first_was_whoever_tracks(
    narrow: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(env={"WHO": "the submitter"}, setup=["SETUP=done"])
    monkeypatch.setenv("PYTHONPATH", "/submitted/with")
    task = submitted(narrow, 14)
    monkeypatch.setenv("PYTHONPATH", "/tracked/with")
    configured(env={"WHO": "the tracker"}, python="/no/such/python", max_queued=1, setup=[])
    narrow.open_gate()
    eventually(lambda: task.status().done == 2 * MOST, "room for all that is held back")
    assert narrow.wait(task).done == 14
    first, *others = narrow.attempts(task)
    assert [a.plan.elements for a in others] == [3]
    for attempt in (first, *others):
        script = Path(narrow.layout(task).attempt(attempt.number).script(0)).read_text()
        assert "the submitter" in script
        assert "SETUP=done" in script
        assert "/submitted/with" in script
        assert "/tracked/with" not in script


def test_what_goes_wrong_with_a_part_is_told_and_tried_again(
    narrow: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = narrow.folder / "own.j2"
    template.write_text('{% extends "shipped/local.sh.j2" %}')
    configured(template=str(template))
    task = submitted(narrow, 16)
    template.rename(narrow.folder / "elsewhere.j2")
    narrow.open_gate()
    with pytest.raises(hb.TaskStuck, match=r"8 jobs held back .*own\.j2 cannot be used"):
        narrow.wait(task)
    status = task.status()
    assert (status.done, status.held_back, status.stuck) == (8, 8, 8)
    assert "and is tried again" in status.notes[0]
    assert len(narrow.attempts(task)) == 1
    (narrow.folder / "elsewhere.j2").rename(template)
    monkeypatch.setattr(held_back, "PAUSE", 0.0)
    assert narrow.wait(task).done == 16
    assert narrow.attempts(task)[0].setback is None


def test_a_tracker_without_the_programs_makes_nothing_stuck(
    narrow: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_not_here(self: Cluster) -> None:
        raise hb.ProgramMissing("sbatch is not on PATH here")

    task = submitted(narrow, 16)
    narrow.open_gate()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(Cluster, "check_here", is_not_here)
        status = tracked_until(task, lambda status: "not on PATH here" in str(status.notes))
    assert status.stuck == 0
    monkeypatch.setattr(held_back, "PAUSE", 0.0)
    assert narrow.wait(task).done == 16


def test_a_listing_that_fails_is_told_while_jobs_are_held_back(
    narrow: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = submitted(narrow, 16)
    narrow.open_gate()
    eventually(lambda: task.status().done == 8, "the first part to end")
    monkeypatch.setattr(LocalScheduler, "list_argv", lambda self, user: ["/bin/false"])
    told = tracked_until(task, lambda status: len(status.notes) == 2)
    assert "the last listing failed" in told.notes[0]
    assert told.notes[1].startswith("8 jobs held back")


def test_who_waits_for_a_task_submits_what_that_holds_back(narrow: Local) -> None:
    first = submitted(narrow, 16)
    second = narrow.create(gated(narrow.log, narrow.gate), range(100, 102))
    second.submit("local", after=first)
    third = narrow.create(gated(narrow.log, narrow.gate), range(200, 202))
    third.submit("local", after_ok=second)
    assert first.id in second.status().notes[0]
    narrow.open_gate()
    narrow.wait(third)
    order = list(map(int, narrow.lines()))
    assert set(order[:16]) == set(range(16))
    assert set(order[16:18]) == {100, 101}


def test_a_dependency_that_was_met_may_be_removed(narrow: Local) -> None:
    first = narrow.create(gated(narrow.log, narrow.gate), range(100, 102))
    first.submit("local", chunk=2)
    second = submitted(narrow, 16, after=first)
    assert narrow.attempts(second)[0].plan.elements == MOST - 1
    narrow.open_gate()
    eventually(lambda: second.status().done > 0, "a job that waited")
    first.remove()
    assert narrow.wait(second).done == 16


def test_a_throttle_holds_for_parts_retries_and_resubmissions(narrow: Local) -> None:
    configured(max_queued=6)
    traces, gate = narrow.folder / "traces", narrow.gate
    traces.mkdir()

    def job(k: int) -> int:
        import os
        import time
        from pathlib import Path

        own = Path(traces) / str(os.getpid())
        own.touch()
        if len(os.listdir(traces)) > 2:
            Path(f"{gate}-too-many").touch()
        if k % 5 == 0 and not os.path.exists(f"{gate}-{k}"):
            Path(f"{gate}-{k}").touch()
            own.unlink()
            if k % 10 == 0:
                raise ValueError(k)
            os._exit(3)
        time.sleep(0.2)
        own.unlink()
        return k

    task = narrow.create(job, range(11))
    task.submit("local", chunk=1, throttle=2, retries=1)
    resubmitted = False

    def ends() -> bool:
        nonlocal resubmitted
        status = service.track(task.site.registry, task.id)
        if status.error and not resubmitted:
            resubmitted = bool(task.resubmit(only="error"))
        if status.idle and status.error:
            task.resubmit(only="error")
            return False
        return status.idle

    eventually(ends, "the task to end")
    assert task.collect() == list(range(11))
    assert resubmitted
    assert not os.path.exists(f"{gate}-too-many")


def test_a_template_that_is_wrong_is_told_although_there_is_no_room(narrow: Local) -> None:
    submitted(narrow, 16)
    bad = narrow.folder / "bad.j2"
    bad.write_text("#!/bin/sh\ntrue {{ walltim }}\n")
    configured(template=str(bad))
    task = narrow.create(gated(narrow.log, narrow.gate), range(2))
    with pytest.raises(hb.ConfigError, match="did you mean 'walltime'"):
        task.submit("local")
    assert states(task) == ["defined"] * 2


def test_two_attempts_that_hold_jobs_back_keep_the_throttle(narrow: Local) -> None:
    configured(max_queued=8)
    task = submitted(narrow, 12, chunk=1, throttle=1)
    task.resubmit(jobs=[10, 11], revoke=True)
    narrow.open_gate()
    most = 0

    def ends() -> bool:
        nonlocal most
        most = max(most, len(narrow.processes(task)))
        return service.track(task.site.registry, task.id).idle

    eventually(ends, "the task to end")
    assert most <= 1
    assert task.collect() == [-k for k in range(12)]


def test_a_task_that_would_be_held_back_has_a_script(narrow: Local) -> None:
    first = submitted(narrow, 16)
    second = narrow.create(lambda x: x, [1])
    options = SubmitOptions(cluster="local", after=(first.id,))
    made = preview(second.site.registry, second.spec, options)
    assert made.script.startswith("#!/bin/bash")
    narrow.open_gate()


def test_last_is_what_it_was_at_the_submission(narrow: Local) -> None:
    first = submitted(narrow, 16)
    second = narrow.create(gated(narrow.log, narrow.gate), range(100, 102))
    second.submit("local", after="last")
    submitted(narrow, 1)
    assert narrow.attempts(second)[0].options.after == (first.id,)
    narrow.open_gate()
    narrow.wait(second)
    assert set(list(map(int, narrow.lines()))[-2:]) == {100, 101}


def test_tasks_do_not_wait_for_one_another_in_a_circle(narrow: Local) -> None:
    first, second, third = (submitted(narrow, 16), *(submitted(narrow, 2) for _ in range(2)))
    second.resubmit(revoke=True, after=first)
    third.resubmit(revoke=True, after=second)
    with pytest.raises(hb.StateError, match=f"{third.id} waits for {first.id} already"):
        first.resubmit(revoke=True, after=third)
    assert first.status().counts["submitted"] + first.status().counts["running"] <= 16


def test_what_was_taken_from_an_attempt_does_not_come_back_to_it(
    narrow: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = submitted(narrow, 16)
    narrow.began(MOST)
    with monkeypatch.context() as patch:
        patch.setattr(
            LocalScheduler, "submit_argv", lambda self: ["/bin/sh", "-c", "echo no >&2; exit 1"]
        )
        configured(max_queued=2 * MOST)
        with pytest.raises(hb.SubmissionRejected):
            task.resubmit(jobs=range(8, 16), revoke=True)
    status = task.status()
    assert (status.defined, status.held_back) == (8, 0)
    assert "8 jobs not submitted: /bin/sh" in status.notes[-1]
    task.resubmit(only="defined")
    narrow.open_gate()
    assert narrow.wait(task).done == 16
    assert set(narrow.executions().values()) == {1}


def test_canceled_jobs_stay_so_when_a_doubt_is_given_up(
    narrow: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_doubt, "GRACE", 0.5)
    task = submitted(narrow, 16)
    narrow.began(MOST)
    with monkeypatch.context() as patch:
        patch.setattr(LocalScheduler, "submit_argv", lambda self: ["/bin/echo", "who knows"])
        configured(max_queued=2 * MOST)
        with pytest.raises(hb.SubmissionError):
            task.resubmit(revoke=True)
    doubtful = narrow.attempts(task)[-1]
    told = hindrance(narrow.view(task), doubtful)
    assert told == "until it is known whether the last submission was taken"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an array that is in no listing
        task.cancel()

    def is_settled() -> bool:
        task.status()
        return not any(attempt.is_in_doubt for attempt in narrow.attempts(task))

    eventually(is_settled, "the doubt to be given up")
    assert set(states(task)) == {"canceled"}


def test_a_tracker_that_begins_tries_at_once_what_was_mended(narrow: Local) -> None:
    template = narrow.folder / "own.j2"
    template.write_text('{% extends "shipped/local.sh.j2" %}')
    configured(template=str(template))
    task = submitted(narrow, 16)
    template.write_text('{% extends "shipped/local.sh.j2" %}{{ typo }}')
    template.rename(narrow.folder / "elsewhere.j2")
    narrow.open_gate()
    with pytest.raises(hb.TaskStuck):
        narrow.wait(task)
    template.write_text('{% extends "shipped/local.sh.j2" %}')
    assert narrow.wait(task).done == 16


def test_an_awaited_task_that_was_canceled_and_removed_has_ended(narrow: Local) -> None:
    first = submitted(narrow, 16)
    second, third = submitted(narrow, 2, after=first), submitted(narrow, 2, after_ok=first)
    first.cancel()
    narrow.ended(first)
    first.remove()
    narrow.open_gate()
    assert narrow.wait(second).done == 2
    with pytest.raises(hb.TaskStuck, match=f"{first.id} was removed before"):
        narrow.wait(third)


def test_a_profile_that_is_lost_is_told_and_keeps_nothing_else_back(narrow: Local) -> None:
    gate = narrow.gate

    def dies(k: int) -> int:
        import os

        if not os.path.exists(gate):
            os._exit(3)
        return k

    task = narrow.create(dies, range(2))
    task.submit("local", chunk=1, retries=1)
    eventually(lambda: task.status().expired == 2, "the jobs to die")
    os.unlink(narrow.layout(task).attempt(1).profile)
    status = narrow.wait(task)
    assert "a retry was refused" in status.notes[-1]
    assert "profile.json" in status.notes[-1]
    assert "Resubmit the jobs" in status.notes[-1]


def test_the_note_tells_what_is_waited_for(narrow: Local) -> None:
    first = submitted(narrow, 16)
    assert "until there is room in the queue" in first.status().notes[-1]
    service.track(first.site.registry, first.id)
    told = f"max_queued of local is {MOST}: {MOST} of yours were there at the last look)"
    assert told in first.status().notes[-1]
    other = submitted(narrow, 2)
    service.track(other.site.registry, other.id)
    assert f"at the last look, {MOST} of them not of this task" in other.status().notes[-1]
    second = submitted(narrow, 2, after=first)
    assert f"until none of {first.id} is held back" in second.status().notes[-1]
    second.cancel()
    first.cancel()
    third = submitted(narrow, 16, throttle=2)
    assert "until what was submitted has ended (throttle 2)" in third.status().notes[-1]
