"""The feed of a served site."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...words.errors import HpcbatchError
from ...words.model import TaskSpec
from ...words.status import TaskStatus
from ..site import ServedSite
from .feed import Feed
from .page_data import task_json


def make_feed(site: ServedSite, is_ending: Callable[[], bool]) -> Feed:
    specs: dict[str, TaskSpec] = {}  # which never change

    def look() -> list[tuple[TaskSpec, TaskStatus]]:
        ids = site.registry.ids()
        for task_id in ids:
            if task_id not in specs:
                try:
                    specs[task_id] = site.registry.spec(task_id)
                except HpcbatchError:
                    continue  # it is being removed, or damaged, as the tracker's log says
        for gone in specs.keys() - set(ids):
            del specs[gone]
        found = site.tracking.latest([task_id for task_id in ids if task_id in specs])
        return [(specs[status.id], status) for status in found]

    def tell(spec: TaskSpec, status: TaskStatus) -> dict[str, Any]:
        owner = site.users.get(spec.owner) if spec.owner else None
        return task_json(spec, status, owner.name if owner else spec.user)

    return Feed(look, tell, is_ending)
