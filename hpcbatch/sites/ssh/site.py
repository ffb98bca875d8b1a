"""A site behind a login node: each verb is one command there."""

from __future__ import annotations

import contextlib
from base64 import b64decode
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ...words.errors import HpcbatchError, JobError, NotFound, SiteUnreachable
from ...words.look import Look
from ...words.model import Attempt, TaskSpec
from ...words.options import SubmitOptions
from ...words.ranges import Ranges
from ...words.status import JobInfo, TaskStatus, known_states
from .. import streams, wire
from ..base import Site
from ..module_archives import ModuleArchives
from . import frames
from .address import Address
from .exchange import Exchange
from .keeper_client import Line
from .status_cache import StatusCache
from .upload_bar import UploadBar

if TYPE_CHECKING:
    from ...cluster.overview import Overview
    from ...registry.draft import Draft
    from ...use.cancel import Canceled
    from ...use.preview import Preview
    from ...use.resubmit import Resubmission


class Ssh(Site):
    """Raises, beside what the verbs raise: SiteUnreachable, SiteNotReady, ServerUnknown,
    ServerChanged, AccessDenied."""

    def __init__(self, address: Address, root: str = ""):
        self.place = str(address)
        self.line = Line(address.login)
        self.root = root or address.root
        self.exchange = Exchange(self.line, self.root)
        self._ask = self.exchange.ask
        self._known: dict[str, tuple[TaskSpec, str]] = {}  # what of a task never changes
        self._seen = StatusCache()
        self._modules = ModuleArchives(lambda task_id: self._ask("modules", id=task_id))

    def create(self, draft: Draft) -> TaskSpec:
        from ..parcel import packed

        with packed(draft) as (path, spec, told), UploadBar(spec.name, told["size"]) as sent:
            patience = self.exchange.patience()
            while True:
                try:
                    return self._upload(path, told, sent)
                except SiteUnreachable as error:
                    if sent.grew():
                        patience.progressed()
                    patience.after(error)

    def _upload(self, path: str, told: dict[str, Any], sent: UploadBar) -> TaskSpec:
        """All that is not there yet."""
        from ...use.requirements import tell_differences

        with self.exchange.begun("create", **told) as answer, open(path, "rb") as file:
            _, here = answer.next()
            tell_differences(self.place, here["environment"], stacklevel=5)
            file.seek(here["offset"])
            sent.show(here["offset"])
            while block := file.read(frames.BLOCK):
                try:
                    answer.send(frames.DATA, frames.packed(block))
                except SiteUnreachable:
                    answer.last()  # it may have said why it reads no more
                    raise
                sent.show(file.tell())
            return self._keep(answer.last())

    def find(self, text: str) -> str:
        return self._keep(self._ask("find", text=text)).id

    def spec(self, task_id: str) -> TaskSpec:
        if task_id not in self._known:
            self._keep(self._ask("find", text=task_id))
        if task_id not in self._known:
            raise NotFound(f"there is no task {task_id!r} at {self.place}")
        return self._known[task_id][0]

    def specs(self) -> list[TaskSpec]:
        return [TaskSpec.from_json(told) for told in self._ask("specs")]

    def folder(self, task_id: str) -> str:
        self.spec(task_id)
        return self._known[task_id][1]

    def checked(self, options: SubmitOptions) -> SubmitOptions:
        return options  # they are checked there, when it is asked to submit

    def clusters(self) -> Overview:
        return wire.overview_from(self._ask("clusters"))

    def preview(self, spec: TaskSpec, options: SubmitOptions) -> Preview:
        from ...use.preview import Preview

        told = {"spec": spec.to_json(), "options": wire.options_json(options)}
        return Preview(**self._ask("preview", **told))

    def submit(self, task_id: str, options: SubmitOptions) -> Attempt | None:
        told = wire.options_json(options)
        return _attempt(self._ask("submit", id=task_id, request=wire.new_request(), options=told))

    def resubmit(self, task_id: str, asked: Resubmission) -> Attempt | None:
        order = wire.resubmission_json(asked)
        return _attempt(self._ask("resubmit", id=task_id, request=wire.new_request(), order=order))

    def cancel(self, task_id: str, only: Ranges | None = None) -> Canceled:
        from ...use.cancel import Canceled

        return Canceled(**self._ask("cancel", id=task_id, jobs=wire.ranges_text(only)))

    def remove(self, task_id: str) -> None:
        from . import result_cache

        def once() -> None:
            with self.exchange.begun("remove", id=task_id) as answer:
                answer.last()

        self.exchange.patience().kept_removal(once)
        self._known.pop(task_id, None)
        result_cache.forget(self.place, task_id)

    def status(self, task_id: str, look: Look = Look.ONCE) -> TaskStatus:
        return self._status("status", task_id, look=look.name)

    def track(self, task_id: str, begins: bool = False) -> TaskStatus:
        return self._status("track", task_id, begins=begins)

    def statuses(
        self, task_ids: Sequence[str] | None, tracks: bool = False, begins: bool = False
    ) -> list[tuple[str, TaskStatus | HpcbatchError]]:
        ids = None if task_ids is None else list(task_ids)
        if ids == []:
            return []
        words = self._seen.words(ids)
        found = self._ask("statuses", ids=ids, tracks=tracks, begins=begins, known=words)
        return [
            (told["id"], wire.error_from(told) if "error" in told else TaskStatus.from_json(told))
            for told in self._seen.whole(found, words)
        ]

    def _status(self, verb: str, task_id: str, **asked: Any) -> TaskStatus:
        words = self._seen.words([task_id])
        told = self._ask(verb, id=task_id, known=words, **asked)
        return TaskStatus.from_json(*self._seen.whole([told], words))

    def jobs(
        self,
        task_id: str,
        states: str | Sequence[str] | None = None,
        only: Ranges | None = None,
    ) -> list[JobInfo]:
        known = known_states(states)
        asked = {"states": known and list(known), "jobs": wire.ranges_text(only)}
        return [wire.job_from(told) for told in self._ask("jobs", id=task_id, **asked)]

    def resolved_jobs(self, task_id: str) -> Ranges:
        return wire.ranges_from(self._ask("resolved_jobs", id=task_id))

    def collect(
        self, task_id: str, only: Ranges | None = None
    ) -> Iterator[tuple[int, bytes | JobError]]:
        """Those alone that have not come here before."""
        from . import result_cache

        wanted = Ranges([(0, self.spec(task_id).njobs)]) if only is None else only
        result_cache.forget_old(self.place)
        with contextlib.closing(result_cache.ResultCache(self.place, task_id)) as here:
            absent = wanted.without(Ranges.of(here.jobs))
            asked = partial(self._collected, task_id)
            fetched = streams.whole(absent, asked, self.exchange.patience())
            for job in wanted:
                if job in here:
                    yield job, here.value(job)
                    continue
                job, value = next(fetched)
                if isinstance(value, bytes):
                    here.add(job, value)
                yield job, value

    @contextlib.contextmanager
    def _collected(self, task_id: str, jobs: Ranges) -> Iterator[Iterator[bytes]]:
        with self.exchange.begun("collect", id=task_id, jobs=str(jobs)) as answer:
            yield answer.data()

    def errors(self, task_id: str) -> list[JobError]:
        return [wire.failure_from(told) for told in self._ask("errors", id=task_id)]

    def newest_failures(self, task_id: str, limit: int) -> list[JobError]:
        found = self._ask("newest_failures", id=task_id, limit=limit)
        return [wire.failure_from(told) for told in found]

    def log(self, task_id: str, job: int) -> str:
        return str(self._ask("log", id=task_id, job=job))

    def element_log(self, task_id: str, attempt: int, element: int, begin: int) -> bytes:
        where = {"attempt": attempt, "element": element, "begin": begin}
        return b64decode(self._ask("element_log", id=task_id, **where))

    def modules(self, task_id: str) -> list[str]:
        return self._modules.of(task_id)

    def _keep(self, told: Any) -> TaskSpec:
        spec = TaskSpec.from_json(told["spec"])
        self._known[spec.id] = spec, str(told["folder"])
        return spec


def _attempt(told: Any) -> Attempt | None:
    return None if told is None else wire.attempt_from(told)
