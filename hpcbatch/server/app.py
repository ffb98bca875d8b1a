"""The application: routes, what guards them, and errors as a person can act on them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from ..sites.wire import error_json
from ..words.errors import (
    ConfigError,
    HpcbatchError,
    InputError,
)
from ..words.version import VERSION
from .access import caller
from .dashboard import login, pages, views
from .dashboard.site_feed import make_feed
from .guard import Guard, own_names
from .hooks import load
from .metrics import Counting
from .refusals import told_error
from .routes import info, task, upload, validate
from .site import ServedSite


class Ascii(JSONResponse):
    """Paths of a file system may hold what is no text."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def make_app(site: ServedSite) -> FastAPI:
    """Raises ConfigError for a module of the settings that cannot be loaded."""

    @contextlib.asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        site.releaser.start()
        yield

    app = FastAPI(
        title="hpcbatch",
        version=VERSION,
        lifespan=life,
        default_response_class=Ascii,
        docs_url=None,  # what FastAPI offers comes from elsewhere
        redoc_url=None,
    )
    app.state.site = site
    app.state.is_ending = lambda: False  # whoever serves knows better
    app.state.knows = lambda peer, user: None  # likewise
    app.state.feed = make_feed(site, lambda: app.state.is_ending())
    own = upload.router, task.router, validate.router, info.router, info.measured
    for router in (*own, login.router, views.router, pages.router):
        app.include_router(router)
    for path, name in site.settings.modules.items():
        app.include_router(_router(path, name), prefix=path, dependencies=[Depends(caller)])
    app.exception_handler(HpcbatchError)(_answer_to)
    app.exception_handler(RequestValidationError)(_not_understood)
    app.exception_handler(HTTPException)(_not_found)
    app.add_middleware(
        Guard,
        names=own_names(site.settings),
        from_disk=(login.ENTER,),
        check=lambda request: caller(request, site),
        headers=pages.EVERYWHERE,
    )
    app.add_middleware(Counting, metrics=site.metrics)
    return app


def _router(path: str, name: str) -> APIRouter:
    found = load(f"modules: {path}", name)
    if not isinstance(found, APIRouter):
        raise ConfigError(f"modules: {path}: {name} is no APIRouter")
    return found


async def _answer_to(request: Request, error: Exception) -> Response:
    assert isinstance(error, HpcbatchError)
    return told_error(error)


async def _not_found(request: Request, error: Exception) -> Response:
    """A route that is not there, or a body that is no JSON."""
    assert isinstance(error, HTTPException)
    told = HpcbatchError(f"{request.method} {request.url.path}: {error.detail}")
    return JSONResponse(error_json(told), error.status_code, error.headers)


async def _not_understood(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    wrong = "; ".join(
        f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:5]
    )
    told = f"the request is not understood: {wrong} (this server is hpcbatch {VERSION})"
    return JSONResponse(error_json(InputError(told)), 422)
