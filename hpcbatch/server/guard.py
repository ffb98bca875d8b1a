"""What stands before all routes: a request that could be of somebody else's page, is too large, too
slow, or a stranger's large one, goes no further."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Collection, Mapping
from urllib.parse import urlsplit

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..sites.wire import error_json
from ..words.errors import HpcbatchError, InputError, NotAllowed
from .refusals import told_error
from .settings import LOOPBACK, ServerSettings

SMALL = 64 << 10  # bytes that anybody may send
LARGEST_BODY = 64 << 20
USUAL = 8 << 20  # for what is no function and no part of a task
OF_OUR_OWN = ("/task/", "/validate/", "/info/", "/view/", "/dashboard/")
LARGE_ONES = ("/task/upload", "/task/resubmit")
PATIENCE, SLOWEST = 30.0, 10_000  # seconds for a body, and one more for so many bytes
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def own_names(settings: ServerSettings) -> frozenset[str]:
    """The names by which a browser may come here: others are somebody else's page."""
    host = socket.gethostname()
    own = (*LOOPBACK, host, socket.getfqdn(host), settings.host, *settings.names)
    return frozenset(name.lower() for name in own)


class Guard:
    """An ASGI application before another one. ``from_disk`` are the paths to which a page without
    an origin, such as a file, may post; ``check`` raises for whom nobody knows; ``headers`` are
    those of every answer that has none of its own."""

    def __init__(
        self,
        app: ASGIApp,
        names: Collection[str],
        from_disk: Collection[str],
        check: Callable[[Request], object],
        headers: Mapping[str, str],
    ):
        self._app, self._names, self._from_disk = app, names, from_disk
        self._check, self._headers = check, {**headers, **HEADERS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = await self._refusal(scope)
        if refusal is not None and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif refusal is not None:
            await refusal(scope, receive, send_guarded)
        else:
            with contextlib.suppress(ClientDisconnect):  # in the middle of what it sends
                await self._app(scope, _in_time(scope, receive), send_guarded)

    async def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if not self._is_own(headers, scope):
            return told_error(NotAllowed("this server is not reached by that name (Host, Origin)"))
        if "chunked" in headers.get("transfer-encoding", ""):
            return JSONResponse(error_json(InputError("tell the Content-Length")), 411)
        length, most = headers.get("content-length", "0"), _most(scope["path"])
        if not length.isdigit() or int(length) > most:
            return JSONResponse(error_json(InputError(f"a request has at most {most} bytes")), 413)
        if int(length) > SMALL:
            try:
                await run_in_threadpool(self._check, Request(scope))
            except HpcbatchError as error:
                return told_error(error)
        return None

    def _is_own(self, headers: Headers, scope: Scope) -> bool:
        names = {*self._names, *map(str, (scope.get("server") or ())[:1])}  # the address it came to
        host, origin = headers.get("host", ""), headers.get("origin", "")
        is_from_disk = origin == "null" and scope["path"] in self._from_disk
        is_same = not origin or is_from_disk or origin.partition("://")[2] == host
        return is_same and _name(host) in names


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _most(path: str) -> int:
    is_usual = path.startswith(OF_OUR_OWN) and path not in LARGE_ONES
    return USUAL if is_usual else LARGEST_BODY


def _in_time(scope: Scope, receive: Receive) -> Receive:
    """Until all of the body is there; what comes behind it may take its time."""
    length = int(Headers(scope=scope).get("content-length", "0"))
    give_up = asyncio.get_running_loop().time() + PATIENCE + length / SLOWEST
    is_whole = length == 0

    async def receive_in_time() -> Message:
        nonlocal is_whole
        if is_whole:
            return await receive()
        left = give_up - asyncio.get_running_loop().time()
        try:
            message = await asyncio.wait_for(receive(), max(left, 0.0))
        except asyncio.TimeoutError:
            return {"type": "http.disconnect"}
        is_whole = not message.get("more_body", False)
        return message

    return receive_in_time
