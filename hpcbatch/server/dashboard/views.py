"""What the pages show of a task beside its status."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from ...sites.queued import waits_whole
from ...use import collect, job_infos, job_logs
from ...use.groups import grouped
from ...use.job_statistics import figures
from ...use.state_runs import LETTERS, state_runs
from ...words.errors import JobError
from ...words.model import STATES, TaskSpec
from ...words.ranges import Ranges
from ..access import Caller, Served, caller
from ..routes.task import TaskRequest
from ..site import ServedSite
from . import page_data
from .feed import Feed

LOG_SHOWN = 256 << 10  # bytes of a log in one answer
LARGEST = 10**9  # number of an attempt or element; it becomes a part of a file's name
COMPARED = 20_000  # failures that are grouped; a look at more would take long

router = APIRouter(tags=["dashboard"])


class Failed(TaskRequest):
    job: int | None = Field(None, ge=0)


class Script(TaskRequest):
    attempt: int = Field(ge=1, le=LARGEST)
    array: int = Field(0, ge=0, le=LARGEST)


class Log(TaskRequest):
    attempt: int = Field(ge=1, le=LARGEST)
    element: int = Field(ge=0, le=LARGEST)
    begin: int = Field(0, ge=-(1 << 50), le=1 << 50)


@router.get("/events", responses={200: {"content": {"text/event-stream": {}}}})
async def events(
    request: Request, user: Caller, site: Served, since: str = ""
) -> StreamingResponse:
    """Server-sent events: the statuses of all tasks that the caller may see, then those that
    change."""
    feed = request.app.state.feed
    assert isinstance(feed, Feed)

    async def check() -> None:
        await run_in_threadpool(caller, request, site)

    return StreamingResponse(feed.stream(user, since, check), media_type="text/event-stream")


@router.post("/view/grid")
def view_grid(user: Caller, site: Served, asked: TaskRequest) -> dict[str, Any]:
    """The state of each job, in runs: ``e10fe3`` are ten jobs done, one in error, three done."""
    spec = site.spec(user, asked.id)
    runs = _fresh(site, "grid", spec, lambda: state_runs(site.registry, spec.id))
    if waits_whole(site.registry, spec.id):
        runs = f"{LETTERS[STATES.index('submitted')]}{spec.njobs}"
    return {"jobs": spec.njobs, "runs": runs, "letters": dict(zip(LETTERS, STATES, strict=True))}


@router.post("/view/figures")
def view_figures(user: Caller, site: Served, asked: TaskRequest) -> Any:
    """When elements ran, how many jobs ran at once, and histograms of time and memory."""
    spec = site.spec(user, asked.id)

    def work_out() -> dict[str, Any]:
        return page_data.figures_json(figures(site.registry, spec.id))

    return _fresh(site, "figures", spec, work_out)


@router.post("/view/failures")
def view_failures(user: Caller, site: Served, asked: Failed) -> Any:
    """Failed jobs by their message, the most frequent first; or one of them."""
    spec = site.spec(user, asked.id)
    if asked.job is not None:
        only = collect.collect(site.registry, spec.id, Ranges([(asked.job, asked.job + 1)]))
        return page_data.groups_json(
            grouped(one for _, one in only if isinstance(one, JobError)), 1
        )

    def work_out() -> dict[str, Any]:
        found = collect.failures(site.registry, spec.id, COMPARED)
        return page_data.groups_json(grouped(found), COMPARED)

    return _fresh(site, "failures", spec, work_out)


@router.post("/view/attempts")
def view_attempts(user: Caller, site: Served, asked: TaskRequest) -> dict[str, Any]:
    spec = site.spec(user, asked.id)
    found = job_infos.attempts(site.registry, spec.id)
    return {"attempts": [page_data.attempt_row(attempt) for attempt in found]}


@router.post("/view/script")
def view_script(user: Caller, site: Served, asked: Script) -> dict[str, Any]:
    """What was submitted as an array of an attempt."""
    spec = site.spec(user, asked.id)
    return {"script": job_infos.script(site.registry, spec.id, asked.attempt, asked.array)}


@router.post("/view/log")
def view_log(user: Caller, site: Served, asked: Log) -> dict[str, Any]:
    """A part of an element's log, as base 64; a negative ``begin`` counts from its end."""
    spec = site.spec(user, asked.id)
    part = job_logs.log_part(
        site.registry, spec.id, asked.attempt, asked.element, asked.begin, LOG_SHOWN
    )
    return {**part._asdict(), "content": b64encode(part.content).decode()}


def _fresh(site: ServedSite, what: str, spec: TaskSpec, work_out: Any) -> Any:
    """For all who ask at about the same time. A result is no reason to work it out anew, since
    there may be many a second; that the task begins or ends is one."""
    known = [(status.attempts, status.idle) for status in site.tracking.latest([spec.id])]
    return site.fresh.get((what, spec.id, *known), work_out)
