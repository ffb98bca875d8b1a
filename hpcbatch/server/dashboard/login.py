"""How a browser comes in: a one-time code becomes a session."""

from __future__ import annotations

import os
import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from ...words.errors import AccessDenied
from ..access import Caller, Served, counting_failures, halves_of, session_cookie
from ..routes.validate import form, form_schema
from .codes import LIVES
from .pages import page
from .sessions import Halves

ENTER = "/dashboard/enter"  # the one route to which a page on a disk may post: its Origin is null

router = APIRouter(prefix="/dashboard", tags=["dashboard"])


class CodeName(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=100)


@router.post("/code")
def code(user: Caller, site: Served) -> dict[str, Any]:
    """A code that lets a browser in, once and soon; and by what to know this server there."""
    told, name = site.codes.issue(user.id, time.monotonic())
    fingerprint = site.identity.fingerprint if site.is_secured else ""
    return {"code": told, "name": name, "lives": LIVES, "fingerprint": fingerprint}


@router.post("/used")
def used(user: Caller, site: Served, asked: CodeName) -> dict[str, Any]:
    """Whether the code of that name was used."""
    return {"used": site.codes.is_used(asked.name, user.id)}


@router.post(
    "/enter", response_class=HTMLResponse, openapi_extra=form_schema(code={"type": "string"})
)
def enter(
    request: Request, site: Served, given: Annotated[dict[str, str], Depends(form)]
) -> Response:
    """The form that ``hpcbatch dashboard`` writes: its code becomes a session."""
    try:
        with counting_failures(request, site):
            user_id = site.codes.redeem(given.get("code", ""), time.monotonic())
            halves = site.sessions.begin(user_id, time.monotonic())
    except AccessDenied:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        return page("refused.html", 401)
    answer = page("enter.html", token=halves.token)
    _set_cookie(answer, site, halves)
    return answer


@router.get("/session")
def session(user: Caller, site: Served) -> dict[str, Any]:
    """Who it is, and what every page needs to know."""
    return {
        "user": user.name,
        "admin": user.admin,
        "host": os.uname().nodename,
    }


@router.post("/leave")
def leave(request: Request, user: Caller, site: Served) -> Response:
    """End the session."""
    if (halves := halves_of(request, site)) is not None:
        site.sessions.end(halves)
    answer = Response(status_code=204)
    answer.delete_cookie(**_cookie(site))
    return answer


def _set_cookie(answer: Response, site: Served, halves: Halves) -> None:
    answer.set_cookie(value=halves.cookie, **_cookie(site))


def _cookie(site: Served) -> dict[str, Any]:
    return {
        "key": session_cookie(site),
        "path": "/",
        "secure": site.is_secured,
        "httponly": True,
        "samesite": "strict",
    }
