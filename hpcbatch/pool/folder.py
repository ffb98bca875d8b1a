"""The folder of a pool on the shared disk: who it is, and how its workers find it."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ..disk.boot_id import boot_id
from ..disk.files import make_folder, publish, read_as
from ..registry.root import made_root
from ..words.door import Door
from ..words.errors import NotFound
from ..words.formats import FORMAT, checked_format
from ..words.layout import PoolLayout, is_task_id, new_task_id, pools_folder
from ..words.messages import nearest


@dataclass(frozen=True)
class PoolRecord:
    """Published as ``pool.json``, for humans and monitors: holds no secret.

    ``boot`` is the boot id of ``host``: with both, ``pid`` names the controller's process;
    ``ended`` is when the controller closed the pool, 0 while it is open (or was killed), and
    ``terminated`` whether somebody else did, after the controller was gone. ``site``
    is the login node behind which the workers are, empty where they are not elsewhere; there the
    pool is ``site_id`` of the registry ``site_root``.
    """

    id: str
    name: str
    cluster: str
    host: str
    pid: int
    boot: str
    begun: float
    workers: int
    version: str = ""
    ended: float = 0.0
    terminated: bool = False
    site: str = ""
    site_root: str = ""
    site_id: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, table: dict[str, Any]) -> PoolRecord:
        """Raises NewerFormat, TypeError, ValueError."""
        known = {field.name for field in fields(cls)}
        told = checked_format(table, "pool.json")
        return cls(**{name: value for name, value in told.items() if name in known})


def make_pool(
    name: str, cluster: str, workers: int, version: str, root: str | None = None
) -> tuple[PoolLayout, PoolRecord]:
    """A folder for a new pool of this process. Raises RegistryUnsafe, RegistryUnwritable."""
    root = made_root(root)
    record = PoolRecord(
        id=new_task_id(name),
        name=name,
        cluster=cluster,
        host=os.uname().nodename,
        pid=os.getpid(),
        boot=boot_id(),
        begun=time.time(),
        workers=workers,
        version=version,
    )
    layout = PoolLayout(root, record.id)
    for folder in (layout.folder, layout.launches, layout.logs):
        make_folder(folder)
    write_record(layout, record)
    return layout, record


def write_record(layout: PoolLayout, record: PoolRecord) -> None:
    publish(layout.record, json.dumps(record.to_json(), indent=1).encode())


def write_door(layout: PoolLayout, door: Door) -> None:
    publish(layout.door, json.dumps(door.to_json(), indent=1).encode())


def was_ended(layout: PoolLayout) -> bool:
    """Whether somebody has taken its door away; a disk that does not answer is no word for it."""
    try:
        os.stat(layout.door)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def close_pool(layout: PoolLayout, record: PoolRecord) -> None:
    """Tell whoever looks that its controller closed the pool, and when. Whether workers may still
    come in is told by its door."""
    write_record(layout, replace(record, ended=record.ended or time.time()))


def pool_ids(root: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(pools_folder(root)) if is_task_id(name))
    except FileNotFoundError:
        return []


def read_record(root: str, pool_id: str) -> PoolRecord:
    """Raises NotFound, DamagedFile, NewerFormat."""
    layout = PoolLayout(root, pool_id)
    advice = f"End its workers by their cluster's own commands, then remove {layout.folder}"
    found = read_as(PoolRecord.from_json, layout.record, advice)
    if found is None:
        hint = nearest(pool_id, pool_ids(root))
        raise NotFound(f"there is no pool {pool_id!r} in {root}{hint}")
    return found
