"""What stands before all routes: a request that could be of somebody else's page, or is too large,
goes no further."""

from __future__ import annotations

import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .settings import LOOPBACK, Settings

LARGEST_BODY = 64 << 20  # bytes
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def own_names(settings: Settings) -> frozenset[str]:
    """The names by which a browser may come here: others are somebody else's page."""
    own = socket.gethostname()
    return frozenset((*LOOPBACK, settings.host.lower(), own.lower(), socket.getfqdn(own).lower()))


class Guard:
    """An ASGI application before another one. ``from_disk`` are the paths to which a page without
    an origin, such as a file, may post."""

    def __init__(self, app: ASGIApp, names: Collection[str], from_disk: Collection[str]):
        self._app, self._names, self._from_disk = app, names, from_disk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        headers = Headers(scope=scope)
        refusal = self._refusal(headers, scope) or _too_large(headers)
        await (refusal or self._app)(scope, receive, send_guarded)

    def _refusal(self, headers: Headers, scope: Scope) -> JSONResponse | None:
        names = {*self._names, *map(str, (scope.get("server") or ())[:1])}  # the address it came to
        origin = headers.get("origin", "")
        is_from_disk = origin == "null" and scope["path"] in self._from_disk
        is_own = not origin or is_from_disk or _host(origin) in names
        if is_own and _host(f"//{headers.get('host', '')}") in names:
            return None
        told = "this server is not reached by that name (Host, Origin)"
        return JSONResponse({"error": "AccessDenied", "message": told}, 403)


def _host(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _too_large(headers: Headers) -> JSONResponse | None:
    length = headers.get("content-length", "0")
    if not length.isdigit() or int(length) > LARGEST_BODY:
        told = f"a request has at most {LARGEST_BODY} bytes"
        return JSONResponse({"error": "InputError", "message": told}, 413)
    if "chunked" in headers.get("transfer-encoding", ""):
        return JSONResponse({"error": "InputError", "message": "tell the Content-Length"}, 411)
    return None
