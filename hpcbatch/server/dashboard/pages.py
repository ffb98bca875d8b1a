"""The page and what it is made of: files that hold no secret, open to all. What they show, they
ask for."""

from __future__ import annotations

import os
from functools import cache

from fastapi import APIRouter
from fastapi.responses import Response

from ...disk.files import read
from ...words.errors import NotFound
from ...words.status import COLOURS

FOLDER = f"{os.path.dirname(os.path.abspath(__file__))}/assets"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
EVERYWHERE = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
HEADERS = {
    **EVERYWHERE,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
STATES = "states.css"  # made here: the colours are those of every other view

router = APIRouter(include_in_schema=False)


@router.get("/")
def index() -> Response:
    return page("index.html")


@router.get("/docs")
def docs() -> Response:
    """The routes, from /openapi.json."""
    return page("docs.html")


@router.get("/assets/{name}")
def asset(name: str) -> Response:
    """Raises NotFound."""
    if name == STATES:
        return Response(_states(), headers=HEADERS, media_type=TYPES[".css"])
    return page(name)


def page(name: str, status: int = 200, **filled_in: str) -> Response:
    """An asset, with words such as ``{token}`` filled in. Raises NotFound."""
    if name not in _names():
        raise NotFound(f"there is no {name!r}")
    content = read(f"{FOLDER}/{name}")
    for word, value in filled_in.items():
        content = content.replace(f"{{{word}}}".encode(), value.encode())
    kind = TYPES[os.path.splitext(name)[1]]
    return Response(content, status, HEADERS, media_type=kind)


@cache
def _names() -> frozenset[str]:
    return frozenset(os.listdir(FOLDER))


def _states() -> str:
    colours = "".join(f"--{state}:{colour};" for state, colour in COLOURS.items())
    return f":root{{{colours}}}\n"
