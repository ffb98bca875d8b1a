"""Tasks in one file: they arrive as they were, and nothing else does."""

from __future__ import annotations

import json
import os
import pickle
import struct
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.registry.draft import Draft
from hpcbatch.registry.registry import Registry
from hpcbatch.sites import parcel
from hpcbatch.words.layout import TaskLayout

OWNER = "a" * 52


def empty_registry(folder: Path) -> Registry:
    folder.mkdir(mode=0o700)
    return Registry(str(folder))


@pytest.fixture
def task() -> hb.Task:
    return hb.create(pow, range(2500), const={"exp": 2}, name="Powers")


@pytest.fixture
def sent(task: hb.Task, tmp_path: Path) -> Path:
    """The task's parcel."""
    layout = TaskLayout(os.path.dirname(task.folder), task.id)
    path = tmp_path / "sent" / "parcel"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "x") as file:
        for name in (parcel.SPEC, parcel.FUNCTION, parcel.INPUTS):
            file.write(f"{layout.folder}/{name}", name)
    return path


def rewritten(path: Path, **members: bytes) -> Path:
    """With other members; ``_`` in a name stands for its dot."""
    with zipfile.ZipFile(path) as file:
        kept = {name: file.read(name) for name in file.namelist()}
    kept |= {name.replace("_", "."): content for name, content in members.items()}
    with zipfile.ZipFile(path, "w") as file:
        for name, content in kept.items():
            file.writestr(name, content)
    return path


def test_it_runs_where_its_account_may_be(
    task: hb.Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parcel.as_here(task.spec, OWNER).folder == task.spec.folder
    closed = [task.spec.folder]
    monkeypatch.setattr(os, "access", lambda path, mode: path not in closed)
    assert parcel.as_here(task.spec, OWNER).folder == str(tmp_path)
    absent = replace(task.spec, folder="/no/such/folder")
    assert parcel.as_here(absent, OWNER).folder == str(tmp_path)


def test_a_task_arrives_as_it_was(tmp_path: Path) -> None:
    path = str(tmp_path / "parcel")
    made = hb.create(abs, [1])
    inputs = [[pickle.dumps((k,)) for k in range(3)], [pickle.dumps((3,))]]
    packed = parcel.pack(path, Draft(made.spec, (b"f", b"c"), iter(inputs), b"zip"))
    other = Registry(str(tmp_path / "there"))
    spec = parcel.unpack(path, other, packed.id, OWNER)
    assert (spec.id, spec.njobs, spec.owner) == (packed.id, 4, OWNER)
    assert other.spec(spec.id) == spec
    folder = Path(other.layout(spec.id).folder)
    assert (folder / "code.zip").read_bytes() == b"zip"
    assert os.listdir(tmp_path / "there") == [spec.id]
    again = parcel.unpack
    with pytest.raises(hb.StateError, match="another task"):  # it is there, and stays
        again(path, other, packed.id, "b" * 52)
    assert other.spec(spec.id).owner == OWNER


def test_what_arrived_runs(task: hb.Task, sent: Path, tmp_path: Path) -> None:
    there = empty_registry(tmp_path / "there")
    parcel.unpack(str(sent), there, task.id, OWNER)
    arrived = hb.restore(task.id, root=there.root)
    arrived.submit("local", chunk=2500).wait(60, progress=False)
    assert arrived.collect() == [k**2 for k in range(2500)]


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"task_json": b"{}"}, "no task"),
        ({"task_json": b"nonsense"}, "no task"),
        ({"task_json": b"[]"}, "no task"),
        ({"task_json": b"[" * 100_000}, "no task"),
        ({"inputs_rec": b"short"}, "cannot be read here"),
        ({"function_pkl": b"short"}, "no function"),
        ({"function_pkl": b""}, "no function"),
        ({"../../evil": b"x"}, "in it"),
        ({"attempts/0001/plan_json": b"x"}, "in it"),
    ],
)
def test_what_is_no_task_is_refused(
    task: hb.Task, sent: Path, tmp_path: Path, members: dict[str, bytes], told: str
) -> None:
    there = empty_registry(tmp_path / "there")
    with pytest.raises(hb.InputError, match=told):
        parcel.unpack(str(rewritten(sent, **members)), there, task.id, OWNER)
    assert os.listdir(there.root) == []
    assert os.listdir(sent.parent) == [sent.name]


def test_what_is_encrypted_is_refused(task: hb.Task, sent: Path, tmp_path: Path) -> None:
    content = bytearray(sent.read_bytes())
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = content.find(mark)
        while at >= 0:
            content[at + flags] |= 1
            at = content.find(mark, at + 1)
    sent.write_bytes(content)
    with pytest.raises(hb.InputError, match="no task"):
        parcel.unpack(str(sent), empty_registry(tmp_path / "there"), task.id, OWNER)


def test_another_id_is_refused(task: hb.Task, sent: Path, tmp_path: Path) -> None:
    there = empty_registry(tmp_path / "there")
    told = json.loads(Path(task.folder, "task.json").read_text())
    for wrong in ("../up", "0123abcd__other", "", 7, None):
        content = json.dumps({**told, "id": wrong}).encode()
        with pytest.raises(hb.InputError):
            parcel.unpack(str(rewritten(sent, task_json=content)), there, task.id, OWNER)
    with pytest.raises(hb.InputError):
        parcel.unpack(str(sent), there, "../up", OWNER)
    assert os.listdir(there.root) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("created", "x"),
        ("created", None),
        ("created", float("inf")),
        ("created", float("nan")),
        ("created", 1e300),
        ("created", -1),
        ("format", 99),
        ("folder", "\ud800"),
        ("name", 7),
        ("names", [7]),
        ("names", "x"),
        ("njobs", True),
    ],
)
def test_a_specification_has_what_belongs_in_it(
    task: hb.Task, sent: Path, tmp_path: Path, name: str, value: Any
) -> None:
    there = empty_registry(tmp_path / "there")
    told = json.loads(Path(task.folder, "task.json").read_text())
    content = json.dumps({**told, name: value}).encode()
    with pytest.raises(hb.InputError):
        parcel.unpack(str(rewritten(sent, task_json=content)), there, task.id, OWNER)
    assert os.listdir(there.root) == []


def test_what_is_compressed_is_refused(task: hb.Task, sent: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(sent, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("code.zip", b"\0" * 10_000_000)
    with pytest.raises(hb.InputError, match="compressed"):
        parcel.unpack(str(sent), Registry(str(tmp_path / "there")), task.id, OWNER)


def with_ends(path: Path, count: int, large: bool, behind: bytes = b"") -> None:
    """A long list of members, which tells ``count`` of them."""
    with zipfile.ZipFile(path, "w") as file:
        for k in range(1000):
            file.writestr(f"{k}", b"")
    content = path.read_bytes()
    *_, size, offset, _ = struct.unpack("<4s4H2LH", content[-22:])
    ends, told = content[:-22], 1 if large else size
    if large:
        numbers = (44, 45, 45, 0, 0, 1000, 1000, size, offset)
        ends += struct.pack("<4sQ2H2L4Q", b"PK\6\6", *numbers)
        ends += struct.pack("<4sLQL", b"PK\6\7", 0, len(content) - 22, 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, told, offset, len(behind))
    path.write_bytes(ends + end + behind)
    assert len(zipfile.ZipFile(path).infolist()) == 1000


@pytest.mark.parametrize(
    ("count", "large", "behind"),
    [
        (1000, False, b""),
        (1, False, b""),
        (1, True, b""),
        (1, False, struct.pack("<4s4H2LH", b"", 0, 0, 1, 1, 1, 0, 0)),
    ],
)
def test_a_long_list_of_members_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, large: bool, behind: bytes
) -> None:
    path = tmp_path / "parcel"
    with_ends(path, count, large, behind)
    monkeypatch.setattr(zipfile, "ZipFile", None)  # which reads it
    with pytest.raises(hb.InputError, match=r"no task$"):
        parcel.unpack(str(path), Registry(str(tmp_path / "there")), "0123abcd__x", OWNER)


def test_a_task_above_two_gigabytes_arrives(
    task: hb.Task, sent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 10)
    rewritten(sent)
    assert b"PK\6\7" in sent.read_bytes()[-42:]
    there = empty_registry(tmp_path / "there")
    assert parcel.unpack(str(sent), there, task.id, OWNER).njobs == 2500


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.999])
def test_half_a_parcel_is_refused(task: hb.Task, sent: Path, tmp_path: Path, share: float) -> None:
    content = sent.read_bytes()
    sent.write_bytes(content[: int(len(content) * share)])
    there = empty_registry(tmp_path / "there")
    with pytest.raises(hb.InputError):
        parcel.unpack(str(sent), there, task.id, OWNER)
    assert os.listdir(there.root) == []


class Canary:
    def __reduce__(self) -> Any:
        return os.mkdir, (os.environ["CANARY"],)


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", str(tmp_path / "sings"))
    path, evil = str(tmp_path / "parcel"), pickle.dumps(Canary())
    made = hb.create(abs, [1]).spec
    spec = parcel.pack(path, Draft(made, (evil, evil), iter([[evil]]), None))
    parcel.unpack(path, Registry(str(tmp_path / "there")), spec.id, OWNER)
    assert not (tmp_path / "sings").exists()
