"""Errors as answers: a status, and a reason that a person can act on."""

from __future__ import annotations

from fastapi.responses import JSONResponse

from ..sites.wire import error_json
from ..words.errors import (
    AccessDenied,
    HpcbatchError,
    NotAllowed,
    NotFound,
    RegistryBusy,
    RegistryError,
    RegistryUnwritable,
    SchedulerError,
    StateError,
    TooManyFailures,
    UsageError,
)

# the first that fits; StateError: the task is in no state for that
STATUSES: tuple[tuple[type[HpcbatchError], int], ...] = (
    (NotFound, 404),
    (UsageError, 400),
    (TooManyFailures, 429),
    (NotAllowed, 403),
    (AccessDenied, 401),
    (StateError, 409),
    (RegistryUnwritable, 507),
    (RegistryBusy, 503),
    (RegistryError, 500),
    (SchedulerError, 502),
    (HpcbatchError, 500),
)


def told_error(error: HpcbatchError) -> JSONResponse:
    status = next(status for kind, status in STATUSES if isinstance(error, kind))
    headers = {}
    if isinstance(error, TooManyFailures):
        headers["Retry-After"] = str(int(error.retry_after) + 1)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(error_json(error), status, headers)
