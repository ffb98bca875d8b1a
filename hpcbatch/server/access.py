"""Who asks: found from the token of a request alone."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request

from ..words.errors import AccessDenied
from .dashboard.sessions import HEADER, Halves
from .site import NEEDED, ServedSite
from .users import ANONYMOUS, User


def site_of(request: Request) -> ServedSite:
    site = request.app.state.site
    assert isinstance(site, ServedSite)
    return site


Served = Annotated[ServedSite, Depends(site_of)]


@contextlib.contextmanager
def counting_failures(request: Request, site: ServedSite) -> Iterator[None]:
    """Of one peer. What is right is let in however often others have failed: on a login node all
    come from the same address. Raises TooManyFailures in place of AccessDenied."""
    try:
        yield
    except AccessDenied:
        peer, now = request.client.host if request.client else "", time.time()
        site.failures.check(peer, now)
        site.failures.note(peer, now)
        raise


def session_cookie(site: ServedSite) -> str:
    """Its name: each server of a host has one. With the prefix browsers take it from this host
    alone, and over TLS."""
    prefix = "__Host-" if site.is_secured else ""
    return f"{prefix}hpcbatch-{site.identity.id[:8]}"


def halves_of(request: Request, site: ServedSite) -> Halves | None:
    """What a browser shows; None where that is no session."""
    cookie = request.cookies.get(session_cookie(site))
    return Halves(cookie, request.headers.get(HEADER, "")) if cookie else None


def caller(request: Request, site: Served) -> User:
    """From a token, or from the session of a browser. Raises AccessDenied, TooManyFailures."""
    user = _user_of(request, site)
    if request.client is not None and user is not ANONYMOUS:
        request.app.state.knows((request.client.host, request.client.port), user.id)
    return user


def _user_of(request: Request, site: ServedSite) -> User:
    shown = request.headers.get("authorization", "")
    halves = None if shown else halves_of(request, site)
    if not shown and halves is None:
        return site.without_token(_module(request))
    scheme, _, token = shown.partition(" ")
    with counting_failures(request, site):
        if halves is not None:
            return site.sessions.user_of(halves, time.monotonic())
        if scheme.lower() != "bearer":
            raise AccessDenied(NEEDED)
        return site.tokens.user_of(token.strip(), time.time())


def _module(request: Request) -> str:
    first = request.url.path.split("/")[1]
    return "info" if first == "metrics" else first


Caller = Annotated[User, Depends(caller)]
