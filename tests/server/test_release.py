"""What waits in the queue is released once, holds up no other, and can be withdrawn any time."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import hpcbatch as hb
from hpcbatch.cli.main import main
from hpcbatch.cluster.cluster import Cluster
from hpcbatch.registry.attempts import mark_canceled, read_attempts, write_attempt
from hpcbatch.registry.registry import Registry
from hpcbatch.server import release
from hpcbatch.server.dashboard import views
from hpcbatch.server.queue import QueuedSubmission, SubmissionQueue
from hpcbatch.server.settings import ServerOptions, ServerSettings
from hpcbatch.server.users import User
from hpcbatch.sites import queued
from hpcbatch.sites.here import Here
from hpcbatch.sites.keys import public_pem
from hpcbatch.sites.run_file import Run
from hpcbatch.sites.uploads import Upload
from hpcbatch.use import busy_schedulers, job_infos
from hpcbatch.use.submit import submit_defined
from hpcbatch.words.assignment import Assignment
from hpcbatch.words.errors import SubmissionDeferred
from hpcbatch.words.model import TaskSpec
from hpcbatch.words.options import SubmitOptions
from hpcbatch.words.ranges import Ranges
from hpcbatch.words.server_layout import ServerLayout
from tests.core import eventually, everyone, make_attempt

from .serving import next_key, served_site

WORD = "0" * 32


class House:
    """A served site whose releaser is driven by hand, two users, and the local cluster."""

    def __init__(self, root: Path, **options: Any):
        settings = ServerSettings(options=ServerOptions(keep_alive=60, **options))
        self.site = served_site(root, settings)
        self.alice = self.site.users.add(public_pem(next_key()), "alice")
        self.bob = self.site.users.add(public_pem(next_key()), "bob")

    def task(self, owner: User, *inputs: Any) -> TaskSpec:
        registry = self.site.registry
        made = hb.create(abs, list(inputs) or [-1], root=registry.root).spec
        path = Path(registry.layout(made.id).spec)
        path.write_text(path.read_text().replace('"owner": ""', f'"owner": "{owner.id}"'))
        return registry.spec(made.id)

    def submit(self, spec: TaskSpec, word: str = WORD, **order: Any) -> None:
        user = self.alice if spec.owner == self.alice.id else self.bob
        self.site.submit(user, spec, word, {"cluster": "local", **order})

    def release(self) -> None:
        self.site.releaser._release_some()

    def attempts(self, spec: TaskSpec) -> list[Any]:
        return read_attempts(self.site.registry.layout(spec.id))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "root")
    yield house
    for spec in house.site.registry.specs():
        house.site.cancel(spec, None)


def test_one_that_breaks_the_server_holds_up_no_other(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = house.task(house.bob), house.task(house.alice)

    def broken(registry: Registry, spec: TaskSpec, options: SubmitOptions, terms: Any) -> Any:
        if spec.id == bad.id:
            raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
        return submit_defined(registry, spec, options, terms)

    monkeypatch.setattr(release, "submit_defined", broken)
    house.submit(bad)
    house.submit(good)
    house.release()
    assert len(house.attempts(good)) == 1
    note = house.site.tracking.status(bad.id).notes[-1]
    assert "surrogates not allowed" in note
    monkeypatch.setattr(release, "PATIENCE", 0.0)
    house.site.releaser._waits_until.clear()
    house.release()
    assert "surrogates not allowed" in house.site.queue.refusal(bad.id)
    assert house.site.queue.waiting() == []


def test_a_cluster_that_can_take_nothing_now_holds_up_no_other(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = house.task(house.bob), house.task(house.alice)
    house.submit(first)
    house.submit(second)
    limits, asked = Cluster.limits, []

    def away(cluster: Cluster, root: str) -> Any:
        asked.append(cluster)
        if len(asked) == 1:
            raise SubmissionDeferred("the controller is away")
        return limits(cluster, root)

    monkeypatch.setattr(Cluster, "limits", away)
    monkeypatch.setattr(busy_schedulers.log, "warning", pytest.fail)  # it would wait
    house.release()
    assert len(house.attempts(second)) == 1
    assert "the controller is away" in house.site.tracking.status(first.id).notes[-1]
    house.site.releaser._waits_until.clear()
    house.release()
    assert len(house.attempts(first)) == 1


def test_no_element_asks_for_more_time_than_the_server_allows(tmp_path: Path) -> None:
    house = House(tmp_path / "root", max_nodetime=7200)
    spec = house.task(house.alice, *"failed")
    for asked in ({"walltime": "3h"}, {"element_walltime": "3h"}):
        with pytest.raises(hb.ResourceError, match="longer than this server allows: 2:00:00"):
            house.submit(spec, resources=asked)
    with pytest.raises(hb.ResourceError, match="an element of 3:00:00"):
        house.submit(spec, resources={"walltime": "1h"}, chunk=3)
    told = {"cluster": "local", "resources": {"walltime": "1h"}, "chunk": "auto"}
    assert "walltime" in house.site.preview(house.alice, spec, told).script
    house.submit(spec, resources={"walltime": "1h"}, chunk=2)
    house.release()
    (attempt,) = house.attempts(spec)
    assert attempt.plan.elements == 3
    eventually(lambda: house.site.tracking.status(spec.id).idle, "all jobs to fail")
    few = {"cluster": "local", "chunk": 6, "resources": {"walltime": "50m"}}
    order = {"states": None, "jobs": "0-1", "mended": None, "revoke": False, "options": few}
    house.site.resubmit(house.alice, spec, "1" * 32, order)
    house.release()
    assert house.site.queue.refusal(spec.id) == ""
    assert house.attempts(spec)[-1].plan.largest() == 2
    eventually(lambda: house.site.tracking.status(spec.id).idle, "these to fail again")
    chunk = {"cluster": None, "chunk": 6}  # with the walltime of the attempt before
    order = {"states": None, "jobs": None, "mended": None, "revoke": False, "options": chunk}
    house.site.resubmit(house.alice, spec, WORD, order)
    house.release()
    assert "max_nodetime of the server's settings" in house.site.queue.refusal(spec.id)
    assert len(house.attempts(spec)) == 2


def test_what_is_canceled_while_it_is_released_is_canceled(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = house.task(house.alice)
    begun, go_on = threading.Event(), threading.Event()

    def slow(registry: Registry, spec: TaskSpec, options: SubmitOptions, longest: None) -> Any:
        begun.set()
        go_on.wait(30)
        return submit_defined(registry, spec, options, longest)

    monkeypatch.setattr(release, "submit_defined", slow)
    house.submit(spec)
    releasing = threading.Thread(target=house.release)
    releasing.start()
    begun.wait(30)
    canceling = threading.Thread(target=house.site.cancel, args=(spec, None))
    canceling.start()
    go_on.set()
    for thread in (releasing, canceling):
        thread.join()
    status = house.site.tracking.status(spec.id)
    assert not status.unreleased
    assert status.counts["canceled"] + status.counts["done"] == 1
    assert house.site.queue.waiting() == []


def test_who_tends_the_registry_of_a_server_sees_its_queue(house: House) -> None:
    spec = house.task(house.alice)
    house.submit(spec)
    root = house.site.registry.root
    told = CliRunner().invoke(main, ["--root", root, "--json", "tend", "--once", spec.id])
    assert json.loads(told.stdout)["unreleased"]


def test_a_resubmission_has_the_retries_of_the_attempt_before(house: House) -> None:
    spec = house.task(house.alice, "no number")
    house.submit(spec, retries=1, retry_on=["timeout"])
    house.release()
    eventually(lambda: house.site.tracking.status(spec.id).error, "it to fail")
    options = {"cluster": "local", "retry_on": ["killed"]}
    order = {"options": options, "states": None, "mended": None, "revoke": False, "jobs": None}
    house.site.resubmit(house.alice, spec, WORD, order)
    house.release()
    last = house.attempts(spec)[-1].options
    assert (last.retries, last.retry_on) == (1, ("killed",))


def test_a_resubmission_has_the_throttle_of_the_attempt_before(tmp_path: Path) -> None:
    house = House(tmp_path / "root", max_concurrent_jobs=100)
    spec = house.task(house.alice, "no number")
    house.submit(spec, throttle=2)
    house.release()
    eventually(lambda: house.site.tracking.status(spec.id).error, "it to fail")
    order = {"states": None, "mended": None, "revoke": False, "jobs": None}
    house.site.resubmit(house.alice, spec, WORD, {**order, "options": {}})
    house.release()
    assert [attempt.throttle for attempt in house.attempts(spec)] == [2, 2]
    eventually(lambda: house.site.tracking.status(spec.id).error, "it to fail again")
    house.site.resubmit(house.alice, spec, "1" * 32, {**order, "options": {"throttle": 1000}})
    house.release()
    assert house.attempts(spec)[-1].throttle == 100
    eventually(lambda: house.site.tracking.status(spec.id).error, "it to fail once more")
    house.site.releaser._options = replace(house.site.releaser._options, max_concurrent_jobs=500)
    house.site.resubmit(house.alice, spec, "2" * 32, {**order, "options": {}})
    house.release()
    assert house.attempts(spec)[-1].throttle == 500, "1000 were asked for"


def test_a_resubmission_is_not_taken_for_one_of_somebody_else(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = house.task(house.alice, -1, -2)
    house.submit(spec)
    house.site.cancel(spec, None)
    order = {"options": {"cluster": "local"}, "states": None, "mended": None, "revoke": False}
    house.site.resubmit(house.alice, spec, WORD, {**order, "jobs": "0"})
    with monkeypatch.context() as busy:
        busy.setattr(release, "resubmit", raising(hb.RegistryBusy("somebody else has it")))
        house.release()
    assert "somebody else has it" in house.site.tracking.status(spec.id).notes[-1]
    hb.restore(spec.id, root=house.site.registry.root).resubmit(jobs=[1], cluster="local")
    house.site.releaser._waits_until.clear()
    house.release()
    taken = [str(attempt.plan.jobs) for attempt in house.attempts(spec)]
    assert sorted(taken) == ["0", "1"]


def raising(error: Exception) -> Any:
    def fails(*args: Any) -> Any:
        raise error

    return fails


def test_what_waits_of_a_revoked_user_is_refused(house: House) -> None:
    spec = house.task(house.alice)
    house.submit(spec)
    house.site.users.revoke("alice")
    house.release()
    assert house.attempts(spec) == []
    assert "revoked" in house.site.queue.refusal(spec.id)


def test_who_waits_for_what_waits_is_released_behind_it(house: House) -> None:
    first, second = house.task(house.alice), house.task(house.alice)
    house.submit(first)
    [entry] = house.site.queue.waiting()
    house.submit(second, after=[first.id])
    house.site.queue._entries[entry.name] = replace(entry, owner=entry.owner)
    house.site.releaser._waits_until[entry.name] = float("inf")
    house.release()
    assert house.attempts(second) == []
    house.site.releaser._waits_until.clear()
    house.release()
    assert len(house.attempts(first)) == len(house.attempts(second)) == 1


def test_what_waits_for_a_task_that_was_removed_is_refused(house: House) -> None:
    first, second = house.task(house.alice), house.task(house.alice)
    house.submit(first)
    house.submit(second, after=[first.id])
    house.site.registry.remove(first.id)
    house.release()
    assert f"no task {first.id!r}" in house.site.queue.refusal(second.id)
    assert house.attempts(second) == []


def test_what_can_never_be_waited_for_is_refused_at_once(house: House) -> None:
    never, second = house.task(house.alice), house.task(house.alice)
    with pytest.raises(hb.StateError, match=f"{never.id} was not submitted yet"):
        house.submit(second, after=[never.id])
    failed = house.task(house.alice, "no number")
    house.submit(failed)
    house.release()
    eventually(lambda: house.site.tracking.status(failed.id).counts["error"], "it to fail")
    with pytest.raises(hb.StateError, match="cannot end well as it is"):
        house.submit(second, after_ok=[failed.id])
    assert house.site.queue.waiting() == []


def test_a_refusal_is_told_once_and_without_the_script(house: House) -> None:
    spec = house.task(house.alice)
    house.submit(spec, resources={"cpus": 100_000})
    house.release()
    notes = house.site.tracking.status(spec.id).notes
    assert len(notes) == 1
    assert "cpus" in notes[0]
    assert "#!/bin/bash" not in notes[0]


def test_what_was_removed_waits_no_more(house: House) -> None:
    spec = house.task(house.alice)
    house.submit(spec)
    house.site.registry.remove(spec.id)
    house.release()
    assert house.site.queue.waiting() == []
    assert house.site.queue.refusal(spec.id) == ""


def test_the_last_is_never_the_task_itself(house: House) -> None:
    of_bob, first, second = map(house.task, (house.bob, house.alice, house.alice))
    house.submit(of_bob)
    house.submit(first)
    house.submit(second, after_ok=["last"])
    house.release()
    [made] = house.attempts(second)
    assert made.options.after_ok == (first.id,)
    again = house.task(house.alice)
    order = {"options": {"after": ["last"]}, "states": None, "jobs": None, "mended": None}
    house.site.resubmit(house.alice, again, WORD, {**order, "revoke": False})
    [entry] = house.site.queue.waiting()
    assert list(entry.order["options"]["after"]) == [second.id]


def test_who_waits_for_itself_is_refused(house: House) -> None:
    spec = house.task(house.alice)
    with pytest.raises(hb.UsageError, match="cannot wait for itself: name other tasks"):
        house.submit(spec, after=[spec.id])
    order = {"options": {"cluster": "local", "after": [spec.id]}}
    house.site.queue.add(QueuedSubmission(spec.id, house.alice.id, "submit", WORD, 0.0, order))
    house.release()
    assert "cannot wait for itself" in house.site.queue.refusal(spec.id)


def test_the_word_of_a_request_is_that_of_its_user_and_task(house: House) -> None:
    mine, other = house.task(house.alice), house.task(house.bob)
    house.submit(mine)
    house.submit(other)
    house.submit(mine)  # said again: nothing new
    assert {entry.task for entry in house.site.queue.waiting()} == {mine.id, other.id}


def test_nobody_learns_of_anothers_task_by_waiting_for_it(house: House) -> None:
    mine, other = house.task(house.alice), house.task(house.bob)
    for text in (other.id, other.id[:8], "nothere"):
        with pytest.raises(hb.NotFound) as caught:
            house.submit(mine, after=[text])
        assert other.id not in str(caught.value).replace(repr(text), "")


def test_an_upload_is_begun_anew_by_its_owner_alone(house: House) -> None:
    told = Upload("0123abcd__x", house.alice.id, 10, "0" * 64)
    uploads = house.site.uploads
    assert uploads.begin(told) == 0
    assert uploads.add(told.task, told.owner, 0, b"12345") == 5
    with pytest.raises(hb.StateError, match=r"another task .* anew"):
        uploads.begin(replace(told, owner=house.bob.id))
    assert uploads.begin(told) == 5


def test_a_cluster_that_is_not_there_is_told_at_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    spec = house.task(house.alice)
    with pytest.raises(hb.ConfigError, match="cluster lsf"):
        house.submit(spec, cluster="lsf")


def test_its_owner_sees_what_waits_without_asking_the_server(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = house.task(house.alice)
    house.submit(spec)
    root = house.site.registry.root
    task = hb.restore(spec.id, root=root)
    status = task.status()
    assert (status.submitted, status.unreleased, status.resolved) == (1, True, False)
    assert "does not run" in status.notes[-1]
    ((_, error),) = queued.collect(house.site.registry, spec.id)
    assert isinstance(error, hb.JobError)
    assert (error.state, error.message) == ("submitted", "waits in the queue of the server")
    asked = views.TaskRequest(id=spec.id)
    assert views.view_grid(house.alice, house.site, asked)["runs"] == "b1"
    (info,) = task.jobs("submitted")
    assert (info.index, info.state) == (0, "submitted")
    assert task.jobs("defined") == []
    with pytest.raises(hb.StateError, match=r"not finished \(1 submitted\)"):
        task.collect()
    run = Run(os.getpid(), os.uname().nodename, "https://127.0.0.1:1", "k", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr("hpcbatch.sites.run_file.find_run", lambda root: run)
        assert task.status().notes[-1].endswith("the server of this registry")
        with pytest.raises(hb.StateError, match=r"--site https://127\.0\.0\.1:1"):
            task.cancel()
    assert not task.cancel().unreleased
    assert SubmissionQueue(ServerLayout(root).queue).waiting() == []


def test_jobs_that_are_not_there_are_told_at_once(house: House) -> None:
    spec = house.task(house.alice)
    order = {"options": {}, "states": None, "jobs": "0-1", "mended": None, "revoke": False}
    with pytest.raises(hb.NotFound, match="there is no job 1"):
        house.site.resubmit(house.alice, spec, WORD, order)
    assert not house.site.queue.waiting()


def test_a_resubmission_of_what_goes_on_is_refused_at_once(house: House) -> None:
    spec = house.task(house.alice, -1, -2)
    order = {"options": {}, "states": None, "jobs": None, "mended": None, "revoke": False}
    house.submit(spec)
    stand_still(house, spec)
    with pytest.raises(hb.StateError, match="2 jobs waiting or running"):
        house.site.resubmit(house.alice, spec, WORD, order)
    assert not house.site.queue.waiting()
    house.site.resubmit(house.alice, spec, WORD, {**order, "states": ["error"]})
    house.site.resubmit(house.alice, spec, "1" * 32, order)  # what waits may change it
    assert len(house.site.queue.waiting()) == 2


def test_a_resubmission_of_what_is_ending_waits_for_it(house: House) -> None:
    spec = house.task(house.alice, -1, -2)
    order = {"options": {}, "states": None, "jobs": None, "mended": None, "revoke": False}
    house.submit(spec)
    stand_still(house, spec)
    [attempt] = house.attempts(spec)
    layout = house.site.registry.layout(spec.id)
    mark_canceled(layout, attempt, attempt.created, Ranges.of([0]))
    with pytest.raises(hb.StateError, match="1 job waiting or running"):
        house.site.resubmit(house.alice, spec, WORD, order)
    house.site.resubmit(house.alice, spec, WORD, {**order, "jobs": "0"})
    assert house.site.queue.is_known(house.site.queue.waiting()[0].request)


def test_jobs_that_are_released_while_they_are_listed_have_their_own_state(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = house.task(house.alice)
    house.submit(spec)
    [waits] = queued.jobs(house.site.registry, spec.id)
    assert waits.state == "submitted"
    listed = job_infos.jobs

    def released_first(*asked: Any) -> Any:
        house.release()
        eventually(lambda: listed(*asked)[0].state == "done", "it to run")
        return listed(*asked)

    monkeypatch.setattr(job_infos, "jobs", released_first)
    [released] = queued.jobs(house.site.registry, spec.id)
    assert released.state == "done"


def stand_still(house: House, spec: TaskSpec) -> None:
    """Submitted, and alive as far as anybody knows."""
    layout = house.site.registry.layout(spec.id)
    house.site.queue.withdraw(spec.id)
    write_attempt(layout, make_attempt(1, everyone(spec.njobs)), Assignment("python", [], 0))


def test_single_jobs_of_what_waits_cannot_be_canceled(house: House) -> None:
    spec = house.task(house.alice, -1, -2)
    house.submit(spec)
    here = Here(house.site.registry.root)
    with pytest.raises(hb.StateError, match="single jobs"):
        here.cancel(spec.id, Ranges.of([1]))
    with pytest.raises(hb.StateError, match="single jobs"):
        house.site.cancel(spec, Ranges.of([1]))
    assert house.site.queue.ahead_of(spec.id) == 0
    assert house.site.cancel(spec, None).jobs == 2
    assert here.cancel(spec.id).jobs == 0


def test_what_is_damaged_is_logged_once(house: House, caplog: pytest.LogCaptureFixture) -> None:
    spec = house.task(house.alice)
    tracking = house.site.tracking
    tracking.look_again(spec.id)
    tracking._open.add(spec.id)
    path = Path(house.site.registry.layout(spec.id).spec)
    content = path.read_text()
    path.write_text("{}")
    for _ in range(3):
        tracking.track_all()
    assert len(caplog.records) == 1
    path.write_text(content)


@pytest.mark.slow
def test_a_task_that_somebody_else_removed_is_known_no_more(house: House) -> None:
    removed, kept = house.task(house.alice), house.task(house.alice)
    for spec in (removed, kept):
        house.site.tracking.look_again(spec.id)
    house.site.tracking.track_all()
    house.site.registry.remove(removed.id)
    house.site.tracking.track_all()
    assert [status.id for status in house.site.tracking.all_known()] == [kept.id]
