"""A site behind a server: its verbs are requests."""

from __future__ import annotations

import contextlib
from base64 import b64decode
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from ...cluster.overview import Overview
from ...registry.draft import Draft
from ...use.cancel import Canceled
from ...use.preview import Preview
from ...use.requirements import tell_differences
from ...use.resubmit import Resubmission
from ...words.errors import JobError
from ...words.look import Look
from ...words.model import Attempt, TaskSpec
from ...words.options import SubmitOptions
from ...words.ranges import Ranges
from ...words.status import JobInfo, TaskStatus, known_states
from .. import streams, wire
from ..base import Site
from ..module_archives import ModuleArchives
from ..parcel import packed
from .client import Client

CHUNK = 4 << 20  # bytes of one upload request


class Rest(Site):
    """Raises, beside what the verbs raise: SiteUnreachable, ServerChanged, AccessDenied."""

    tends_itself = True

    def __init__(self, client: Client):
        self._client = client
        self.place = client.address
        self._modules = ModuleArchives(self._fetch_modules)

    def create(self, draft: Draft) -> TaskSpec:
        with packed(draft) as (path, spec, told), open(path, "rb") as file:
            answer = self._client.ask("/task/new", told)
            tell_differences(self.place, answer["environment"])
            while answer["offset"] < told["size"]:
                file.seek(answer["offset"])
                where = {"id": spec.id, "offset": answer["offset"]}
                answer = self._client.upload("/task/upload", file.read(CHUNK), **where)
        return self.spec(spec.id)

    def find(self, text: str) -> str:
        return str(self._ask("find", text=text)["id"])

    def spec(self, task_id: str) -> TaskSpec:
        return TaskSpec.from_json(self._ask("spec", id=task_id)["spec"])

    def specs(self) -> list[TaskSpec]:
        return [TaskSpec.from_json(told) for told in self._ask("list")["tasks"]]

    def folder(self, task_id: str) -> str:
        return str(self._ask("spec", id=task_id)["folder"])

    def checked(self, options: SubmitOptions) -> SubmitOptions:
        return options  # the server checks them when it is asked to submit

    def clusters(self) -> Overview:
        return wire.overview_from(self._client.get("/info/clusters"))

    def preview(self, spec: TaskSpec, options: SubmitOptions) -> Preview:
        told = wire.options_json(options)
        return Preview(**self._ask("preview", spec=spec.to_json(), options=told))

    def submit(self, task_id: str, options: SubmitOptions) -> Attempt | None:
        self._ask(
            "submit", id=task_id, request=wire.new_request(), options=wire.options_json(options)
        )
        return None

    def resubmit(self, task_id: str, asked: Resubmission) -> Attempt | None:
        order = wire.resubmission_json(asked)
        self._ask("resubmit", id=task_id, request=wire.new_request(), **order)
        return None

    def cancel(self, task_id: str, only: Ranges | None = None) -> Canceled:
        told = self._ask("cancel", id=task_id, jobs=wire.ranges_text(only))
        return Canceled(told["canceled"], list(told["objections"]), told["left"])

    def remove(self, task_id: str) -> None:
        self._client.ask_removal("/task/remove", {"id": task_id})

    def status(self, task_id: str, look: Look = Look.ONCE) -> TaskStatus:
        afresh = look is Look.AFRESH
        return TaskStatus.from_json(self._ask("status", id=task_id, afresh=afresh)["status"])

    def track(self, task_id: str, begins: bool = False) -> TaskStatus:
        return self.status(task_id)  # the server retries, and submits what was held back

    def jobs(
        self,
        task_id: str,
        states: str | Sequence[str] | None = None,
        only: Ranges | None = None,
    ) -> list[JobInfo]:
        told = self._ask("jobs", id=task_id, states=_listed(states), jobs=wire.ranges_text(only))
        return [wire.job_from(job) for job in told["jobs"]]

    def resolved_jobs(self, task_id: str) -> Ranges:
        return wire.ranges_from(self._ask("resolved_jobs", id=task_id)["jobs"])

    def collect(
        self, task_id: str, only: Ranges | None = None
    ) -> Iterator[tuple[int, bytes | JobError]]:
        wanted = Ranges([(0, self.spec(task_id).njobs)]) if only is None else only
        return streams.whole(wanted, partial(self._collected, task_id), self._client.patience())

    def _collected(
        self, task_id: str, jobs: Ranges
    ) -> contextlib.AbstractContextManager[Iterator[bytes]]:
        return self._client.stream("/task/download", {"id": task_id, "jobs": str(jobs)})

    def errors(self, task_id: str) -> list[JobError]:
        return [wire.failure_from(told) for told in self._ask("errors", id=task_id)["errors"]]

    def newest_failures(self, task_id: str, limit: int) -> list[JobError]:
        told = self._ask("newest_failures", id=task_id, limit=limit)["errors"]
        return [wire.failure_from(failure) for failure in told]

    def log(self, task_id: str, job: int) -> str:
        return str(self._ask("logs", id=task_id, job=job)["log"])

    def element_log(self, task_id: str, attempt: int, element: int, begin: int) -> bytes:
        where = {"attempt": attempt, "element": element, "begin": begin}
        return b64decode(self._ask("element_log", id=task_id, **where)["bytes"])

    def modules(self, task_id: str) -> list[str]:
        return self._modules.of(task_id)

    def dashboard_code(self) -> dict[str, Any]:
        """A code that lets a browser in, and what the page that posts it has to tell."""
        return dict(self._client.ask("/dashboard/code"))

    def dashboard_code_is_used(self, name: str) -> bool:
        return bool(self._client.ask("/dashboard/used", {"name": name})["used"])

    def _fetch_modules(self, task_id: str) -> list[str]:
        return list(self._ask("modules", id=task_id)["modules"])

    def _ask(self, verb: str, **body: Any) -> Any:
        given = {name: value for name, value in body.items() if value is not None}
        return self._client.ask(f"/task/{verb}", given)


def _listed(states: str | Sequence[str] | None) -> list[str] | None:
    known = known_states(states)
    return None if known is None else list(known)
