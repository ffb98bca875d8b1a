"""What is known of one job, put into words: where it ran, what it cost, why it has no result."""

from __future__ import annotations

from ..disk.index import BEGUN, Entry, read_entries
from ..registry.results import Results
from ..registry.tracker import View
from ..words.errors import DamagedFile, JobError
from ..words.model import Attempt, JobInfo

LAST_LINE = 300  # characters of it that a message takes
LOG_TAIL = 1500  # characters of a log that explain an ending


def job_info(view: View, results: Results, job: int, state: str, entry: Entry | None) -> JobInfo:
    if entry is not None and state in ("done", "error"):
        try:
            reason = results.error(job, entry)[0] if state == "error" else ""
        except DamagedFile as error:
            reason = str(error)
        return JobInfo(
            job,
            state,
            reason,
            entry.attempt,
            entry.element,
            _cluster_name(view, entry.attempt),
            results.process(entry)[0],
            entry.started,
            entry.ended,
            entry.cpu,
            entry.memory or None,
        )
    owner = view.owner(job)
    if owner is None:
        return JobInfo(job, state)
    attempt, element = owner
    ending = view.ending(attempt, element)
    begun = entry is not None and entry.said == BEGUN and entry.attempt == attempt.number
    host = results.process(entry)[0] if entry is not None and begun else ""
    return JobInfo(
        job,
        state,
        ending.reason if ending is not None and state == "expired" else "",
        attempt.number,
        element,
        attempt.cluster,
        host or (ending.host if ending else ""),
        entry.started if entry is not None and begun else None,
    )


def job_error(view: View, results: Results, job: int, state: str, entry: Entry | None) -> JobError:
    if state == "error" and entry is not None:
        return JobError(job, state, *results.error(job, entry))
    if state != "expired":
        return JobError(job, state, "", "it has no result")
    owner = view.owner(job)
    if owner is None:
        return JobError(job, state, "", "lost")
    attempt, element = owner
    ending = view.ending(attempt, element)
    told = str(ending) if ending is not None else "lost"
    began = entry is not None and entry.said == BEGUN and entry.attempt == attempt.number
    begun = "" if began else ", before the job began"
    tail = read_log(view, attempt.number, element)[-LOG_TAIL:].strip()
    shown = f"the end of its element's log:\n{tail}\n" if tail else ""
    last = f": {tail.splitlines()[-1][:LAST_LINE]}" if tail and not _any_began(view, owner) else ""
    return JobError(job, state, "", f"{told}{begun}{last}", shown)


def _any_began(view: View, owner: tuple[Attempt, int]) -> bool:
    """Whether any job of the element began: if none did, its log tells what kept it."""
    jobs = owner[0].plan.jobs_of(owner[1])
    return bool(read_entries(view.layout.index, jobs))


def _cluster_name(view: View, number: int) -> str:
    return next((a.cluster for a in view.attempts if a.number == number), "")


def read_log(view: View, attempt: int, element: int, begin: int = 0, end: int | None = None) -> str:
    try:
        with open(view.layout.log(attempt, element), "rb") as file:
            file.seek(begin)
            return file.read(-1 if end is None else max(end - begin, 0)).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
