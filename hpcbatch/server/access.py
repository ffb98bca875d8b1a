"""Who asks: found from the token of a request alone."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import Depends, Request

from ..words.errors import AccessDenied
from .site import ServedSite
from .users import User


def site_of(request: Request) -> ServedSite:
    site = request.app.state.site
    assert isinstance(site, ServedSite)
    return site


Site = Annotated[ServedSite, Depends(site_of)]


def caller(request: Request, site: Site) -> User:
    """Raises AccessDenied, TooManyFailures."""
    peer, now = peer_of(request), time.time()
    site.failures.check(peer, now)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    try:
        if scheme.lower() != "bearer" or not token:
            raise AccessDenied("a token is needed: see /validate/token")
        return site.tokens.user_of(token.strip(), now)
    except AccessDenied:
        if token:
            site.failures.note(peer, now)
        raise


def peer_of(request: Request) -> str:
    return request.client.host if request.client else ""


Caller = Annotated[User, Depends(caller)]
