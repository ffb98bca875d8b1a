"""What a server serves: a registry, its queue, and who may see what of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ..registry.registry import Registry
from ..sites.wire import mended_from
from ..use import service
from ..use.cancel import Canceled, cancel
from ..use.dependencies import with_whole_ids
from ..use.submit import checked
from ..words.errors import AlreadySubmitted, InputError, NotFound, ResourceError
from ..words.layout import is_task_id
from ..words.model import TaskSpec
from ..words.options import SubmitOptions
from ..words.ranges import Ranges
from ..words.resources import parse_walltime
from ..words.status import known_states
from .failures import Failures
from .folder import ServerFolder
from .identity import Identity
from .queue import Entry, Queue
from .release import Releaser
from .settings import Settings
from .tokens import Tokens
from .tracking import Tracking
from .uploads import Uploads
from .users import User, Users


class ServedSite:
    """All that routes use. One process at a time has the folder."""

    def __init__(self, registry: Registry, settings: Settings):
        self.registry, self.settings = registry, settings
        folder = ServerFolder(registry.root)
        self.identity = Identity.at(folder.identity)
        self.users = Users(folder.users)
        self.tokens = Tokens(self.identity, self.users, folder.tokens, settings.options.keep_alive)
        self.failures = Failures()
        self.uploads = Uploads(folder.uploads, registry)
        self.queue = Queue(folder.queue)
        self.tracking = Tracking(registry, self.queue)
        self.releaser = Releaser(registry, self.queue, self.tracking, settings.options)

    def spec(self, user: User, task_id: str) -> TaskSpec:
        """Raises NotFound also for another's task: nobody learns which there are."""
        spec = self.registry.spec(task_id) if is_task_id(task_id) else None
        if spec is None or not _may_see(user, spec):
            raise NotFound(f"there is no task {task_id!r}")
        return spec

    def specs(self, user: User) -> list[TaskSpec]:
        return [spec for spec in self.registry.specs() if _may_see(user, spec)]

    def find(self, user: User, text: str) -> str:
        """Like the registry's, among the tasks that the user may see."""
        specs = self.specs(user)
        if text == "last" and specs:
            return specs[-1].id
        found = [spec.id for spec in specs if spec.id.startswith(text) and text]
        exact = [one for one in found if one == text]
        if len(exact or found) == 1:
            return (exact or found)[0]
        if not found:
            raise NotFound(f"there is no task {text!r}")
        raise NotFound(f"{text!r} is the beginning of several tasks: {', '.join(found[:8])}")

    def enqueue(self, user: User, spec: TaskSpec, verb: str, request: str, **asked: Any) -> bool:
        """Accept a submission, or tell at once what is wrong with it; whether it is new."""
        options = self._options(verb, asked["options"])
        states = known_states(asked.get("states"))
        jobs = asked.get("jobs")
        mended = asked.get("mended")
        try:
            if jobs is not None:
                Ranges.parse(jobs)
            if mended is not None:
                mended_from(mended)
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"what was asked cannot be read: {error}") from error
        entry = Entry(
            spec.id,
            spec.owner or user.id,
            verb,
            request,
            time.time(),
            {**options.to_json(), "resources": dict(options.resources)},
            states,
            jobs,
            mended,
            bool(asked.get("revoke")),
        )
        is_waiting = self.queue.ahead_of(spec.id) is not None
        is_first = verb == "submit" and not is_waiting and not self.queue.is_known(request)
        if is_first and not self.tracking.status(spec.id).counts["defined"]:
            raise AlreadySubmitted(
                f"{spec.id} was submitted before; resubmit() runs again what is unfinished"
            )
        is_new = self.queue.add(entry)
        self.releaser.wake()
        return is_new

    def cancel(self, spec: TaskSpec, only: Ranges | None) -> Canceled:
        withdrawn = self.queue.withdraw(spec.id) if only is None else 0
        done = cancel(self.registry, spec.id, only)
        self.tracking.released(spec.id)
        return done if done.jobs or not withdrawn else Canceled(spec.njobs, done.objections)

    def remove(self, spec: TaskSpec) -> None:
        if self.queue.ahead_of(spec.id) is not None:
            self.queue.withdraw(spec.id)
        service.remove(self.registry, spec.id)
        self.queue.forget(spec.id)
        self.tracking.forget(spec.id)

    def _options(self, verb: str, told: Mapping[str, Any]) -> SubmitOptions:
        given = dict(told)
        if verb == "submit" and given.get("cluster") is None:
            given["cluster"] = self.settings.batch_cluster
        options = SubmitOptions.read(**given)
        if verb == "submit" or options.cluster is not None:
            options = checked(self.registry, options)
        else:  # on the cluster that it was on
            options = with_whole_ids(self.registry, options)
        most = self.settings.options.max_nodetime
        asked = options.resources.get("element_walltime") or options.resources.get("walltime")
        if most is not None and asked and parse_walltime(asked, "walltime") > most:
            raise ResourceError(f"walltime {asked!r} is more than this server allows: {most} s")
        return options


def _may_see(user: User, spec: TaskSpec) -> bool:
    return user.admin or (spec.owner == user.id)
