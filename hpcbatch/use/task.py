"""The handle of a task: a site and an id. Everything it tells is asked anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..registry.registry import Registry
from ..words.errors import (
    InputError,
    JobError,
    NotFound,
    NotSubmitted,
    StateError,
    TaskFailed,
    UsageError,
    WaitTimeout,
    nearest,
)
from ..words.model import RESOLVED, Attempt, JobInfo, TaskSpec, TaskStatus
from ..words.ranges import Ranges
from . import service
from .create import create_task
from .loading import Loader
from .progress import Progress
from .submit import SubmitOptions, submit_defined

ON_ERROR = ("raise", "return", "skip")
PAUSES = (0.05, 2.0)  # seconds between two looks while waiting: the first, and the longest


class Task:
    """One function over many inputs. Made by ``create`` and ``restore``."""

    def __init__(self, registry: Registry, task_id: str):
        self._registry = registry
        self.id = task_id
        self._spec: TaskSpec | None = None

    @property
    def spec(self) -> TaskSpec:
        """What was asked for."""
        if self._spec is None:
            self._spec = self._registry.spec(self.id)
        return self._spec

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def folder(self) -> str:
        """Where the task lies on disk."""
        return self._registry.layout(self.id).folder

    def __len__(self) -> int:
        return self.spec.njobs

    def __repr__(self) -> str:
        return f"<Task {self.id}: {self.spec.njobs} jobs>"

    def __str__(self) -> str:
        return str(self.status())

    def submit(
        self,
        cluster: str | None = None,
        *,
        resources: Mapping[str, Any] | None = None,
        chunk: int | str = "auto",
        throttle: int | None = None,
    ) -> Task:
        """Submit the jobs that never were, as one attempt; returns the task itself.

        ``resources`` overrule the cluster's defaults: ``walltime`` of one job, ``memory``,
        ``cpus``, ``gpus`` of one element, and more. ``chunk`` is the number of jobs an element
        runs; ``throttle`` limits the elements that run at once.

        Raises AlreadySubmitted, SubmissionRejected (the task stays as it was),
        SubmissionDeferred, ConfigError, ResourceError.
        """
        options = SubmitOptions(cluster, dict(resources or {}), chunk, throttle)
        submit_defined(self._registry, self.spec, options)
        return self

    def status(self) -> TaskStatus:
        """Counts of jobs by state, as they are now."""
        return service.status(self._registry, self.id)

    def jobs(self, state: str | Sequence[str] | None = None) -> list[Job]:
        """All jobs in order, or those in one state or several."""
        return [Job(self, info) for info in service.jobs(self._registry, self.id, state)]

    def job(self, index: int) -> Job:
        """One job. Raises NotFound."""
        if not 0 <= index < self.spec.njobs:
            last = self.spec.njobs - 1
            raise NotFound(f"there is no job {index}: the jobs of {self.id} are 0 to {last}")
        only = Ranges([(index, index + 1)])
        return Job(self, service.jobs(self._registry, self.id, None, only)[0])

    def errors(self) -> list[JobError]:
        """The jobs that failed (error, expired, canceled), with what is known of why."""
        return service.errors(self._registry, self.id)

    def wait(self, timeout: float | None = None, progress: bool | None = None) -> TaskStatus:
        """Wait until no job is waiting or running; returns the status then.

        ``progress`` shows a bar; by default on a terminal only. Raises NotSubmitted, and
        WaitTimeout after ``timeout`` seconds: the task goes on meanwhile.
        """
        with Progress(self, progress) as bar:
            for status in self._statuses(timeout):
                bar.show(status)
                if status.counts["defined"] == status.njobs:
                    raise NotSubmitted(f"{self.id} was never submitted: submit() it first")
                if status.idle:
                    return status
        raise AssertionError("unreachable: the statuses end by raising")

    def as_completed(self, timeout: float | None = None) -> Iterator[Job]:
        """Jobs as they resolve, each once. Raises WaitTimeout."""
        told = Ranges()
        for status in self._statuses(timeout):
            resolved = service.resolved_jobs(self._registry, self.id)
            fresh = Ranges.of(job for job in resolved if job not in told)
            for info in service.jobs(self._registry, self.id, None, fresh) if fresh else ():
                yield Job(self, info)
            told = Ranges.of([*told, *fresh])
            if status.idle and len(told) == len(resolved):
                return

    def collect(self, on_error: str = "raise", jobs: Sequence[int] | None = None) -> list[Any]:
        """Results in the order of the inputs, of all jobs or of ``jobs``.

        A job without a result: ``raise`` TaskFailed, which shows the first failures with their
        tracebacks; ``return`` a JobError in its place; or ``skip`` it. Raises StateError while
        jobs wait, run, or were never submitted, unless ``on_error`` says to go on without them.
        """
        if on_error not in ON_ERROR:
            raise UsageError(f"on_error {on_error!r} is unknown{nearest(on_error, ON_ERROR)}")
        only = None if jobs is None else Ranges.of(jobs)
        loader = Loader(self._registry.layout(self.id))
        found: dict[int, Any] = {}
        failures: list[JobError] = []
        for job, value in service.collect(self._registry, self.id, only):
            try:
                if isinstance(value, JobError):
                    raise value
                if not (failures and on_error == "raise"):
                    found[job] = loader.load(job, value)
            except JobError as error:
                failures.append(error)
                if on_error == "return":
                    found[job] = error
        if failures and on_error == "raise":
            _check_finished(self.id, failures)
            raise TaskFailed(self.id, failures, self.spec.njobs)
        order = found if jobs is None else [job for job in jobs if job in found]
        return [found[job] for job in order]

    def cancel(self) -> TaskStatus:
        """Cancel what is not resolved; results that are there stay. Safe to repeat.

        Warns when a scheduler objects: then ask again.
        """
        status, objections = service.cancel(self._registry, self.id)
        for objection in objections:
            import warnings

            warnings.warn(f"cancelling {self.id}: {objection}", RuntimeWarning, stacklevel=2)
        return status

    def resubmit(
        self,
        cluster: str | None = None,
        *,
        only: str | Sequence[str] | None = None,
        jobs: Sequence[int] | None = None,
        resources: Mapping[str, Any] | None = None,
        chunk: int | str | None = None,
        throttle: int | None = None,
    ) -> Attempt | None:
        """Submit again only the jobs without a result; None when every job has one.

        By default on the last cluster, with its resources, chunk and throttle. ``only`` chooses
        states, such as ``"expired"``; ``jobs`` indices. Raises StateError while jobs are alive.
        """
        options = SubmitOptions(cluster, dict(resources or {}), chunk, throttle)
        chosen = None if jobs is None else Ranges.of(jobs)
        return service.resubmit(self._registry, self.id, options, only, chosen)

    def remove(self) -> None:
        """Delete the task and its results. Raises StateError while jobs are alive."""
        service.remove(self._registry, self.id)

    def _statuses(self, timeout: float | None) -> Iterator[TaskStatus]:
        """The status again and again, ever less often. Raises WaitTimeout."""
        began = time.monotonic()
        pause, longest = PAUSES
        while True:
            status = self.status()
            yield status
            left = float("inf") if timeout is None else timeout - (time.monotonic() - began)
            if left <= 0:
                raise WaitTimeout(
                    f"{self.id} did not resolve within {timeout} s: {_told(status)}. It goes on; "
                    "wait() again, or cancel()."
                )
            time.sleep(min(pause, left))
            pause = min(pause * 1.3, longest)


class Job:
    """One call of the task's function, as it was when it was asked for."""

    def __init__(self, task: Task, info: JobInfo):
        self._task = task
        self.stats = info

    @property
    def index(self) -> int:
        return self.stats.index

    @property
    def state(self) -> str:
        return self.stats.state

    @property
    def reason(self) -> str:
        """Why it is in error or expired; empty otherwise."""
        return self.stats.reason

    @property
    def traceback(self) -> str:
        """The remote traceback, or the end of the log of an expired job; else empty."""
        found = self._asked()
        return found.traceback if isinstance(found, JobError) else ""

    def result(self) -> Any:
        """What the function returned. Raises JobError when there is no result."""
        found = self._asked()
        if isinstance(found, JobError):
            raise found
        return Loader(self._task._registry.layout(self._task.id)).load(self.index, found)

    def log(self) -> str:
        """What the job printed."""
        return service.log(self._task._registry, self._task.id, self.index)

    def __repr__(self) -> str:
        return f"<Job {self.index} of {self._task.id}: {self.state}>"

    def _asked(self) -> bytes | JobError:
        only = Ranges([(self.index, self.index + 1)])
        _, found = next(service.collect(self._task._registry, self._task.id, only))
        return found


def create(
    function: Callable[..., Any],
    *inputs: Any,
    const: Mapping[str, Any] | None = None,
    name: str | None = None,
    seed: int | None = None,
    root: str | None = None,
    **named: Any,
) -> Task:
    """Store ``function`` and its inputs as a task; nothing is submitted yet.

    ``inputs`` are iterables, as for ``map``; or name them as the function does:
    ``create(f, x=range(10), y=values)``, but for the words const, name, seed and root.
    One job per position. ``const`` are arguments that are the same for every job. ``seed`` makes
    random numbers of jobs repeatable; it is drawn when absent. ``root`` is another registry than
    ``$HPCBATCH_ROOT`` or ``~/.hpcbatch``.

    Raises InputError, RegistryUnwritable, RegistryUnsafe.
    """
    for word, given in (("name", name), ("root", root)):
        if given is not None and not isinstance(given, str):
            raise InputError(
                f"{word}={given!r} is no text. create() keeps the words const, name, seed and root "
                f"for itself: give an input of the name {word!r} by position"
            )
    registry = Registry(root)
    spec = create_task(registry, function, inputs, named, const, name, seed)
    return Task(registry, spec.id)


def restore(task_id: str, root: str | None = None) -> Task:
    """A task made before, by its id, a unique beginning of it, or ``last``. Raises NotFound."""
    registry = Registry(root)
    return Task(registry, registry.find(task_id))


def tasks(root: str | None = None) -> list[Task]:
    """All tasks of a registry, oldest first."""
    registry = Registry(root)
    return [Task(registry, spec.id) for spec in registry.specs()]


def _check_finished(task_id: str, failures: Sequence[JobError]) -> None:
    states = [failure.state for failure in failures if failure.state not in RESOLVED]
    if states:
        told = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
        raise StateError(
            f"{task_id} is not finished ({told}): submit() and wait() first, or collect what is "
            'there with on_error="skip"'
        )


def _told(status: TaskStatus) -> str:
    return ", ".join(f"{count} {state}" for state, count in status.counts.items() if count)
