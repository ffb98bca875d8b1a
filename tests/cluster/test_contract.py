"""What every scheduler must do, on fakes that run real processes and on the real thing.

A scheduler is tested here by being registered.
"""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path
from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.cluster.cluster import Cluster
from hpcbatch.words.errors import CommandTimeout, SubmissionUnclear
from hpcbatch.words.ranges import Ranges

from ..conftest import HOSTILE_NAMES
from .conftest import Harness, eventually

HOSTILE = 'it\'s "odd"; $(touch pwned) `touch pwned` \\ ünï & <x> #$ -N evil'


def test_array_runs_each_element(harness: Harness) -> None:
    task = harness.create(lambda x: x * x, range(5), name="Five").submit(chunk=1)
    harness.wait(task)
    assert task.collect() == [0, 1, 4, 9, 16]
    (array,) = harness.attempts(task)[0].arrays
    assert array.count == 5
    assert {job.stats.element for job in task.jobs()} == set(range(5))


def test_array_of_one(harness: Harness) -> None:
    task = harness.create(lambda x: x + 1, [41]).submit()
    harness.wait(task)
    assert task.collect() == [42]


def test_listing_shows_name_and_index(harness: Harness) -> None:
    task = harness.create(harness.gated(), range(3), name="Listed").submit(chunk=1)
    (array,) = harness.attempts(task)[0].arrays
    expected = {(array.id, array.base + i) for i in range(3)}
    listed = eventually(
        lambda: harness.listed(task).keys() >= expected and harness.listed(task),
        "all elements to be listed",
    )
    assert listed.keys() == expected
    assert {sighting.name for sighting in listed.values()} == {array.name}
    eventually(lambda: len(harness.lines()) == 3, "all elements to run")
    running = eventually(
        lambda: all(s.running for s in harness.listed(task).values()) and harness.listed(task)
    )
    assert len(running) == 3
    eventually(lambda: task.status().running == 3, "all jobs to be seen running")
    harness.open_gate()
    harness.wait(task)
    eventually(lambda: not harness.listed(task), "the array to leave the listing")


def test_names_of_arrays_are_unique(harness: Harness) -> None:
    harness.configure(array_limit=1)
    task = harness.create(lambda x: x, range(2), name="Twice").submit(chunk=1)
    first, second = harness.attempts(task)[0].arrays
    assert first.name != second.name
    assert len(first.name) <= harness.scheduler.longest_name
    harness.wait(task)


def test_throttle_is_respected(harness: Harness) -> None:
    task = harness.create(harness.counted(), range(6)).submit(chunk=1, throttle=2)
    harness.wait(task)
    assert task.collect() == [x * x for x in range(6)]
    assert len(harness.lines()) == 12
    assert harness.peak() <= 2


def test_one_element_is_cancelled(harness: Harness) -> None:
    task = harness.create(harness.gated(), range(3)).submit(chunk=1)
    (array,) = harness.attempts(task)[0].arrays
    eventually(lambda: len(harness.lines()) == 3, "all elements to run")
    middle = Ranges([(array.base + 1, array.base + 2)])
    harness.cluster.cancel(str(array.id), middle)
    gone = (array.id, array.base + 1)
    eventually(lambda: gone not in harness.listed(task), "the element to leave the listing")
    assert (array.id, array.base) in harness.listed(task)
    harness.cluster.cancel(str(array.id), middle)  # again: no error
    harness.open_gate()
    status = harness.wait(task)
    assert (status.done, status.expired) == (2, 1)
    assert task.job(1).reason
    harness.cluster.cancel(str(array.id), middle)  # of an array that has ended
    harness.cluster.cancel(str(array.id))


def test_several_elements_are_cancelled_at_once(harness: Harness) -> None:
    task = harness.create(harness.gated(), range(6)).submit(chunk=1, throttle=2)
    (array,) = harness.attempts(task)[0].arrays
    chosen = Ranges.of(array.base + i for i in (0, 2, 4, 5))
    eventually(lambda: len(harness.listed(task)) == 6, "all elements to be listed")
    harness.cluster.cancel(str(array.id), chosen)
    left = {(array.id, array.base + i) for i in (1, 3)}
    eventually(lambda: harness.listed(task).keys() == left, "four elements to leave the listing")
    harness.open_gate()
    status = harness.wait(task)
    assert [job.index for job in task.jobs("done")] == [1, 3]
    assert status.expired == 4


def test_all_are_cancelled_and_nothing_lives_on(harness: Harness) -> None:
    task = harness.create(harness.gated(), range(6)).submit(chunk=1, throttle=2)
    eventually(lambda: len(harness.lines()) >= 2, "two elements to run")
    status = task.cancel()
    assert status.canceled == 6
    assert task.cancel().canceled == 6
    eventually(lambda: not harness.listed(task), "the array to leave the listing")
    for pid in map(int, harness.lines()):
        eventually(lambda pid=pid: not os.path.exists(f"/proc/{pid}"), f"process {pid} to end")
    assert task.status().canceled == 6


def test_sparse_resubmission(harness: Harness) -> None:
    mended = str(harness.folder / "mended")

    def fragile(x: int) -> int:
        import os

        if x in (1, 3, 4) and not os.path.exists(mended):
            raise ValueError(x)
        return x * x

    task = harness.create(fragile, range(6)).submit(chunk=1)
    assert harness.wait(task).error == 3
    Path(mended).touch()
    task.resubmit(chunk=1)
    harness.wait(task)
    assert task.collect() == [0, 1, 4, 9, 16, 25]
    assert sum(array.count for array in harness.attempts(task)[1].arrays) == 3
    assert [job.stats.attempt for job in task.jobs()] == [1, 2, 1, 2, 2, 1]


def test_arrays_within_the_limit(harness: Harness) -> None:
    harness.configure(array_limit=2)
    task = harness.create(lambda x: -x, range(5)).submit(chunk=1)
    harness.wait(task)
    assert task.collect() == [0, -1, -2, -3, -4]
    arrays = harness.attempts(task)[0].arrays
    assert [(array.first, array.count) for array in arrays] == [(0, 2), (2, 2), (4, 1)]
    assert len({array.id for array in arrays}) == 3
    for number, name in enumerate(("script.sh", "script-2.sh", "script-3.sh")):
        assert arrays[number].name in harness.script(task, name=name)


def test_throttled_arrays_are_chained(harness: Harness) -> None:
    harness.configure(array_limit=2)
    task = harness.create(harness.counted(), range(4)).submit(chunk=1, throttle=1)
    harness.wait(task)
    assert task.collect() == [0, 1, 4, 9]
    assert harness.peak() == 1


def test_hostile_words_arrive(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = harness.folder / f"{HOSTILE.replace('/', '_')}\nnext"
    folder.mkdir()
    monkeypatch.chdir(folder)
    values = {
        "HOSTILE_WORDS": HOSTILE,
        "HOSTILE_LINES": "a\n#$ -N evil\n#SBATCH --job-name=evil\n#LOCAL --name=evil\r\nz\n",
        "HOSTILE_EMPTY": "",
        "HOSTILE_TAB": "\t \x01\x7f\u2028é",
    }
    harness.configure(env=values, setup=["export FROM_SETUP=$((6 * 7))", "# it's"])

    def job(x: int) -> Any:
        import os

        told = {name: os.environ[name] for name in os.environ if name.startswith("HOSTILE_")}
        return os.getcwd(), told, os.environ["FROM_SETUP"]

    task = harness.create(job, [1], name=f"{HOSTILE}\n#$ -N evil").submit()
    harness.wait(task)
    assert task.collect() == [(str(folder), values, "42")]
    assert not list(folder.iterdir())
    assert "evil" not in harness.attempts(task)[0].arrays[0].name[-12:]


@pytest.mark.parametrize("locale", [None, "C.UTF-8"])
def test_locale_is_the_submitters(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, locale: str | None
) -> None:
    monkeypatch.delenv("LC_ALL", raising=False)
    if locale:
        monkeypatch.setenv("LC_ALL", locale)
    monkeypatch.setenv("LANG", "C.UTF-8")

    def job(x: int) -> tuple[str | None, str | None]:
        import os

        return os.environ.get("LC_ALL"), os.environ.get("LANG")

    task = harness.create(job, [1]).submit()
    harness.wait(task)
    assert task.collect() == [(locale, "C.UTF-8")]


@pytest.mark.parametrize("names", [HOSTILE_NAMES, HOSTILE_NAMES[::-1]], ids=["forth", "back"])
def test_task_names(harness: Harness, names: list[str]) -> None:
    task = harness.create(lambda x: x, [1], name=" ".join(names)).submit()
    harness.wait(task)
    assert task.collect() == [1]


EXTRA = {
    "slurm": "--comment='two words'",
    "sge": "-ac note=1",
    "lsf": "-sp 50",
    "pbs": "-v note='two words'",
    "torque": "-v note='two words'",
    "local": "--kill-wait=1",
    "drmaa": "-ac 'note=two words'",
}


def test_extra_directives(harness: Harness) -> None:
    if harness.name not in EXTRA:
        pytest.skip("no directive is known to do no harm")
    extra = EXTRA[harness.name]
    task = harness.create(lambda x: x, [1]).submit(resources={"extra": [extra]})
    assert f" {extra}\n" in harness.script(task)
    harness.wait(task)
    assert task.collect() == [1]


def test_unknown_directive_is_refused(harness: Harness) -> None:
    task = harness.create(lambda x: x, [1])
    with pytest.raises(hb.SubmissionRejected, match=r"(?s)script\.sh.*nonsense"):
        task.submit(resources={"extra": ["--nonsense=1"]})


UNITS = {
    "slurm": ["--time=2\n", "--mem=1536001K\n", "--cpus-per-task=2\n"],
    "sge": ["h_rt=91\n", "h_vmem=768001K\n", "-pe smp 2\n"],
    "lsf": ["-W 2\n", "-M 1536001\n", "-n 2\n", '-R "span[hosts=1]"\n'],
    "pbs": ["walltime=91\n", "select=1:ncpus=2:mem=1536001kb\n"],
    "torque": ["walltime=91\n", "mem=1536001kb\n", "nodes=1:ppn=2\n"],
    "local": ["--walltime=91\n", "--memory=1572865000\n", "--cpus=2\n"],
    "drmaa": ["--walltime=91\n", "--memory=1572865000\n", "--cpus=2\n"],
}


def test_resources_in_units(harness: Harness) -> None:
    asked = {"walltime": 90.5, "memory": 1572865000, "cpus": 2}
    task = harness.create(lambda x: x, [1]).submit(resources=asked)
    for directive in UNITS.get(harness.name, ()):
        assert directive in harness.script(task)
    harness.wait(task)
    assert task.collect() == [1]


def test_walltime_ends_an_element(harness: Harness) -> None:
    if harness.name == "slurm":
        pytest.skip("Slurm counts minutes, and is late by half a minute")
    task = harness.create(harness.gated(), [1]).submit(resources={"walltime": 1})
    assert harness.wait(task).expired == 1
    eventually(lambda: task.job(0).reason.startswith("timeout"))


@pytest.mark.stand_in
@pytest.mark.parametrize("accounting", [False, True])
def test_killed_element_is_told(harness: Harness, accounting: bool) -> None:
    if accounting and harness.kind != "fake":
        pytest.skip("accounting is turned on in a fake only")
    if accounting:
        (harness.state / "accounting").touch()
    task = harness.create(harness.gated(), range(2)).submit(chunk=1)
    eventually(lambda: len(harness.lines()) == 2, "both elements to run")
    os.kill(int(harness.lines()[0]), signal.SIGKILL)
    eventually(lambda: task.status().expired == 1, "the death to be noticed")
    (lost,) = task.jobs("expired")
    assert "kill" in lost.reason.lower() or lost.reason == "signal 9"
    harness.open_gate()
    harness.wait(task)
    task.resubmit()
    harness.wait(task)
    assert task.collect() == [0, 1]


REFUSED = {"local": {"cpus": 100_000}}


def test_refused_submission(harness: Harness) -> None:
    task = harness.create(lambda x: x, range(3))
    asked = REFUSED.get(harness.name, {"queue": "nosuch"})
    with pytest.raises(hb.SubmissionRejected) as refusal:
        task.submit(chunk=1, resources=asked)
    script = f"{task.folder}/attempts/0001/script.sh"
    assert script in str(refusal.value)
    assert str(next(iter(asked.values()))) in str(refusal.value)
    told, _, why = str(refusal.value).rpartition(f"{harness.cluster.name} did not take it: ")
    assert why, "it stands at the end: the script may fill a terminal"
    assert why not in told
    assert os.path.exists(script)
    assert task.status().defined == 3
    task.submit(chunk=1)
    harness.wait(task)
    assert task.collect() == [0, 1, 2]


def test_second_array_is_refused(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness.configure(array_limit=2)
    submit, calls = Cluster.submit, []

    def once(cluster: Cluster, script: str) -> str:
        calls.append(script)
        return submit(cluster, script if len(calls) == 1 else "")  # an empty script is refused

    task = harness.create(lambda x: x, range(5))
    with monkeypatch.context() as patch:
        patch.setattr(Cluster, "submit", once)
        with pytest.raises(hb.SubmissionRejected, match="Elements 0 to 1 were submitted"):
            task.submit(chunk=1)
    eventually(lambda: task.status().done == 2, "the first array to run")
    assert task.status().defined == 3
    task.submit(chunk=1)
    harness.wait(task)
    assert task.collect() == [0, 1, 2, 3, 4]


def test_unanswered_submission_is_found_by_name(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = Cluster.submit

    def unanswered(cluster: Cluster, script: str) -> str:
        submit(cluster, script)
        raise CommandTimeout("no answer")

    task = harness.create(harness.gated(), range(2), name="Lost")
    with monkeypatch.context() as patch:
        patch.setattr(Cluster, "submit", unanswered)
        with pytest.raises(SubmissionUnclear, match="may have taken"):
            task.submit(chunk=1)
    eventually(lambda: task.status().running == 2, "the array to be found")
    harness.open_gate()
    harness.wait(task)
    assert task.collect() == [0, 1]
    assert len(harness.lines()) == 2
    assert len(harness.attempts(task)) == 1


def test_broken_listing_changes_nothing(harness: Harness) -> None:
    task = harness.create(harness.gated(), range(2)).submit(chunk=1)
    eventually(lambda: len(harness.lines()) == 2 and task.status().running == 2)
    for does in ("fails", "hangs", "babbles", "says nothing and fails"):
        eventually(lambda: not task.status().notes, "a listing that is none of these")
        with harness.listing_that(does):
            told = eventually(lambda: task.status().notes and task.status(), "a note")
            assert "listing failed" in told.notes[0]
            give_up = [task.status() for _ in range(4)]
            assert {(status.running, status.expired) for status in [told, *give_up]} == {(2, 0)}
    harness.open_gate()
    assert harness.wait(task).done == 2


@pytest.mark.stand_in
def test_controller_away_defers(harness: Harness) -> None:
    if harness.kind != "fake":
        pytest.skip("only a fake controller is taken away")
    task = harness.create(lambda x: x, [1])
    task.submit()
    harness.wait(task)
    (harness.state / "down").touch()
    again = harness.create(lambda x: x, [1])
    with pytest.raises(hb.SubmissionDeferred):
        again.submit()
    (harness.state / "down").unlink()
    again.submit()
    harness.wait(again)
    assert again.collect() == [1]


@pytest.mark.stand_in
def test_controller_that_comes_back_is_asked_again(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    if harness.kind != "fake":
        pytest.skip("only a fake controller is taken away")
    harness.wait(harness.create(lambda x: x, [1]).submit())  # the limits are known from now on
    harness.configure(patience=30)
    down = harness.state / "down"
    down.touch()
    caplog.set_level("WARNING", "hpcbatch.submit")

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            down.unlink(missing_ok=True)

    log, heard = logging.getLogger("hpcbatch.submit"), Heard()
    log.addHandler(heard)
    try:
        task = harness.create(lambda x: x, [1]).submit()
    finally:
        log.removeHandler(heard)
    harness.wait(task)
    assert task.collect() == [1]
    assert "trying again in 1 s" in caplog.text
    assert len(harness.attempts(task)) == 1


def test_a_container_runs_the_interpreter(harness: Harness) -> None:
    harness.configure(container="env IN_CONTAINER='it is; so'")
    task = harness.create(lambda x: os.environ["IN_CONTAINER"], [1]).submit()
    harness.wait(task)
    assert task.collect() == ["it is; so"]


def test_logs_go_where_the_cluster_keeps_them(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRATCH", str(harness.folder / "scratch and more"))
    harness.configure(log_dir="$SCRATCH/logs")
    task = harness.create(lambda x: print("told", x), [1]).submit()
    harness.wait(task)
    assert task.job(0).log() == "told 1\n"
    folder = harness.folder / "scratch and more" / "logs" / task.id
    assert [path.name for path in folder.iterdir()] == ["0001-0.log"]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert not list(Path(task.folder, "logs").iterdir())
    task.remove()
    assert not folder.exists()


def test_a_setup_line_that_fails_stops_the_element(harness: Harness) -> None:
    harness.configure(setup=["export FINE=1", "ls /no/such/folder"])
    task = harness.create(lambda x: x, [1]).submit()
    assert harness.wait(task).expired == 1
    assert "setup line of the cluster failed: ls /no/such/folder" in str(task.errors()[0])
