"""Tables: by rich on a terminal, columns divided by tabs when piped."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

import click

from ..words.model import TaskStatus, plain
from .text import on_terminal

LONGEST = 500  # rows that a terminal gets with borders and colours
COLOURS = {
    "done": "green",
    "running": "cyan",
    "queued": "blue",
    "submitted": "blue",
    "error": "red",
    "expired": "magenta",
    "canceled": "yellow",
}


def print_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str] = ()
) -> None:
    """``right`` names the columns of numbers."""
    cleaned = [[plain(cell) for cell in row] for row in rows]
    if on_terminal() and len(rows) <= LONGEST:
        _print_rich(headings, cleaned, right)
        return
    for row in ([heading.upper() for heading in headings], *cleaned):
        click.echo("\t".join(row))


def print_status(status: TaskStatus) -> None:
    """A line per state that has jobs, with its share; in colours on a terminal."""
    for line in str(status).splitlines():
        word = line.split(maxsplit=1)[0] if line.strip() else ""
        if line.startswith("  ") and word in COLOURS and colourful():
            line = line.replace(word, click.style(word, fg=COLOURS[word]), 1)
        click.echo(line)


def colourful() -> bool:
    """Whether standard output may have colours (https://no-color.org)."""
    no_colour = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return on_terminal() and not no_colour


def _print_rich(
    headings: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str]
) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for place, heading in enumerate(headings):
        table.add_column(
            heading,
            justify="right" if heading in right else "left",
            no_wrap=place == 0,
            overflow="fold",
        )
    for row in rows:  # as Text: a name such as [red] is no markup
        table.add_row(*(Text(cell, style=COLOURS.get(cell, "")) for cell in row))
    Console(highlight=False).print(table)
