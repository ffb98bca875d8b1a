"""The application: routes, what guards them, and errors as a person can act on them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response

from .. import __version__
from ..sites.wire import error_json
from ..words.errors import (
    AccessDenied,
    ConfigError,
    HpcbatchError,
    InputError,
    NotFound,
    RegistryBusy,
    RegistryError,
    RegistryUnwritable,
    SchedulerError,
    StateError,
    TooManyFailures,
    UsageError,
)
from .access import caller
from .dashboard import door, pages, views
from .dashboard.watched import make_feed
from .guard import Guard, own_names
from .hooks import load
from .metrics import Counting
from .routes import info, task, validate
from .site import ServedSite

# the first that fits; StateError: the task is in no state for that
STATUSES: tuple[tuple[type[HpcbatchError], int], ...] = (
    (NotFound, 404),
    (UsageError, 400),
    (TooManyFailures, 429),
    (AccessDenied, 401),
    (StateError, 409),
    (RegistryUnwritable, 507),
    (RegistryBusy, 503),
    (RegistryError, 500),
    (SchedulerError, 502),
    (HpcbatchError, 500),
)


def make_app(site: ServedSite) -> FastAPI:
    """Raises ConfigError for a module of the settings that cannot be loaded."""

    @contextlib.asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        site.releaser.start()
        yield

    app = FastAPI(title="hpcbatch", version=__version__, lifespan=life)
    app.state.site = site
    app.state.is_ending = lambda: False  # whoever serves knows better
    app.state.feed = make_feed(site, lambda: app.state.is_ending())
    own = task.router, validate.router, info.router, info.measured
    for router in (*own, door.router, views.router, pages.router):
        app.include_router(router)
    for path, name in site.settings.modules.items():
        app.include_router(_router(path, name), prefix=path, dependencies=[Depends(caller)])
    app.exception_handler(HpcbatchError)(_told)
    app.exception_handler(RequestValidationError)(_not_understood)
    app.add_middleware(Guard, names=own_names(site.settings), from_disk=(door.ENTER,))
    app.add_middleware(Counting, metrics=site.metrics)
    return app


def _router(path: str, name: str) -> APIRouter:
    found = load(f"modules: {path}", name)
    if not isinstance(found, APIRouter):
        raise ConfigError(f"modules: {path}: {name} is no APIRouter")
    return found


async def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, HpcbatchError)
    status = next(status for kind, status in STATUSES if isinstance(error, kind))
    headers = {}
    if isinstance(error, TooManyFailures):
        headers["Retry-After"] = str(int(error.retry_after) + 1)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(error_json(error), status, headers)


async def _not_understood(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    wrong = "; ".join(
        f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:5]
    )
    return JSONResponse(error_json(InputError(f"the request is not understood: {wrong}")), 422)
