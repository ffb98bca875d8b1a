"""What a server serves: a registry, its queue, and who may see what of it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..cluster.cluster import Cluster
from ..registry.registry import Registry
from ..sites import wire
from ..sites.parcel import as_here
from ..sites.queued import cannot_part
from ..sites.uploads import Uploads
from ..use.cancel import Canceled, cancel
from ..use.dependencies import find_dependencies, with_whole_ids
from ..use.job_selection import check_jobs
from ..use.preview import Preview, preview
from ..use.remove import remove
from ..use.resubmit import check_resubmission
from ..use.submit import checked, checked_in_part, was_submitted
from ..words.errors import (
    AccessDenied,
    ConfigError,
    InputError,
    NotFound,
    ProgramMissing,
    RegistryError,
    ResourceError,
    SchedulerError,
    UsageError,
)
from ..words.layout import is_task_id
from ..words.model import TaskSpec
from ..words.options import SubmitOptions
from ..words.ranges import Ranges
from ..words.resources import Resources
from ..words.server_layout import ServerLayout
from ..words.text import walltime_text
from .clusters import Clusters
from .dashboard.codes import Codes
from .dashboard.sessions import Sessions
from .dashboard.shared_answers import SharedAnswers
from .failures import Failures
from .hooks import Hooks
from .identity import Identity
from .metrics import ServerMetrics
from .queue import QueuedSubmission, SubmissionQueue
from .release import Releaser
from .settings import MODULES, ServerSettings
from .tokens import Tokens
from .tracking import Tracking
from .users import ANONYMOUS, LOCAL, User, Users

WHERE = "on this server"  # as its clients read it
NEEDED = "a token is needed: see /validate/token"


class ServedSite:
    """All that routes use. One process at a time has the folder."""

    def __init__(self, registry: Registry, settings: ServerSettings):
        self.registry, self.settings = registry, settings
        layout = ServerLayout(registry.root)
        self.identity = Identity.at(layout.identity)
        self.users = Users(layout.users)
        self.tokens = Tokens(self.identity, self.users, layout.tokens, settings.options.keep_alive)
        self.codes, self.fresh = Codes(), SharedAnswers()
        self.sessions = Sessions(self.users, settings.options.keep_alive)
        self.failures = Failures()
        self.hooks = Hooks(settings.options)
        self.uploads = Uploads(layout.uploads, registry)
        self.queue = SubmissionQueue(layout.queue)
        self.tracking = Tracking(registry, self.queue)
        self.metrics = ServerMetrics(self)
        self.clusters = Clusters(registry.root, settings.batch_cluster)
        self.releaser = Releaser(registry, self.users, self.queue, self.tracking, settings.options)
        self.cancels_at_end = False

    @property
    def is_secured(self) -> bool:
        return self.settings.protocol == "https"

    def without_token(self, module: str) -> User:
        """Who asks without a token for something of ``module``. Raises AccessDenied."""
        options = self.settings.options
        if not options.require_auth:  # only where nobody else gets in
            return self.users.find(LOCAL)
        if module in options.modules_require_auth or module not in MODULES:
            raise AccessDenied(NEEDED)
        if not options.anonymous_request:
            raise AccessDenied(f"{NEEDED}, since anonymous_request is false here")
        return ANONYMOUS

    def spec(self, user: User, task_id: str) -> TaskSpec:
        """Raises NotFound also for another's task: nobody learns which there are."""
        spec: TaskSpec | None = None
        try:
            spec = self.registry.spec(task_id) if is_task_id(task_id) else None
        except RegistryError:  # nobody knows whose one is that is damaged
            if user.admin:
                raise
        except NotFound:
            spec = None
        if spec is None or not _may_see(user, spec):
            raise NotFound(f"there is no task {task_id!r} {WHERE}")
        return spec

    def specs(self, user: User) -> list[TaskSpec]:
        return [spec for spec in self.registry.specs() if _may_see(user, spec)]

    def find(self, user: User, text: str, asking: str = "") -> str:
        """Like the registry's, among the tasks that the user may see."""
        ids = self.registry.ids() if user.admin else [spec.id for spec in self.specs(user)]
        return self.registry.find_among(ids, text, WHERE, asking)

    def preview(self, user: User, spec: TaskSpec, told: Mapping[str, Any]) -> Preview:
        """The script of a task that is not stored, as a submission of it would be released."""
        own = as_here(spec, user.id)
        limits = self.settings.options
        options = self._options(user, own, told).throttled(limits.max_concurrent_jobs)
        return preview(self.registry, own, options, limits.max_nodetime)

    def submit(self, user: User, spec: TaskSpec, request: str, told: Mapping[str, Any]) -> None:
        """Accept a submission, or tell at once what is wrong with it."""
        options = self._options(user, spec, told)
        cluster = Cluster.named(options.cluster)
        try:
            cluster.check_here()
        except ProgramMissing as error:
            raise ConfigError(f"on {os.uname().nodename}, where this server is: {error}") from error
        request = _word(user, spec, "submit", request)
        is_known = self.queue.is_known(request) or self.queue.ahead_of(spec.id) is not None
        if not is_known and not self.tracking.status(spec.id).counts["defined"]:
            raise was_submitted(spec.id)
        if not is_known:
            self._check_awaited(spec, options, cluster)
        self._enqueue(user, spec, "submit", request, {"options": wire.options_json(options)})

    def resubmit(self, user: User, spec: TaskSpec, request: str, told: Mapping[str, Any]) -> None:
        """Accept a submission of what has no result, or tell at once what is wrong with it."""
        try:
            asked = wire.resubmission_from(told)
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, UsageError):
                raise
            raise InputError(f"what was asked cannot be read: {error}") from error
        check_jobs(spec, asked.only or Ranges())
        check = with_whole_ids if asked.options.cluster is None else checked_in_part
        options = self.hooks.new_job(user, spec, asked.options)
        seen = self._seen_by(user, options, spec.id)
        asked = replace(asked, options=check(self.registry, seen, spec.id))
        self._check_time(1, asked.options, {})
        request = _word(user, spec, "resubmit", request)
        if not self.queue.is_known(request) and self.queue.ahead_of(spec.id) is None:
            with contextlib.suppress(RegistryError, SchedulerError):  # which pass until its release
                check_resubmission(self.registry, spec, asked)
        self._enqueue(user, spec, "resubmit", request, wire.resubmission_json(asked))

    def cancel(self, spec: TaskSpec, only: Ranges | None) -> Canceled:
        with self.queue.turn(spec.id):
            withdrawn = self.queue.withdraw(spec.id) if only is None else 0
            done = cancel(self.registry, spec.id, only)
        self.tracking.look_again(spec.id)
        if only is not None and done.is_nothing and self.queue.ahead_of(spec.id) is not None:
            raise cannot_part(spec.id)
        return done if done.jobs or not withdrawn else done._replace(jobs=spec.njobs)

    def remove(self, spec: TaskSpec) -> None:
        with self.queue.turn(spec.id):
            remove(self.registry, spec.id)
            self.queue.forget(spec.id)
        self.tracking.forget(spec.id)

    def _options(self, user: User, spec: TaskSpec, told: Mapping[str, Any]) -> SubmitOptions:
        """Of a submission, as its owner and this server allow them."""
        given = dict(told)
        if given.get("cluster") is None:
            given["cluster"] = self.settings.batch_cluster
        options = self.hooks.new_job(user, spec, wire.options_from(given))
        options = checked(self.registry, self._seen_by(user, options, spec.id), spec.id)
        self._check_time(spec.njobs, options, Cluster.named(options.cluster).config.resources)
        return options

    def _enqueue(
        self, user: User, spec: TaskSpec, verb: str, request: str, order: Mapping[str, Any]
    ) -> None:
        owner = spec.owner or user.id
        self.queue.add(QueuedSubmission(spec.id, owner, verb, request, time.time(), order))
        self.releaser.wake()

    def _seen_by(self, user: User, options: SubmitOptions, task_id: str) -> SubmitOptions:
        """With whole ids of the tasks to wait for, which are those that the user may see."""
        after, after_ok = (
            tuple(self.find(user, text, task_id) for text in texts)
            for texts in (options.after, options.after_ok)
        )
        return replace(options, after=after, after_ok=after_ok)

    def _check_awaited(self, spec: TaskSpec, options: SubmitOptions, cluster: Cluster) -> None:
        """Raises StateError where a task to wait for, which waits in no queue itself, can never be
        waited for."""
        after, after_ok = (
            tuple(other for other in others if self.queue.ahead_of(other) is None)
            for others in (options.after, options.after_ok)
        )
        with contextlib.suppress(RegistryError, SchedulerError):  # which pass until its release
            settled = replace(options, after=after, after_ok=after_ok)
            find_dependencies(self.registry, settled, cluster, spec.id)

    def _check_time(self, njobs: int, options: SubmitOptions, defaults: Mapping[str, Any]) -> None:
        """What can be told at once; its release knows how many jobs an element has. ``njobs`` are
        there at least."""
        most = self.settings.options.max_nodetime
        chunk = options.chunk if isinstance(options.chunk, int) else 1
        asked = Resources.parse(defaults, options.resources)
        seconds = asked.for_element(min(chunk, njobs))
        if most is not None and seconds is not None and seconds > most:
            told = f"an element of {walltime_text(seconds)} is longer than this server allows"
            raise ResourceError(f"{told}: {walltime_text(most)}")


def _word(user: User, spec: TaskSpec, verb: str, request: str) -> str:
    """Of this request alone: what another user or another task calls so is another one."""
    told = "\0".join((user.id, spec.id, verb, request))
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _may_see(user: User, spec: TaskSpec) -> bool:
    return user.admin or (spec.owner == user.id)
