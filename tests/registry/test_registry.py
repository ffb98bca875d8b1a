"""The folder of tasks: whole tasks or none, found by name, safe to unpickle."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import hpcbatch as hb
from hpcbatch.disk import files
from hpcbatch.registry.attempts import mark_revoked, next_number, read_attempts, write_attempt
from hpcbatch.registry.registry import ABANDONED, Registry
from hpcbatch.registry.snapshot import Snapshot, read_snapshot
from hpcbatch.words.assignment import Assignment
from hpcbatch.words.errors import (
    DamagedFile,
    InputError,
    NewerFormat,
    NotFound,
    RegistryUnsafe,
    RegistryUnwritable,
)
from hpcbatch.words.layout import draft_name, grave_name, is_task_id
from hpcbatch.words.model import Ending
from hpcbatch.words.options import SubmitOptions
from tests.core import ROOT, Case, everyone, make_attempt


def tree(folder: Path) -> list[str]:
    return sorted(
        os.path.relpath(os.path.join(at, name), folder)
        for at, _, names in os.walk(folder)
        for name in names
    )


def test_a_task_is_a_handful_of_files_however_many_jobs(own_registry: Path) -> None:
    trees = []
    for njobs in (1, 5000):
        task = hb.create(abs, range(njobs), name="same")
        trees.append(tree(Path(task.folder)))
        assert len(task) == njobs
    assert trees[0] == trees[1]
    assert len(trees[0]) <= 6
    modes = {os.stat(at).st_mode & 0o077 for at, _, _ in os.walk(own_registry)}
    assert modes == {0}


def test_what_is_stored_is_there_for_people_too() -> None:
    task = hb.create(abs, [1, 2], name="Fit; model", seed=7)
    fields = json.loads(Path(task.folder, "task.json").read_text())
    assert fields["name"] == "Fit; model"
    assert (fields["njobs"], fields["seed"], fields["function"]) == (2, 7, "abs (interactive)")
    assert task.id.endswith("__Fit-model")


def test_hostile_names_are_kept_and_make_safe_folders(
    hostile_name: str, own_registry: Path
) -> None:
    task = hb.create(abs, [1], name=hostile_name)
    assert hb.restore(task.id).name == hostile_name
    assert is_task_id(task.id)
    assert os.path.dirname(task.folder) == str(own_registry)
    assert not Path("pwned").exists()


CREATE = """
import sys
sys.path.insert(0, sys.argv[1])
import hpcbatch as hb
def values():
    for k in range(5000):
        yield k
    print("half way", flush=True)
    sys.stdin.readline()
    yield 0
hb.create(abs, values())
"""


def test_a_create_that_is_killed_leaves_no_visible_task(own_registry: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CREATE, str(ROOT)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "half way\n"
        assert os.listdir(own_registry) != []
        os.kill(child.pid, signal.SIGKILL)
    finally:
        child.kill()
        child.communicate()
    assert hb.tasks() == []
    with pytest.raises(NotFound):
        hb.restore("last")
    assert len(hb.create(abs, [1])) == 1
    assert len(hb.tasks()) == 1


@pytest.mark.parametrize("failing", ["fsync", "ftruncate", "replace", "rename", "mkdir"])
def test_a_create_on_a_full_disk_leaves_nothing(
    own_registry: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    own_registry.mkdir(mode=0o700)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, failing, full)
        with pytest.raises(RegistryUnwritable, match="No space left"):
            hb.create(abs, [1])
    assert os.listdir(own_registry) == []


def test_the_first_task_makes_the_registry(
    own_registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = own_registry / "new" / "one"
    monkeypatch.setenv("HPCBATCH_ROOT", str(deep))
    assert hb.tasks() == []
    with pytest.raises(hb.NotFound):
        hb.restore("last")
    assert not own_registry.exists(), "who looks makes nothing"
    before = os.umask(0)
    try:
        task = hb.create(abs, [1])
    finally:
        os.umask(before)
    for folder in (deep, deep.parent, own_registry, Path(task.folder)):
        assert folder.stat().st_mode & 0o777 == 0o700, folder
    monkeypatch.setenv("HPCBATCH_ROOT", str(tmp_path / "file"))
    (tmp_path / "file").write_text("")
    with pytest.raises(RegistryUnwritable, match="is no folder"):
        hb.tasks()


def test_a_registry_that_somebody_makes_meanwhile_is_looked_at(own_registry: Path) -> None:
    registry, other = Registry(), Registry()
    assert registry.ids() == []
    own_registry.mkdir()
    own_registry.chmod(0o777)
    for use in (registry.ids, lambda: registry.spec("last"), lambda: hb.create(abs, [1])):
        with pytest.raises(RegistryUnsafe):
            use()
    assert os.listdir(own_registry) == []
    own_registry.chmod(0o700)
    assert other.ids() == registry.ids() == []


def test_an_interrupted_generator_leaves_nothing(own_registry: Path) -> None:
    def values() -> Iterator[int]:
        yield 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hb.create(abs, values())
    assert os.listdir(own_registry) == []
    with pytest.raises(InputError):
        hb.create(abs, [])
    assert os.listdir(own_registry) == []


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o720, 0o702, 0o1777])
def test_a_registry_that_others_could_write_is_refused(
    own_registry: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    own_registry.mkdir()
    own_registry.chmod(mode)
    with pytest.raises(RegistryUnsafe, match="chmod 700"):
        Registry()
    monkeypatch.setenv("HPCBATCH_SHARED_REGISTRY", "1")
    assert Registry().ids() == []


def test_a_registry_of_somebody_else_is_refused(
    own_registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_registry.mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(own_registry).st_uid + 1)
    with pytest.raises(RegistryUnsafe, match=r"others can write .*belongs to user"):
        Registry()


def test_a_registry_that_others_may_read_is_fine(own_registry: Path) -> None:
    own_registry.mkdir()
    own_registry.chmod(0o755)
    assert Registry().ids() == []


def test_tasks_are_found_by_id_beginning_and_last() -> None:
    first, second = (hb.create(abs, [1], name=name) for name in ("one", "two"))
    registry = Registry()
    assert registry.find(first.id) == first.id
    assert registry.find("last") == second.id
    length = 1
    while second.id.startswith(first.id[:length]):
        length += 1
    assert registry.find(first.id[:length]) == first.id
    assert [task.id for task in hb.tasks()] == [first.id, second.id]


def test_a_folder_without_a_task_hides_no_other(own_registry: Path) -> None:
    task = hb.create(abs, [1])
    (own_registry / "00000000__x").mkdir()
    (own_registry / "ffffffff__x").mkdir()
    assert [one.id for one in hb.tasks()] == [task.id]
    assert Registry().find("last") == task.id
    task.remove()
    with pytest.raises(NotFound, match="there is none yet in "):
        Registry().find("last")


def test_a_whole_id_is_no_misspelt_one() -> None:
    made = hb.create(abs, [1], name="long")
    text = f"{'00000000' if made.id[0] != '0' else 'ffffffff'}__long"
    with pytest.raises(NotFound, match=f"no task '{text}' in .*: if it is .*--site") as caught:
        Registry().find(text)
    assert made.id not in str(caught.value)


@pytest.mark.parametrize("text", ["", "nonsense", "..", ".", "../x", "*", "\0"])
def test_what_is_not_there_is_not_found(text: str) -> None:
    hb.create(abs, [1])
    with pytest.raises(NotFound, match="there is no task"):
        hb.restore(text)


def test_a_name_is_no_id_and_leads_to_those_that_have_it() -> None:
    tasks = [hb.create(abs, [1], name="my sims") for _ in range(2)]
    hb.create(abs, [1], name="other")
    with pytest.raises(NotFound, match="that is a name, of ") as told:
        hb.restore("my sims")
    assert all(task.id in str(told.value) for task in tasks)
    assert "other" not in str(told.value)


def test_an_unknown_id_tells_the_nearest() -> None:
    task = hb.create(abs, [1], name="simulate")
    wrong = task.id[:-1] + "x"
    with pytest.raises(NotFound) as caught:
        hb.restore(wrong)
    assert f"did you mean {task.id!r}" in str(caught.value)


def test_an_ambiguous_beginning_names_the_tasks(own_registry: Path) -> None:
    ids = ["3f9a12c4__a", "3f9a12c5__b"]
    for task_id in ids:
        (own_registry / task_id).mkdir(parents=True)
    own_registry.chmod(0o700)
    with pytest.raises(NotFound, match="beginning of several tasks: 3f9a12c4__a, 3f9a12c5__b"):
        Registry().find("3f9a")
    assert Registry().find("3f9a12c4") == ids[0]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"\xff\xfe", b"{}", b'{"format": 1, "id": "x"}', b'{"format": 1, "more": 2}',
        b"[]", b"null", b"7",
    ],
)  # fmt: skip
def test_a_damaged_task_file_is_named(content: bytes) -> None:
    task = hb.create(abs, [1])
    Path(task.folder, "task.json").write_bytes(content)
    with pytest.raises(DamagedFile, match=r"task\.json is damaged"):
        _ = hb.restore(task.id).spec


def test_a_newer_task_is_refused_and_an_older_one_read() -> None:
    task = hb.create(abs, [1])
    path = Path(task.folder, "task.json")
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({**fields, "format": 99, "new": "field"}))
    with pytest.raises(NewerFormat, match="newer hpcbatch"):
        _ = hb.restore(task.id).spec
    path.write_text(json.dumps({**fields, "format": 0}))
    assert hb.restore(task.id).spec == task.spec


def test_a_removed_task_is_gone_and_the_others_stay(own_registry: Path) -> None:
    one, two = (hb.create(abs, [1]) for _ in range(2))
    one.remove()
    assert [task.id for task in hb.tasks()] == [two.id]
    assert os.listdir(own_registry) == [two.id]
    with pytest.raises(NotFound):
        one.remove()


def test_what_a_killed_removal_or_creation_left_goes_with_the_next_removal(
    own_registry: Path,
) -> None:
    kept, removed = (hb.create(abs, [1]) for _ in range(2))
    names = {
        grave_name("12345678__killed"): 0,
        draft_name("12345679__old"): 2 * ABANDONED,
        draft_name("12345680__new"): 0,
    }
    for name, age in names.items():
        (own_registry / name / "logs").mkdir(parents=True)
        os.utime(own_registry / name, (time.time() - age,) * 2)
    removed.remove()
    assert set(os.listdir(own_registry)) == {kept.id, list(names)[2]}


def test_attempts_come_back_as_they_were_written() -> None:
    layout = Case.of(abs, range(10)).layout
    assert next_number(layout) == 1
    first = make_attempt(
        1,
        everyone(10),
        3,
        resources={"cpus": 2},
        options=SubmitOptions(throttle=4, retry_on="timeout"),
    )
    second = make_attempt(2, first.plan.jobs_of(1), submitted=False, given_up="no such queue")
    for attempt in (first, second):
        write_attempt(layout, attempt, Assignment())
    back = read_attempts(layout)
    assert [(a.number, a.arrays, a.resources, a.options, a.given_up) for a in back] == [
        (a.number, a.arrays, a.resources, a.options, a.given_up) for a in (first, second)
    ]
    assert [a.plan.jobs for a in back] == [first.plan.jobs, second.plan.jobs]
    assert next_number(layout) == 3
    assert len(back[1].jobs_taken) == 0
    assert back[0].jobs_taken == everyone(10)


def test_an_attempt_whose_making_was_interrupted_does_not_exist() -> None:
    case = Case.of(abs, range(2))
    case.submit()
    os.unlink(case.layout.attempt(1).record)
    assert read_attempts(case.layout) == []
    assert next_number(case.layout) == 2
    assert case.states() == ["defined", "defined"]


@pytest.mark.parametrize("name", ["plan", "record"])
@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'{"format": 1, "jobs": 3}'])
def test_a_damaged_attempt_is_named(name: str, content: bytes) -> None:
    case = Case.of(abs, range(2))
    case.submit()
    path = getattr(case.layout.attempt(1), name)
    Path(path).write_bytes(content)
    with pytest.raises(DamagedFile, match=r"damaged.*\. Put it back from a backup, or collect"):
        read_attempts(case.layout)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"time": 1.0, "jobs": [3]}'])
def test_a_damaged_marker_is_named(content: bytes) -> None:
    case = Case.of(abs, range(2))
    case.submit()
    paths = case.layout.attempt(1)
    for path in (paths.canceled, paths.revoked):
        Path(path).write_bytes(content)
    with pytest.raises(DamagedFile, match=f"{re.escape(paths.canceled)} is damaged.* Remove it"):
        read_attempts(case.layout)
    os.unlink(paths.canceled)
    (attempt,) = read_attempts(case.layout)
    with pytest.raises(DamagedFile, match=f"{re.escape(paths.revoked)} is damaged.* Remove it"):
        mark_revoked(case.layout, attempt, 1.0, everyone(1))


def test_a_snapshot_comes_back_as_it_was(tmp_path: Path) -> None:
    path = str(tmp_path / "status.json")
    assert read_snapshot(path) == Snapshot()
    snapshot = Snapshot(committed=7, polled={1: 3.5}, absent={1: {4: (2.5, 1)}}, superseded=1)
    snapshot.endings = {2: {0: Ending("out-of-memory", 137, 9, "node1", 1.0)}}
    snapshot.publish(path)
    assert read_snapshot(path) == snapshot


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"{}", b'{"committed": 1}',
        b"[]",
    ],
)  # fmt: skip
def test_a_damaged_snapshot_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "status.json"
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match=r"status\.json is damaged"):
        read_snapshot(str(path))
