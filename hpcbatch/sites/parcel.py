"""A task in one file, to be sent to a site: its specification, function, inputs and modules."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from struct import Struct
from typing import Any, NamedTuple

from ..disk.packed import PackedReader
from ..disk.records import read_records
from ..registry.draft import Draft
from ..registry.registry import Registry
from ..use.requirements import requirements
from ..words.errors import DamagedFile, HpcbatchError, InputError, NewerFormat
from ..words.layout import TaskLayout, is_task_id
from ..words.model import TaskSpec
from ..words.ranges import Ranges
from .digest import digest_of

SPEC, FUNCTION, INPUTS, CODE = "task.json", "function.pkl", "inputs.rec", "code.zip"
SMALL = {SPEC: 1 << 20, FUNCTION: 1 << 30, CODE: 1 << 30}  # the most bytes that are held in memory
ENDS = Struct("<4s36xQ8x 4s4xQ4x 4s8xL4xH")  # the large end of an archive, its locator, the end
DIRECTORY = 4096  # bytes, of which a list of our members takes some hundred
BLOCK, LARGE = 1000, 8 << 20  # inputs, and about how many bytes, that are stored at once


class Packed(NamedTuple):
    """A parcel, and what its site is told before it comes."""

    path: str
    spec: TaskSpec
    told: dict[str, Any]


@contextmanager
def packed(draft: Draft) -> Iterator[Packed]:
    """In a file that goes away."""
    with tempfile.TemporaryDirectory(prefix="hpcbatch-") as folder:
        path = f"{folder}/parcel"
        spec = pack(path, draft)
        told = {"id": spec.id, "size": os.path.getsize(path), "digest": digest_of(path)}
        yield Packed(path, spec, {**told, "requirements": requirements(draft.imports)})


def pack(path: str, draft: Draft) -> TaskSpec:
    """Write a task to the file ``path``; returns its specification with id and job count."""
    with tempfile.TemporaryDirectory(prefix="hpcbatch-", dir=os.path.dirname(path)) as folder:
        registry = Registry(folder)
        spec = registry.create(draft)
        layout = registry.layout(spec.id)
        files = {SPEC: layout.spec, FUNCTION: layout.function, INPUTS: layout.inputs}
        with zipfile.ZipFile(path, "x", zipfile.ZIP_STORED) as parcel:
            for name, file in {**files, CODE: layout.code}.items():
                if os.path.exists(file):
                    parcel.write(file, name)
    return spec


def unpack(path: str, registry: Registry, task_id: str, owner: str) -> TaskSpec:
    """Store the task of a parcel, which may come from anybody, as ``owner``'s. Nothing of it is
    unpickled, and no name in it becomes a path. Elements run in the folder of whoever made it where
    this machine has one of that name, else in the home folder. Raises InputError for what is no
    parcel."""
    try:
        _check_members(path)
        with (
            zipfile.ZipFile(path) as parcel,
            tempfile.TemporaryDirectory(prefix="unpack-", dir=os.path.dirname(path)) as folder,
        ):
            return _store(parcel, folder, registry, task_id, owner)
    except (
        zipfile.BadZipFile, ValueError, TypeError, KeyError, EOFError, RuntimeError
    ) as error:  # fmt: skip
        if isinstance(error, HpcbatchError):
            raise
        raise InputError(f"what was uploaded is no task: {error}") from error
    except (DamagedFile, NewerFormat) as error:
        raise InputError(f"what was uploaded cannot be read here: {error}") from error


def _check_members(path: str) -> None:
    """Before a list of them is read, which may be very long. The end of an archive (APPNOTE.TXT of
    PKWARE, 4.3.14 to 4.3.16) tells its size; ours has no comment behind it. Hazard: the number of
    members that is told there may be any, since zipfile does not look at it."""
    length = os.path.getsize(path)
    with open(path, "rb") as file:
        file.seek(max(0, length - ENDS.size))
        ends = file.read().rjust(ENDS.size, b"\0")
    large_mark, large_size, locator_mark, large_at, mark, size, comment = ENDS.unpack(ends)
    is_right = mark == b"PK\5\6" and not comment
    if locator_mark == b"PK\6\7":  # of an archive above 2 GiB: these are what counts
        is_right &= large_mark == b"PK\6\6" and large_at == length - ENDS.size
        size = large_size
    if not is_right or size > DIRECTORY:
        raise InputError("what was uploaded is no task")


def _store(
    parcel: zipfile.ZipFile, folder: str, registry: Registry, task_id: str, owner: str
) -> TaskSpec:
    members = {member.filename: member for member in parcel.infolist()}
    if unknown := set(members) - {*SMALL, INPUTS}:
        raise InputError(f"what was uploaded is no task: it has {sorted(unknown)[0]!r} in it")
    for member in members.values():
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
            raise InputError("what was uploaded is no task: it is compressed")
        if member.file_size > SMALL.get(member.filename, member.file_size):
            raise InputError(f"what was uploaded is no task: its {member.filename} is too large")
    spec = TaskSpec.from_json(json.loads(parcel.read(SPEC)))
    json.dumps(spec.to_json(), ensure_ascii=False).encode()  # ValueError: what is no text
    if spec.id != task_id or not is_task_id(task_id):
        raise InputError("what was uploaded is another task than was told")
    unpacked = TaskLayout(folder, task_id)
    os.mkdir(unpacked.folder, 0o700)
    for name, file in ((INPUTS, unpacked.inputs), (FUNCTION, unpacked.function)):
        with parcel.open(name) as source, open(file, "xb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
    callable_and_constants = [payload for _, payload in read_records(unpacked.function)]
    if len(callable_and_constants) != 2:
        raise InputError("what was uploaded is no task: it has no function")
    function = callable_and_constants[0], callable_and_constants[1]
    code = parcel.read(CODE) if CODE in members else None
    return registry.create(Draft(as_here(spec, owner), function, _blocks(unpacked.inputs), code))


def as_here(spec: TaskSpec, owner: str) -> TaskSpec:
    """As it is stored on this machine, for ``owner``."""
    may_enter = os.path.isdir(spec.folder) and os.access(spec.folder, os.X_OK)
    runs_in = spec.folder if may_enter else os.path.expanduser("~")
    return replace(spec, owner=owner, folder=runs_in)


def _blocks(path: str) -> Iterator[list[bytes]]:
    reader = PackedReader(path)
    block: list[bytes] = []
    size = 0
    try:
        for _, value in reader.read(Ranges([(0, len(reader))])):
            block.append(_whole(value))
            size += len(block[-1])
            if len(block) == BLOCK or size > LARGE:
                yield block
                block, size = [], 0
        if block:
            yield block
    finally:
        reader.close()


def _whole(value: bytes | DamagedFile) -> bytes:
    if isinstance(value, DamagedFile):
        raise value
    return value
