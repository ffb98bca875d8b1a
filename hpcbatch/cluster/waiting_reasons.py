"""Why elements wait: asked of the scheduler, once an array, where its listing does not tell."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..words.errors import CommandTimeout, SchedulerError
from ..words.model import Listing, Question
from . import shell

if TYPE_CHECKING:
    from .cluster import Cluster

ASKED = 8  # questions in one listing, at most


def explained(cluster: Cluster, listing: Listing, before: Listing | None) -> Listing:
    """The same, with reasons as far as they can be had. What the listing before has the answer to
    is not asked again."""
    known = before.answers if before is not None else {}
    questions = _questions(listing, before)
    answers = {question: known[question] for question in questions if question in known}
    for question in [question for question in questions if question not in known][:ASKED]:
        try:
            told = _ask(cluster, question)
        except CommandTimeout as error:
            shell.log.info("explanation: %s", error)
            break  # the others would keep the listing waiting as long
        except SchedulerError as error:
            shell.log.info("explanation: %s", error)
        else:
            if told or not question.is_stuck:  # something is wrong with what is stuck: ask again
                answers[question] = told
    alive = [
        replace(s, why=answers.get(Question(s.array, s.stuck), "")) if not s.why else s
        for s in listing.alive
    ]
    return replace(listing, alive=alive, answers=answers)


def _questions(listing: Listing, before: Listing | None) -> list[Question]:
    """About stuck arrays at once; about those of which nothing runs when they waited before."""
    waited = {s.array for s in before.alive if not s.running} if before is not None else set()
    told = {s.array for s in listing.alive if s.running or s.why}
    found = dict.fromkeys(
        Question(s.array, s.stuck)
        for s in listing.alive
        if not s.why and (s.stuck or (s.array in waited and s.array not in told))
    )
    return list(found)


def _ask(cluster: Cluster, question: Question) -> str:
    scheduler = cluster.scheduler
    if question.is_stuck:
        argv, parse = scheduler.explain_argv(question.array), scheduler.parse_explain
    else:
        argv, parse = scheduler.doubt_argv(question.array), scheduler.parse_doubt
    return parse(cluster.run(argv)) if argv is not None else ""
