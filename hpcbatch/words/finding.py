"""What a check of a host, a cluster or a site found."""

from __future__ import annotations

from dataclasses import dataclass

FINE, NOTE, WRONG = "fine", "note", "wrong"


@dataclass(frozen=True)
class Finding:
    """``about`` is what was looked at, ``told`` what was found there, ``advice`` what to do."""

    about: str
    state: str
    told: str
    advice: str = ""


def fine(about: str, told: str) -> Finding:
    return Finding(about, FINE, told)


def note(about: str, told: str, advice: str = "") -> Finding:
    return Finding(about, NOTE, told, advice)


def wrong(about: str, told: str, advice: str = "") -> Finding:
    return Finding(about, WRONG, told, advice)
