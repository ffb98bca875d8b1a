"""/task/new and /task/upload: a task comes in parts. Pickles pass through as bytes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field

from ...sites.uploads import Upload
from ...use.requirements import compared
from ...words.errors import InputError
from ..access import Caller, Served
from .task import TaskRequest

LARGEST_PART = 16 << 20  # bytes

router = APIRouter(prefix="/task", tags=["task"])


class NewRequest(TaskRequest):
    size: int = Field(gt=0)
    digest: str
    requirements: dict[str, dict[str, str]] = Field({}, max_length=1000)


@router.post("/new")
def new(user: Caller, site: Served, asked: NewRequest) -> dict[str, Any]:
    """Begin an upload, or go on with it: ``offset`` bytes are here. ``environment`` tells which of
    the ``requirements`` (name that is imported, its distributions, their versions) are absent, or
    of another version."""
    told = Upload(asked.id, user.id, asked.size, asked.digest)
    environment = compared(asked.requirements)
    return {"id": asked.id, "offset": site.uploads.begin(told), "environment": environment}


@router.put("/upload")
async def upload(
    request: Request,
    user: Caller,
    site: Served,
    id: Annotated[str, Query()],
    offset: Annotated[int, Query(ge=0)],
) -> dict[str, Any]:
    """A part of an upload, from the byte ``offset``. The last one makes the task."""
    from starlette.concurrency import run_in_threadpool

    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > LARGEST_PART:
            raise InputError(f"a part has at most {LARGEST_PART} bytes")
    here = await run_in_threadpool(site.uploads.add, id, user.id, offset, bytes(content))
    return {"id": id, "offset": here}
