"""What is known of one job, put into words: where it ran, what it cost, why it has no result."""

from __future__ import annotations

from dataclasses import replace

from ..disk.index import DONE, ERROR, EXPIRED, Entry, read_entries
from ..registry.results import Results
from ..registry.view import View
from ..words.errors import DamagedFile, JobError
from ..words.model import RESOLVED, Attempt, Ending
from ..words.status import JobInfo
from ..words.text import walltime_text
from .element_logs import begun_in, read_log
from .unsubmitted import refusal

LAST_LINE = 300  # characters of it that a message takes
NO_RESULT = {  # by state
    "defined": "not submitted yet",
    "canceled": "no result without a resubmission",
}
LOG_TAIL = 1500  # bytes of a log that explain an ending


def job_info(view: View, results: Results, job: int, state: str, entry: Entry | None) -> JobInfo:
    if entry is not None and entry.said in (DONE, ERROR, EXPIRED) and state in RESOLVED:
        return _info_of_record(view, results, job, state, entry)
    owner = view.owner(job)
    if owner is None:
        return JobInfo(job, state)
    attempt, element = owner
    found = view.ending(attempt, element)
    ending = found if found is not None and state == "expired" else Ending("")
    begun = begun_in(entry, attempt)
    return JobInfo(
        job,
        state,
        ending.reason,
        attempt.number,
        element,
        attempt.cluster,
        _host(results, begun) or ending.host,
        begun.started if begun else None,
        memory=ending.memory,
        code=ending.code,
        signal=ending.signal,
    )


def _info_of_record(view: View, results: Results, job: int, state: str, entry: Entry) -> JobInfo:
    host = results.process(entry)[0]
    ending = Ending("")
    try:
        if entry.said == ERROR:
            ending = Ending(results.error(job, entry)[0])
        elif entry.said == EXPIRED:
            ending = results.ending(job, entry, host)
    except DamagedFile as error:
        ending = Ending(str(error))
    return JobInfo(
        job,
        state,
        ending.reason,
        entry.attempt,
        entry.element,
        _cluster_name(view, entry.attempt),
        host,
        entry.started,
        entry.ended,
        entry.cpu,
        entry.memory or None,
        ending.code,
        ending.signal,
    )


def job_error(view: View, results: Results, job: int, state: str, entry: Entry | None) -> JobError:
    if entry is not None and entry.said == ERROR:
        return JobError(job, state, *results.error(job, entry))
    if entry is not None and entry.said == EXPIRED:
        event, host = results.event(job, entry), results.process(entry)[0]
        begin = max(event.log_begin, event.log_end - LOG_TAIL)
        printed = read_log(view, entry.attempt, entry.element, begin, event.log_end).strip()
        ending = results.ending(job, entry, host)
        told = f"{ending}{_limit(view, entry.attempt) if ending.reason == 'timeout' else ''}"
        return JobError(job, state, "", told, _shown("what it printed last", printed))
    owner = view.owner(job)
    if state == "defined" and (why := refusal(view)):
        return JobError(job, state, "", f"not submitted: {why}")
    if state != "expired" or owner is None:
        return JobError(job, state, "", NO_RESULT.get(state, "no result yet"))
    attempt, element = owner
    begun = begun_in(entry, attempt)
    ending = view.ending(attempt, element) or Ending("lost")
    ending = replace(ending, host=_host(results, begun) or ending.host)
    early = "" if begun else ", before the job began"
    if ending.reason == "dependency" and attempt.options.after_ok:
        early = f": it was to wait for {', '.join(attempt.options.after_ok)} to end well"
    tail = read_log(view, attempt.number, element, -LOG_TAIL).strip()
    last = f": {tail.splitlines()[-1][:LAST_LINE]}" if tail and not _any_began(view, owner) else ""
    shown = _shown("the end of its element's log", tail)
    return JobError(job, state, "", f"{ending}{early}{last}", shown)


def _limit(view: View, number: int) -> str:
    """Of a job that had a process of its own: which limit it was over."""
    limits = (a.options.job_timeout for a in view.attempts if a.number == number)
    seconds = next(limits, None)
    return "" if seconds is None else f", over its job_timeout of {walltime_text(seconds)}"


def _shown(what: str, tail: str) -> str:
    return f"{what}:\n{tail}\n" if tail else ""


def _host(results: Results, begun: Entry | None) -> str:
    """As the job's own process names it: schedulers may have other names for their nodes."""
    return results.process(begun)[0] if begun else ""


def _any_began(view: View, owner: tuple[Attempt, int]) -> bool:
    """Whether any job of the element began: if none did, its log tells what kept it."""
    jobs = owner[0].plan.jobs_of(owner[1])
    return bool(read_entries(view.layout.index, jobs))


def _cluster_name(view: View, number: int) -> str:
    return next((a.cluster for a in view.attempts if a.number == number), "")
