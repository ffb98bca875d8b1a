"""/task: what can be done with tasks. Pickles pass through as bytes."""

from __future__ import annotations

from base64 import b64encode
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from ...disk.files import read
from ...registry.attempts import code_archives
from ...sites import queued, streams, wire
from ...use import collect, job_logs, service
from ...use.newest_failures import newest_failures
from ...words.look import Look
from ..access import Caller, Served

router = APIRouter(prefix="/task", tags=["task"])

RequestWord = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="of this request alone")]
JobList = Annotated[str | None, Field(max_length=1 << 22, description="such as 3,7-9")]


class TaskRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: str = Field(max_length=200)


class ListRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FindRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: str = Field(max_length=200)


class StatusRequest(TaskRequest):
    afresh: bool = False


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
    job: int = Field(ge=0)


class ElementLogRequest(TaskRequest):
    attempt: int = Field(ge=1)
    element: int = Field(ge=0)
    begin: int = Field(0, ge=0)


class NewestFailuresRequest(TaskRequest):
    limit: int = Field(ge=1, le=1000)


@router.post("/list")
def list_tasks(user: Caller, site: Served, asked: ListRequest) -> dict[str, Any]:
    """The tasks that the caller may see, oldest first."""
    return {"tasks": [spec.to_json() for spec in site.specs(user)]}


@router.post("/find")
def find(user: Caller, site: Served, asked: FindRequest) -> dict[str, Any]:
    """The id that a text means, among the tasks that the caller may see."""
    return {"id": site.find(user, asked.text)}


@router.post("/spec")
def spec_of(user: Caller, site: Served, asked: TaskRequest) -> dict[str, Any]:
    spec = site.spec(user, asked.id)
    return {"spec": spec.to_json(), "folder": site.registry.layout(spec.id).folder}


@router.post("/status")
def status(user: Caller, site: Served, asked: StatusRequest) -> dict[str, Any]:
    spec = site.spec(user, asked.id)
    look = Look.AFRESH if asked.afresh else Look.ON_AND_ON
    return {"status": site.tracking.status(spec.id, look).to_json()}


@router.post("/resolved_jobs")
def resolved_jobs(user: Caller, site: Served, asked: TaskRequest) -> dict[str, Any]:
    spec = site.spec(user, asked.id)
    return {"jobs": str(service.resolved_jobs(site.registry, spec.id))}


@router.post("/jobs")
def jobs(user: Caller, site: Served, asked: JobsRequest) -> dict[str, Any]:
    spec = site.spec(user, asked.id)
    found = queued.jobs(site.registry, spec.id, asked.states, wire.jobs_from(asked.jobs))
    return {"jobs": [wire.job_json(info) for info in found]}


@router.post("/logs")
def logs(user: Caller, site: Served, asked: LogsRequest) -> dict[str, Any]:
    """What a job printed."""
    spec = site.spec(user, asked.id)
    return {"log": job_logs.log(site.registry, spec.id, asked.job)}


@router.post("/element_log")
def element_log(user: Caller, site: Served, asked: ElementLogRequest) -> dict[str, Any]:
    """An element's log from the byte ``begin``, in base 64."""
    spec = site.spec(user, asked.id)
    added = job_logs.element_log(site.registry, spec.id, asked.attempt, asked.element, asked.begin)
    return {"bytes": b64encode(added).decode()}


@router.post("/errors")
def errors(user: Caller, site: Served, asked: TaskRequest) -> dict[str, Any]:
    spec = site.spec(user, asked.id)
    return {"errors": list(map(wire.failure_json, collect.errors(site.registry, spec.id)))}


@router.post("/newest_failures")
def newest(user: Caller, site: Served, asked: NewestFailuresRequest) -> dict[str, Any]:
    """Jobs in error or expired, the newest first; where more than 10,000 failed, the newest of
    those with the lowest numbers."""
    spec = site.spec(user, asked.id)
    found = newest_failures(site.registry, spec.id, asked.limit)
    return {"errors": list(map(wire.failure_json, found))}


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
    done = site.cancel(spec, wire.jobs_from(asked.jobs))
    return {"id": spec.id, "canceled": done.jobs, "objections": done.objections, "left": done.left}


@router.post("/download")
def download(user: Caller, site: Served, asked: SomeJobsRequest) -> Any:
    """Results, as records of bytes, in the order of the jobs; whoever was cut off asks for the
    jobs that are missing."""
    spec = site.spec(user, asked.id)
    found = queued.collect(site.registry, spec.id, wire.jobs_from(asked.jobs))
    blocks = streams.begun(streams.in_blocks(streams.results_stream(found)))
    return StreamingResponse(blocks, media_type="application/x-hpcbatch")


@router.post("/modules")
def modules(user: Caller, site: Served, asked: TaskRequest) -> dict[str, Any]:
    """Archives, in base 64, of the modules that the task's results may need."""
    spec = site.spec(user, asked.id)
    paths = code_archives(site.registry.layout(spec.id))
    return {"modules": [b64encode(read(path)).decode() for path in paths]}


@router.post("/remove")
def remove(user: Caller, site: Served, asked: TaskRequest) -> dict[str, Any]:
    spec = site.spec(user, asked.id)
    site.remove(spec)
    return {"removed": spec.id}
