"""How to run jobs, as it was asked for at a submission, and kept with the attempt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from .errors import ResourceError, UsageError
from .messages import nearest
from .resources import Resources, parse_walltime
from .variables import read_variables

AUTO = "auto"
# why jobs end without a result: the words that retry_on takes
REASONS = (
    "timeout",
    "out-of-memory",
    "node-failure",
    "preempted",
    "killed",
    "exit-code",
    "canceled",
    "lost",
    "launch-failure",
    "failed",
    "dependency",
    "error",
)
NOT_RETRIED = ("canceled", "launch-failure", "failed", "dependency", "error")  # unless asked for
LARGEST_FACTOR = 1000
SCALED = ("memory", "walltime", "element_walltime")
_OF_ONE_CLUSTER = ("resources", "throttle")
_OF_ONE_ATTEMPT = ("after", "after_ok", "request")


@dataclass(frozen=True)
class SubmitOptions:
    """None means the default, or as in the attempt before. Raises UsageError, ResourceError.

    ``resources`` as a user writes them, over the cluster's defaults; ``chunk`` the most jobs of
    an element, or ``auto``; ``throttle`` the most elements at once; ``isolate`` a process of its
    own for each job; ``job_timeout`` the time of one job, which isolates as well; ``retries`` how
    often a job that expired is submitted again, for the reasons ``retry_on``, with the resources
    times ``retry_scale``; ``after`` and ``after_ok`` ids of tasks that must have ended, or must
    be done; ``notify`` a command or URL that is told when the task resolves; ``request`` its
    client's own word for it, by which one that is repeated is known; ``env`` the variables that
    jobs get, over the cluster's.
    """

    cluster: str | None = None
    resources: Mapping[str, Any] = field(default_factory=dict)
    chunk: int | str | None = None
    throttle: int | None = None
    isolate: bool | None = None
    job_timeout: int | None = None
    retries: int | None = None
    retry_on: tuple[str, ...] | None = None
    retry_scale: Mapping[str, float] | None = None
    after: tuple[str, ...] = ()
    after_ok: tuple[str, ...] = ()
    notify: str | None = None
    request: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, **options: Any) -> SubmitOptions:
        """From options by name. Raises UsageError for an unknown one, too."""
        known = [each.name for each in fields(cls)]
        for name in options:
            if name not in known:
                raise UsageError(f"unknown option {name!r}{nearest(name, known)}")
        return cls(**options)

    def __post_init__(self) -> None:
        for name, read in _READERS.items():
            value = getattr(self, name)
            if value is None and read in (_ids, _variables):
                object.__setattr__(self, name, () if read is _ids else {})
            elif value is not None:
                object.__setattr__(self, name, read(name, value))

    def check_retries(self) -> None:
        """Raises UsageError for what is about retries where there are none."""
        if (self.retry_on or self.retry_scale) and not self.retries:
            name = "retry_on" if self.retry_on else "retry_scale"
            raise UsageError(f"{name} is about retries, and there are none: give retries as well")

    @property
    def isolates(self) -> bool:
        """Whether each job has a process of its own."""
        return bool(self.isolate) or self.job_timeout is not None

    def throttled(self, most: int | None) -> SubmitOptions:
        """The same with at most ``most`` elements at once; None: as they are."""
        if most is None:
            return self
        return replace(self, throttle=min(self.throttle or most, most))

    def over(self, last: SubmitOptions, same_cluster: bool) -> SubmitOptions:
        """As ``last``, where nothing else is asked. What belongs to a cluster stays with it, and
        what is about retries goes with them."""
        left = {*_OF_ONE_ATTEMPT}
        if not same_cluster:
            left |= {*_OF_ONE_CLUSTER, "cluster"}
        if not (last.retries if self.retries is None else self.retries):
            left |= {"retry_on", "retry_scale"}
        kept = {
            each.name: getattr(last, each.name)
            for each in fields(self)
            if getattr(self, each.name) in (None, {}) and each.name not in left
        }
        kept["env"] = {**last.env, **self.env}
        if same_cluster:
            kept["resources"] = {**last.resources, **self.resources}
        return replace(self, **kept)

    def to_json(self) -> dict[str, Any]:
        """All that is set but ``resources``, which an attempt keeps with their defaults."""
        given = {name: value for name, value in asdict(self).items() if name != "resources"}
        return {name: value for name, value in given.items() if value not in (None, (), {})}


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{name} {value!r} is no text")
    return value


def _resources(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ResourceError(f"{name} {value!r} is no table such as {{'walltime': '10m'}}")
    Resources.parse(value)
    return dict(value)


def _variables(name: str, value: Any) -> dict[str, str]:
    try:
        return read_variables(value)
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from None


def _chunk(name: str, value: Any) -> int | str:
    if value == AUTO:
        return AUTO
    if _is_count(value) and value > 0:
        return int(value)
    raise ResourceError(f"{name} {value!r} is neither 'auto' nor a whole number from 1 up")


def _throttle(name: str, value: Any) -> int:
    if not _is_count(value) or value < 1:
        raise ResourceError(f"{name} {value!r} is no whole number from 1 up")
    return int(value)


def _retries(name: str, value: Any) -> int:
    if not _is_count(value) or value < 0:
        raise UsageError(f"{name} {value!r} is no whole number from 0 up")
    return int(value)


def _is_count(value: Any) -> bool:
    """NumPy's count as well."""
    return hasattr(value, "__index__") and not isinstance(value, bool)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{name} {value!r} is neither True nor False")
    return value


def _job_timeout(name: str, value: Any) -> int:
    return parse_walltime(value, name)


def _reasons(name: str, value: Any) -> tuple[str, ...]:
    given = (value,) if isinstance(value, str) else value
    if not isinstance(given, Iterable):
        raise UsageError(f"{name} {value!r} is no list of reasons such as 'timeout'")
    reasons = list(given)
    for reason in reasons:
        if not isinstance(reason, str) or reason not in REASONS:
            raise UsageError(f"{name}: unknown reason {reason!r}{nearest(str(reason), REASONS)}")
    return tuple(reason for reason in REASONS if reason in reasons)


def _scale(name: str, value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise UsageError(f"{name} {value!r} is no table such as {{'memory': 2}}")
    for resource, factor in value.items():
        if resource not in SCALED:
            raise UsageError(f"{name}: {resource!r} does not grow{nearest(str(resource), SCALED)}")
        is_number = isinstance(factor, (int, float)) and not isinstance(factor, bool)
        if not is_number or not 1 <= factor <= LARGEST_FACTOR:
            raise UsageError(f"{name}: {resource} times {factor!r} is not 1 to {LARGEST_FACTOR}")
    return dict(value)


def _ids(name: str, value: Any) -> tuple[str, ...]:
    """Ids of tasks, or anything that has one; one of them or several."""
    one = isinstance(value, str) or hasattr(value, "id")
    given = (value,) if one else value
    if not isinstance(given, Iterable):
        raise UsageError(f"{name} {value!r} is neither a task nor a task's id")
    return tuple(_text(name, getattr(task, "id", task)) for task in given)


_READERS: dict[str, Any] = {
    "cluster": _text,
    "resources": _resources,
    "chunk": _chunk,
    "throttle": _throttle,
    "isolate": _flag,
    "job_timeout": _job_timeout,
    "retries": _retries,
    "retry_on": _reasons,
    "retry_scale": _scale,
    "after": _ids,
    "after_ok": _ids,
    "notify": _text,
    "request": _text,
    "env": _variables,
}
