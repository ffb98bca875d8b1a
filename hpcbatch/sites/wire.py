"""What travels between a site elsewhere and its clients, as JSON, and back."""

from __future__ import annotations

import builtins
import errno
import json
import os
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from warnings import WarningMessage

from ..words import errors
from ..words.errors import (
    HpcbatchError,
    InputError,
    JobError,
    RegistryError,
    RegistryUnwritable,
)
from ..words.layout import is_task_id
from ..words.model import Array, Attempt, TaskSpec
from ..words.options import SubmitOptions
from ..words.plan import Plan
from ..words.ranges import Ranges
from ..words.status import JobInfo
from ..words.text import plain

if TYPE_CHECKING:  # which load all that submits
    from ..cluster.overview import Overview
    from ..use.create import Mended
    from ..use.resubmit import Resubmission

MOST_UNSTORED_JOBS = 10**7  # of a task that is not stored: nobody has sent its inputs


def job_json(info: JobInfo) -> dict[str, Any]:
    return {**vars(info), "elapsed": info.elapsed}


def job_from(told: Mapping[str, Any]) -> JobInfo:
    return JobInfo(**{name: told[name] for name in JobInfo.__dataclass_fields__ if name in told})


def attempt_json(attempt: Attempt) -> dict[str, Any]:
    """Of one that was just made: what is to happen to it is still to come."""
    return {
        **{name: getattr(attempt, name) for name in _PLAIN},
        "plan": attempt.plan.to_json(),
        "held_back": attempt.held_back.to_json(),
        "arrays": [asdict(array) for array in attempt.arrays],
        "options": options_json(attempt.options),
    }


def attempt_from(told: Mapping[str, Any]) -> Attempt:
    return Attempt(
        **{name: told[name] for name in _PLAIN},
        plan=Plan.from_json(told["plan"]),
        held_back=Plan.from_json(told["held_back"]),
        arrays=tuple(Array(**array) for array in told["arrays"]),
        options=options_from(told["options"]),
    )


_PLAIN = (
    "number",
    "cluster",
    "scheduler",
    "host",
    "created",
    "resources",
    "logs",
    "given_up",
    "part_of",
    "retry",
    "function",
)


def failure_json(failure: JobError) -> dict[str, Any]:
    return {
        "index": failure.index,
        "state": failure.state,
        "type": failure.type,
        "message": failure.message,
        "traceback": failure.traceback,
    }


def failure_from(told: Mapping[str, Any]) -> JobError:
    words = (str(told[name]) for name in ("state", "type", "message", "traceback"))
    return JobError(int(told["index"]), *words)


def options_json(options: SubmitOptions) -> dict[str, Any]:
    return {**options.to_json(), "resources": dict(options.resources)}


def options_from(told: Mapping[str, Any]) -> SubmitOptions:
    """Raises UsageError, ResourceError."""
    return SubmitOptions.read(**told)


def resubmission_json(asked: Resubmission) -> dict[str, Any]:
    return {
        "options": options_json(asked.options),
        "states": None if asked.states is None else list(asked.states),
        "jobs": ranges_text(asked.only),
        "mended": None if asked.mended is None else mended_json(asked.mended),
        "revoke": asked.revoke,
    }


def resubmission_from(told: Mapping[str, Any]) -> Resubmission:
    """Raises UsageError, ResourceError; ValueError for a function that is no base 64."""
    from ..use.resubmit import Resubmission

    return Resubmission(
        options_from(told["options"]),
        told["states"],
        jobs_from(told["jobs"]),
        None if told["mended"] is None else mended_from(told["mended"]),
        told["revoke"],
    )


def overview_json(found: Overview) -> dict[str, Any]:
    return {"clusters": [asdict(info) for info in found.clusters], "notes": list(found.notes)}


def overview_from(told: Mapping[str, Any]) -> Overview:
    from ..cluster.overview import ClusterInfo, Overview
    from ..cluster.schedulers.answers import Queue, Survey

    def info(fields: dict[str, Any]) -> ClusterInfo:
        survey = fields["survey"]
        if survey is not None:
            queues = tuple(Queue(**queue) for queue in survey["queues"])
            survey = Survey(**{**survey, "queues": queues})
        return ClusterInfo(**{**fields, "programs": tuple(fields["programs"]), "survey": survey})

    return Overview(tuple(map(info, told["clusters"])), tuple(told["notes"]))


def spec_from(told: Mapping[str, Any]) -> TaskSpec:
    """One that is not stored yet, and may come from anybody. Raises InputError."""
    try:
        spec = TaskSpec.from_json(dict(told))
        json.dumps(spec.to_json(), ensure_ascii=False).encode()  # ValueError: what is no text
    except (ValueError, TypeError, KeyError, RegistryError) as error:
        raise InputError(f"that is no task: {error}") from error
    if not is_task_id(spec.id) or not 0 < spec.njobs <= MOST_UNSTORED_JOBS:
        raise InputError("that is no task: of its id, or its number of jobs, there is none")
    return spec


def new_request() -> str:
    """The id of one request: repeated because no answer came, it is done once."""
    return os.urandom(16).hex()


def ranges_text(jobs: Ranges | None) -> str | None:
    return None if jobs is None else str(jobs)


def ranges_from(text: str) -> Ranges:
    """The reverse: of no jobs the text is empty. Raises UsageError."""
    return Ranges.parse(text) if text else Ranges()


def jobs_from(text: str | None) -> Ranges | None:
    """Those that a request is about; None, which is all of them, where nothing is said. Raises
    UsageError."""
    return None if text is None else ranges_from(text)


def mended_json(mended: Mended) -> dict[str, Any]:
    code = None if mended.code is None else b64encode(mended.code).decode()
    return {"function": b64encode(mended.function).decode(), "code": code}


def mended_from(told: Mapping[str, Any]) -> Mended:
    """Raises ValueError for what is no base 64."""
    from ..use.create import Mended

    code = None if told["code"] is None else b64decode(told["code"], validate=True)
    return Mended(b64decode(told["function"], validate=True), code)


def error_json(error: HpcbatchError) -> dict[str, str]:
    """What a client gets instead of an answer."""
    return {"error": type(error).__name__, "message": str(error)}


def error_from(told: Mapping[str, Any]) -> HpcbatchError:
    """The same error here. One of a kind that is not known is a HpcbatchError."""
    message = str(told.get("message", ""))
    kind = getattr(errors, str(told.get("error")), HpcbatchError)
    if kind is RegistryUnwritable:
        return RegistryUnwritable(errno.EIO, message)
    is_plain = isinstance(kind, type) and issubclass(kind, HpcbatchError)
    return kind(message) if is_plain and kind not in _WITH_FIELDS else HpcbatchError(message)


_WITH_FIELDS = (errors.JobError, errors.TaskFailed, errors.RemoteError, errors.WorkerLost)


def warning_json(warned: WarningMessage) -> dict[str, str]:
    """With the nearest of its kinds that the other end knows."""
    known = (kind for kind in warned.category.__mro__ if _is_known(kind))
    return {"warning": next(known).__name__, "message": str(warned.message)}


def _is_known(kind: type) -> bool:
    return kind in (getattr(errors, kind.__name__, None), getattr(builtins, kind.__name__, None))


def warning_from(told: Mapping[str, Any]) -> Warning:
    """The same warning here. One of a kind that is not known is a RuntimeWarning."""
    name, message = str(told.get("warning")), plain(str(told.get("message", "")))
    kind = getattr(errors, name, getattr(builtins, name, RuntimeWarning))
    is_known = isinstance(kind, type) and issubclass(kind, Warning)
    return kind(message) if is_known else RuntimeWarning(message)
