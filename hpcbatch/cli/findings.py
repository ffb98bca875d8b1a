"""How what a check found is shown: a line each, and what to do about it."""

from __future__ import annotations

import click

from ..words.finding import FINE, NOTE, WRONG, Finding
from .formatting import plain_lines
from .tables import colourful

MARKS = {FINE: ("ok", "green"), NOTE: ("note", "yellow"), WRONG: ("WRONG", "red")}


def show(finding: Finding, where: str = "") -> None:
    """``where`` is a cluster's name."""
    word, colour = MARKS[finding.state]
    mark = f"{word:5}"
    mark = click.style(mark, fg=colour) if colourful() else mark
    label = f"{where}: {finding.about}" if where else finding.about
    click.echo(f"{mark} {label}: {plain_lines(finding.told)}")
    if finding.advice:
        click.echo(f"      {plain_lines(finding.advice)}")
