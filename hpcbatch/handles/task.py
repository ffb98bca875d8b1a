"""The handle of a task: a site and an id. Everything it tells is asked anew."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from ..sites.base import Site
from ..sites.watch import watch
from ..words.errors import CodeWarning, JobError, NotSubmitted
from ..words.model import Attempt, TaskSpec
from ..words.options import AUTO, SubmitOptions
from ..words.ranges import Ranges, whole_numbers
from ..words.status import TaskStatus
from ..words.text import counted
from .collected import collected
from .interrupts import interrupted_with
from .job import Job
from .progress import Progress
from .resource_arguments import takes_resources


class Task:
    """One function over many inputs. Made by ``create`` and ``restore``."""

    def __init__(self, site: Site, task_id: str, function: Callable[..., Any] | None = None):
        self.site = site
        self.id = task_id
        self._function = function  # that it was made of, in this process
        self._spec: TaskSpec | None = None

    @property
    def spec(self) -> TaskSpec:
        """What was asked for."""
        if self._spec is None:
            self._spec = self.site.spec(self.id)
        return self._spec

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def folder(self) -> str:
        """Where the task lies on the disk of its site."""
        return self.site.folder(self.id)

    def __len__(self) -> int:
        return self.spec.njobs

    def __repr__(self) -> str:
        return f"<Task {self.id}: {counted(self.spec.njobs, 'job')}>"

    def __str__(self) -> str:
        return str(self.status())

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        from .html import status_html

        return status_html(self.status())

    @takes_resources
    def submit(
        self,
        cluster: str | None = None,
        *,
        resources: Mapping[str, Any] | None = None,
        chunk: int | str = AUTO,
        throttle: int | None = None,
        isolate: bool = False,
        job_timeout: str | int | timedelta | None = None,
        retries: int = 0,
        retry_on: str | Iterable[str] | None = None,
        retry_scale: Mapping[str, float] | None = None,
        after: Task | str | Iterable[Task | str] = (),
        after_ok: Task | str | Iterable[Task | str] = (),
        notify: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Task:
        """Submit the jobs that never were, as one attempt; returns the task itself.

        ``resources`` overrule the cluster's defaults: ``walltime`` of one job (``"10m"``, a
        timedelta, or a number of seconds), ``memory`` (``"4GB"``, or a number of bytes), ``cpus``
        and ``gpus`` of one element, and more. ``chunk`` is the most jobs that an element runs;
        ``throttle`` limits the elements that run at once. ``isolate`` gives each job a process of
        its own: one that dies leaves the others of its element alone; ``job_timeout`` ends single
        jobs after that time, which is given as a walltime is, and isolates as well.

        ``retries``: so often a job that expired is submitted again, by whoever waits or tends;
        ``retry_on`` are the reasons. By default these are ``timeout``, ``out-of-memory``,
        ``node-failure``, ``preempted``, ``killed``, ``exit-code`` and ``lost``; those that have to
        be named are ``error`` (any exception), ``failed``, ``launch-failure``, ``dependency`` and
        ``canceled`` (by others: what hpcbatch canceled is never retried).
        ``retry_scale={"memory": 2}`` doubles memory each time.

        ``after`` are tasks that must have ended before, ``after_ok`` such that must be done.
        ``notify`` is a shell command or URL that gets the status as JSON when the task resolves.
        ``env`` are environment variables that the jobs get, over those of the cluster's profile.

        Raises AlreadySubmitted; UsageError, ResourceError or ConfigError for what cannot be right,
        NotFound for a task to wait for that is none, and StateError for one that can never be
        waited for, or while an earlier submission is in doubt; SubmissionRejected (the task stays
        as it was), SubmissionDeferred (submit it again later), SubmissionUnclear (a later status
        tells), or another SchedulerError; RegistryError; SiteError where the site is elsewhere.
        """
        options = SubmitOptions(
            cluster,
            resources or {},
            chunk,
            throttle,
            isolate,
            job_timeout,  # type: ignore[arg-type]  # the options read what a user writes
            retries,
            retry_on,  # type: ignore[arg-type]
            retry_scale,
            after,  # type: ignore[arg-type]
            after_ok,  # type: ignore[arg-type]
            notify,
            env=env or {},
        )
        with interrupted_with(f"whether {self.id} was submitted is told by its status()"):
            self.site.submit(self.id, options)
        return self

    def status(self) -> TaskStatus:
        """Counts of jobs by state, as they are now."""
        return self.site.status(self.id)

    def jobs(self, state: str | Sequence[str] | None = None) -> list[Job]:
        """All jobs in order, or those in one state or several. Raises UsageError for a state that
        is none, NotFound where the task was removed, RegistryError."""
        return [Job(self.site, self.id, info) for info in self.site.jobs(self.id, state)]

    def job(self, index: int) -> Job:
        """One job. Raises NotFound."""
        only = Ranges.of(whole_numbers("index", [index]))
        return Job(self.site, self.id, self.site.jobs(self.id, None, only)[0])

    def errors(self) -> list[JobError]:
        """The jobs that failed (error, expired, canceled), with what is known of why."""
        return self.site.errors(self.id)

    def wait(self, timeout: float | None = None, progress: bool | None = None) -> TaskStatus:
        """Wait until no job is waiting or running; returns the status then.

        ``progress`` shows a bar; by default on a terminal only. Raises NotSubmitted, WaitTimeout
        after ``timeout`` seconds (the task goes on, as after Ctrl-C), TaskStuck where the rest
        waits for what will never come, NotFound where the task was removed, RegistryError where
        nobody here can see it end, and UsageError for a timeout that is no number.
        """
        with Progress(self, progress) as bar:
            for status in self._watched(timeout):
                bar.show(status)
        return status

    def as_completed(self, timeout: float | None = None) -> Iterator[Job]:
        """Jobs as they resolve, each once. Raises what ``wait`` does."""
        told = Ranges()
        for _ in self._watched(timeout):
            resolved = self.site.resolved_jobs(self.id)
            fresh = resolved.without(told)
            for info in self.site.jobs(self.id, None, fresh) if fresh else ():
                yield Job(self.site, self.id, info)
            told = told.union(fresh)

    def collect(self, on_error: str = "raise", jobs: Sequence[int] | None = None) -> list[Any]:
        """Results in the order of the inputs, of all jobs or of ``jobs``.

        A job without a result: ``raise`` TaskFailed, which shows the first failures with their
        tracebacks; ``return`` a JobError in its place; or ``skip`` it. Raises StateError while
        jobs wait, run, or were never submitted, unless ``on_error`` says to go on without them;
        NotFound for a job or a task that is not there, UsageError for another ``on_error``, or
        numbers that are none, RegistryError.
        """
        chosen = None if jobs is None else whole_numbers("jobs", jobs)
        only = None if chosen is None else Ranges.of(chosen)
        found = collected(self.site, self.id, only, on_error)
        if chosen is None:
            return list(found.values())
        return [found[job] for job in chosen if job in found]

    def cancel(self, jobs: Iterable[int] | None = None) -> TaskStatus:
        """Cancel what is not resolved, or those of ``jobs``; results that are there stay. Safe to
        repeat.

        Warns when a scheduler objects: then ask again; and of jobs that cannot be ended alone.
        Raises NotFound.
        """
        only = None if jobs is None else Ranges.of(whole_numbers("jobs", jobs))
        done = self.site.cancel(self.id, only)
        for told in (*done.objections, *filter(None, [done.left])):
            warnings.warn(f"cancelling {self.id}: {told}", RuntimeWarning, stacklevel=2)
        return self.status()

    @takes_resources
    def resubmit(
        self,
        cluster: str | None = None,
        *,
        only: str | Sequence[str] | None = None,
        jobs: Iterable[int] | None = None,
        resources: Mapping[str, Any] | None = None,
        function: Callable[..., Any] | None = None,
        with_project: bool | str | os.PathLike[str] = False,
        revoke: bool = False,
        **options: Any,
    ) -> Attempt | None:
        """Submit again only the jobs without a result. Returns the attempt, not the task (``wait``
        is the task's); None when no chosen job is without a result, and over HTTP, where the server
        submits them later.

        By default on the last cluster, with its resources and options; ``options`` are others of
        ``submit``. ``only`` chooses states, such as ``"expired"``; ``jobs`` indices. ``function``
        takes the place of the task's own, for these jobs and later attempts, ``with_project`` as
        for ``create``.

        Raises StateError while chosen jobs are alive, unless ``revoke`` takes them from their
        elements; NotFound for a job that is not there; InputError for a function that cannot take
        the place; and what ``submit`` does, but for AlreadySubmitted.
        """
        from ..use.changed_sources import changed_sources
        from ..use.create import Mended
        from ..use.redefined import warn_of_redefined
        from ..use.resubmit import Resubmission

        if function is None:
            warn_of_redefined(self._function, stacklevel=3)
            if changed := changed_sources(self.spec, self.site.modules):
                warnings.warn(
                    f"changed since the task was made: {changed}. Its jobs run what was sent with "
                    "it; resubmit(function=...) sends the function as it is now",
                    CodeWarning,
                    stacklevel=3,
                )
        asked = SubmitOptions.read(cluster=cluster, resources=resources or {}, **options)
        chosen = None if jobs is None else Ranges.of(whole_numbers("jobs", jobs))
        mended = Mended.chosen(self.spec, function, with_project)
        with interrupted_with(
            f"whether jobs of {self.id} were submitted again is told by its status()"
        ):
            return self.site.resubmit(self.id, Resubmission(asked, only, chosen, mended, revoke))

    def _watched(self, timeout: float | None) -> Iterator[TaskStatus]:
        statuses = watch(self.site, self.id, timeout)
        while (status := self._next(statuses)) is not None:
            if status.counts["defined"] == status.njobs and status.idle:
                told = "; ".join(status.notes) or "submit it first"
                raise NotSubmitted(f"{self.id} was never submitted: {told}")
            yield status

    def _next(self, statuses: Iterator[TaskStatus]) -> TaskStatus | None:
        with interrupted_with(
            f"{self.id} goes on without this process: wait for it again, or restore it in another "
            "session"
        ):
            return next(statuses, None)

    def remove(self) -> None:
        """Delete the task and its results. Raises StateError while jobs are alive."""
        self.site.remove(self.id)
