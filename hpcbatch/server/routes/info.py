"""/info: what there is to see."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse, Response, StreamingResponse

from ...sites import queued, streams, wire
from ...words.errors import JobError
from ..access import Caller, Served
from ..metrics import TYPE
from ..plain_values import NotPlain, plain_value

router = APIRouter(prefix="/info", tags=["info"])
measured = APIRouter(tags=["info"])


@router.get("/health")
def health(site: Served) -> dict[str, Any]:
    """Whether the server does its work."""
    return {"healthy": site.releaser.is_alive()}


@router.get("/tasks")
def tasks(user: Caller, site: Served) -> dict[str, Any]:
    """Statuses of the tasks that the caller may see, oldest first."""
    specs = site.specs(user)
    return {"tasks": [site.tracking.status(spec.id).to_json() for spec in specs]}


@measured.get("/metrics", response_class=PlainTextResponse)
def metrics(user: Caller, site: Served) -> Response:
    """Counts of requests, tasks and jobs, as Prometheus reads them. Opened together with /info."""
    return Response(site.metrics.text(), media_type=TYPE)


@router.get("/results")
def results(
    user: Caller,
    site: Served,
    id: Annotated[str, Query(max_length=200)],
    jobs: Annotated[str | None, Query(max_length=1 << 16, description="such as 3,7-9")] = None,
) -> StreamingResponse:
    """Results as JSON, one line a job in their order: ``value`` where JSON has it (else
    ``not_plain`` says what it is: see /task/download), or ``error`` and ``message``."""
    spec = site.spec(user, id)
    found = queued.collect(site.registry, spec.id, wire.jobs_from(jobs))
    name = f'attachment; filename="{spec.id}.jsonl"'
    lines = (_line(job, value).encode() for job, value in found)
    return StreamingResponse(
        streams.begun(streams.in_blocks(lines)),
        media_type="application/x-ndjson",
        headers={"Content-Disposition": name},
    )


def _line(job: int, value: bytes | JobError) -> str:
    if isinstance(value, JobError):
        told: dict[str, Any] = {"error": value.type or value.state, "message": value.message}
    else:
        try:
            told = {"value": plain_value(value)}
        except NotPlain as error:
            told = {"not_plain": str(error)}
    return json.dumps({"job": job, **told}) + "\n"


@router.get("/clusters")
async def clusters(user: Caller, site: Served) -> dict[str, Any]:
    """The clusters of this site, whether their programs are here, and what their schedulers tell;
    a minute old, or older where they do not answer."""
    return wire.overview_json(await site.clusters.overview())
