"""What is wrong with a login node, in plain words: from the network to a job that runs there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...use.create import draft_task
from ...words.errors import HpcbatchError, JobError, SiteNotReady, UsageError, WaitTimeout
from ...words.finding import Finding, fine, note, wrong
from ...words.options import SubmitOptions
from ..watch import watch
from . import remote_paths, scripts
from .site import Ssh

TESTED = "hpcbatch test"  # the name of the task
FULL = ("No space left", "quota", "EDQUOT", "ENOSPC")


def check(site: Ssh, cluster: str | None, seconds: float) -> Iterator[Finding]:
    """Until something is wrong that all behind it needs."""
    try:
        done = scripts.run(site.line, f'ls "$HOME/{remote_paths.FOLDER}" 2>/dev/null; true')
    except HpcbatchError as error:
        yield wrong("connection", str(error))
        return
    yield fine("connection", f"{site.line.login} lets you in")
    try:
        told = site.exchange.ask("hello")
        yield fine("hpcbatch", f"{told['version']} on {told['host']}")
    except SiteNotReady as error:
        yield wrong("hpcbatch", _others(done.output) or str(error))
        return
    except HpcbatchError as error:
        yield wrong("registry", str(error))
        return
    try:
        health = site.exchange.ask("health", cluster=cluster)
    except UsageError as error:
        advice = (
            f"give --cluster NAME for the test job, or mend hpcbatch.yaml at {site.line.login}: "
            "the one on this machine does not count"
        )
        yield wrong("scheduler", str(error), advice if cluster is None else "")
        return
    except HpcbatchError as error:
        yield wrong("registry", _full(str(error)))
        return
    yield fine("registry", f"{health['root']} can be written")
    if not health["here"]:
        words = f"cluster {health['cluster']}: {health['why']}"
        yield wrong("scheduler", words)
        return
    yield fine("scheduler", f"cluster {health['cluster']} ({health['scheduler']}) answers")
    yield run_one(site, str(health["cluster"]), seconds)


def run_one(site: Ssh, cluster: str, seconds: float) -> Finding:
    """Whether a job runs there, and what it leaves in the registry is seen from the login node."""
    spec = site.create(draft_task(abs, ([-1],), {}, None, TESTED, 0))
    try:
        site.submit(spec.id, SubmitOptions(cluster))
        for _ in watch(site, spec.id, seconds):
            pass
        _, value = next(site.collect(spec.id))
        finding = _finding(site, cluster, value)
    except WaitTimeout:
        words = (
            f"a test job on {cluster} has not run within {seconds:.0f} s: {spec.id} was canceled"
        )
        finding = note("job", words)
    except HpcbatchError as error:
        finding = wrong("job", f"a test job on {cluster}: {error}")
    _put_away(site, spec.id)
    return finding


def _finding(site: Ssh, cluster: str, value: bytes | JobError) -> Finding:
    if isinstance(value, bytes):
        return fine("job", f"a test job on {cluster} has run, and its result is there")
    if value.state == "expired" and not value.traceback:
        return wrong(
            "job",
            f"a test job on {cluster} ended ({value.message}), and nothing of it has come into the "
            "registry: is that on a disk which the nodes share? Another folder is chosen by "
            f"{site.line.login}/FOLDER",
        )
    return wrong("job", f"a test job on {cluster}: {value}")


def _put_away(site: Ssh, task_id: str) -> None:
    try:
        site.cancel(task_id)
        site.remove(task_id)
    except HpcbatchError:
        return  # its last elements may still be ending; it is one small task


def _others(listing: str) -> str:
    """That there is another version, when there is."""
    versions = remote_paths.releases(listing.split())
    own = remote_paths.RELEASE
    if not versions or own in versions:
        return ""
    there = ", ".join(versions)
    age = "newer" if max(map(_order, versions)) > _order(own) else "older"
    return (
        f"the hpcbatch there is {age} or for another Python ({there}), and here it is {own}: run "
        "hpcbatch remote setup, which puts this one beside it"
    )


def _order(version: str) -> list[Any]:
    return [int(part) if part.isdigit() else 0 for part in version.partition("-")[0].split(".")]


def _full(words: str) -> str:
    if any(sign in words for sign in FULL):
        return f"the disk of the registry is full, or your quota is used up: {words}"
    return words
