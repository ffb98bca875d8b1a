"""/validate: who is there, and may they come in."""

from __future__ import annotations

import os
import signal
import time
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict

from ...sites.keys import GRANT
from ...words.errors import InputError, NotAllowed
from ...words.version import VERSION
from ..access import Caller, Served, counting_failures

router = APIRouter(prefix="/validate", tags=["validate"])


LONGEST_FORM = 16384  # bytes


def form_schema(**fields: Any) -> dict[str, Any]:
    """What the OpenAPI document tells of a form with such fields, all of which are required."""
    schema = {"type": "object", "required": list(fields), "properties": fields}
    content = {"application/x-www-form-urlencoded": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


async def form(request: Request) -> dict[str, str]:
    """The fields of a form, as RFC 6749 wants them. Raises InputError."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_FORM:
            raise InputError(f"a form has at most {LONGEST_FORM} bytes")
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=20)
    except ValueError as error:
        raise InputError(f"that is no form: {error}") from error
    return {name: values[0] for name, values in fields.items()}


FORM = form_schema(grant_type={"type": "string", "const": GRANT}, assertion={"type": "string"})


@router.post("/token", openapi_extra=FORM)
def token(
    request: Request, site: Served, given: Annotated[dict[str, str], Depends(form)]
) -> dict[str, Any]:
    """A token for a signed assertion (RFC 7523), to be sent as ``Authorization: Bearer``."""
    if given.get("grant_type") != GRANT:
        raise InputError(f"grant_type is to be {GRANT}")
    with counting_failures(request, site):
        told, lives = site.tokens.exchange(given.get("assertion", ""), time.time())
    return {"access_token": told, "token_type": "Bearer", "expires_in": lives}


@router.post("/ping")
def ping(site: Served) -> dict[str, Any]:
    """Whether a server is there, and which."""
    return {"server": site.identity.id, "version": VERSION, **site.hooks.validation()}


class Shutdown(BaseModel):
    model_config = ConfigDict(extra="forbid")
    keep_running: bool = False


@router.post("/shutdown")
def shutdown(user: Caller, site: Served, asked: Shutdown | None = None) -> dict[str, Any]:
    """End the server; for admins. What it had released and is unfinished is canceled, unless that
    is to be kept running, as it is by a signal."""
    if not user.admin:
        raise NotAllowed("only admins end the server")
    site.cancels_at_end = asked is None or not asked.keep_running
    os.kill(os.getpid(), signal.SIGTERM)
    return {"ends": site.identity.id}
