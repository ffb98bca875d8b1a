"""/task: what can be done with tasks. Pickles pass through as bytes."""

from __future__ import annotations

from base64 import b64encode
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from ...disk.files import read
from ...sites import streams, wire
from ...sites.here import Here
from ...sites.uploads import Upload
from ...use import outcomes, service
from ...use.newest_failures import newest_failures
from ...use.requirements import compared
from ...words.errors import InputError
from ...words.look import Look
from ...words.ranges import chosen
from ..access import Caller, Served

LARGEST_PART = 16 << 20  # bytes

router = APIRouter(prefix="/task", tags=["task"])

RequestWord = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="of this request alone")]
JobList = Annotated[str | None, Field(max_length=1 << 22, description="such as 3,7-9")]


class TaskRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: str = Field(max_length=200)


class NewRequest(TaskRequest):
    size: int = Field(gt=0)
    digest: str
    requirements: dict[str, dict[str, str]] = Field({}, max_length=1000)


class ListRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: str | None = None
    find: str | None = None


class StatusRequest(TaskRequest):
    afresh: bool = False
    resolved: bool = False


class SomeJobsRequest(TaskRequest):
    jobs: JobList = None


class JobsRequest(SomeJobsRequest):
    states: list[str] | None = None


class SubmitRequest(TaskRequest):
    request: RequestWord
    options: dict[str, Any] = {}


class PreviewRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")
    spec: dict[str, Any]
    options: dict[str, Any] = {}


class ResubmitRequest(SubmitRequest):
    states: list[str] | None = None
    jobs: JobList = None
    mended: dict[str, Any] | None = None
    revoke: bool = False


class LogsRequest(TaskRequest):
    job: int | None = Field(None, ge=0)
    attempt: int | None = Field(None, ge=1)
    element: int | None = Field(None, ge=0)
    begin: int = Field(0, ge=0)


class ErrorsRequest(TaskRequest):
    newest: int | None = Field(None, ge=1, le=1000)


class DownloadRequest(SomeJobsRequest):
    modules: bool = False


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


@router.post("/list")
def list_tasks(user: Caller, site: Served, asked: ListRequest) -> dict[str, Any]:
    """The tasks that the caller may see, oldest first; or one of them."""
    if asked.find is not None:
        return {"id": site.find(user, asked.find)}
    if asked.id is not None:
        spec = site.spec(user, asked.id)
        return {"spec": spec.to_json(), "folder": site.registry.layout(spec.id).folder}
    return {"tasks": [spec.to_json() for spec in site.specs(user)]}


@router.post("/status")
def status(user: Caller, site: Served, asked: StatusRequest) -> dict[str, Any]:
    spec = site.spec(user, asked.id)
    if asked.resolved:
        return {"resolved": str(service.resolved_jobs(site.registry, spec.id))}
    look = Look.AFRESH if asked.afresh else Look.ON_AND_ON
    return {"status": site.tracking.status(spec.id, look).to_json()}


@router.post("/jobs")
def jobs(user: Caller, site: Served, asked: JobsRequest) -> dict[str, Any]:
    spec = site.spec(user, asked.id)
    found = outcomes.jobs(site.registry, spec.id, asked.states, chosen(asked.jobs))
    return {"jobs": [wire.job_json(info) for info in found]}


@router.post("/logs")
def logs(user: Caller, site: Served, asked: LogsRequest) -> dict[str, Any]:
    """What a job printed; or an element's log from the byte ``begin``, in base 64."""
    spec = site.spec(user, asked.id)
    if asked.job is not None:
        return {"log": outcomes.log(site.registry, spec.id, asked.job)}
    if asked.attempt is None or asked.element is None:
        raise InputError("a log is that of a job, or of an attempt's element")
    added = outcomes.element_log(site.registry, spec.id, asked.attempt, asked.element, asked.begin)
    return {"bytes": b64encode(added).decode()}


@router.post("/errors")
def errors(user: Caller, site: Served, asked: ErrorsRequest) -> dict[str, Any]:
    spec = site.spec(user, asked.id)
    if asked.newest is not None:
        found = newest_failures(site.registry, spec.id, asked.newest)
    else:
        found = outcomes.errors(site.registry, spec.id)
    return {"errors": [wire.failure_json(failure) for failure in found]}


@router.post("/preview")
def preview(user: Caller, site: Served, asked: PreviewRequest) -> dict[str, Any]:
    """The script that a submission of such a task would be. Nothing is stored."""
    return site.preview(user, wire.spec_from(asked.spec), asked.options)._asdict()


@router.post("/submit")
def submit(user: Caller, site: Served, asked: SubmitRequest) -> dict[str, Any]:
    """Put a task into the queue, from which it is released onto its cluster."""
    spec = site.spec(user, asked.id)
    site.submit(user, spec, asked.request, asked.options)
    return {"id": spec.id, "queued": True}


@router.post("/resubmit")
def resubmit(user: Caller, site: Served, asked: ResubmitRequest) -> dict[str, Any]:
    """Put into the queue what has no result."""
    spec = site.spec(user, asked.id)
    site.resubmit(user, spec, asked.request, asked.model_dump(exclude={"id", "request"}))
    return {"id": spec.id, "queued": True}


@router.post("/cancel")
def cancel(user: Caller, site: Served, asked: SomeJobsRequest) -> dict[str, Any]:
    spec = site.spec(user, asked.id)
    done = site.cancel(spec, chosen(asked.jobs))
    return {"id": spec.id, "canceled": done.jobs, "objections": done.objections, "left": done.left}


@router.post("/download")
def download(user: Caller, site: Served, asked: DownloadRequest) -> Any:
    """Results, as records of bytes, in the order of the jobs; whoever was cut off asks for the
    jobs that are missing. Or the modules that they may need."""
    spec = site.spec(user, asked.id)
    if asked.modules:
        paths = Here(site.registry.root).modules(spec.id)
        return {"modules": [b64encode(read(path)).decode() for path in paths]}
    found = outcomes.collect(site.registry, spec.id, chosen(asked.jobs))
    blocks = streams.begun(streams.in_blocks(streams.results_stream(found)))
    return StreamingResponse(blocks, media_type="application/x-hpcbatch")


@router.post("/remove")
def remove(user: Caller, site: Served, asked: TaskRequest) -> dict[str, Any]:
    spec = site.spec(user, asked.id)
    site.remove(spec)
    return {"removed": spec.id}
