"""The last listing of each scheduler, shared by all clients of a registry: one asks for all."""

from __future__ import annotations

import json
import time

from ..disk.files import make_folder, publish, read
from ..disk.locks import held_if_free
from ..words.errors import SchedulerError
from ..words.layout import PollsLayout
from ..words.look import Look
from ..words.model import Listing, Question, Sighting
from .cluster import Cluster

GROWTH = 2 / 3  # of the age of a submission between two listings: each time it is thrice as old
ONCE = 5  # shortest intervals, at most, for who looks once


def poll(root: str, cluster: Cluster, interval: float) -> tuple[Listing | None, str]:
    """The newest listing, made anew when older than ``interval`` seconds, and what went wrong.

    A failed command changes nothing: the listing before it is returned beside the reason.
    """
    polls = PollsLayout(root, cluster.config.scheduler)
    make_folder(polls.folder)
    path = polls.listing
    listing, failed, tried = _read(path)
    if 0 <= time.time() - tried < interval:
        return listing, failed
    with held_if_free(polls.listing_lock) as is_ours:
        if not is_ours:
            return listing, failed  # another client asks right now: what is known will do
        listing, failed, tried = _read(path)
        if 0 <= time.time() - tried < interval:
            return listing, failed
        try:
            listing, failed = cluster.listing(listing), ""
        except SchedulerError as error:
            failed = str(error)
        _publish(path, listing, failed)
    return listing, failed


def last_listing(root: str, cluster: Cluster) -> Listing | None:
    """The newest that was made, whoever asked for it; nobody is asked now."""
    return _read(PollsLayout(root, cluster.config.scheduler).listing)[0]


def poll_interval(cluster: Cluster, age: float, look: Look) -> float:
    """Seconds between two listings for a submission that is ``age`` seconds old."""
    if look is Look.AFRESH:
        return 0.0
    shortest, longest = cluster.config.poll_seconds or cluster.scheduler.poll_seconds
    if look is Look.ONCE:
        longest = min(longest, ONCE * shortest)
    return min(max(GROWTH * age, shortest), longest)


def _publish(path: str, listing: Listing | None, failed: str) -> None:
    rows = [
        [s.array, s.index, s.name, s.running, s.word, s.why, s.stuck]
        for s in (listing.alive if listing else ())
    ]
    answers = listing.answers if listing else {}
    fields = {
        "tried": time.time(),
        "failed": failed,
        "time": listing.time if listing else None,
        "alive": rows,
        "answers": [[*question, told] for question, told in answers.items()],
    }
    publish(path, json.dumps(fields).encode())


def _read(path: str) -> tuple[Listing | None, str, float]:
    try:
        fields = json.loads(read(path))
        alive = [Sighting(*row) for row in fields["alive"]]
        answers = {Question(array, stuck): told for array, stuck, told in fields["answers"]}
        told = fields["time"] is not None
        listing = Listing(float(fields["time"]), alive, answers) if told else None
        return listing, str(fields["failed"]), float(fields["tried"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, "", 0.0  # no listing yet, or none that can be used: ask
