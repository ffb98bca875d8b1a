"""Tables: by rich on a terminal, columns divided by tabs when piped."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import click

from ..words.status import COLOURS, TaskStatus
from ..words.text import plain
from .common import command, say
from .formatting import on_terminal

if TYPE_CHECKING:
    from rich.table import Table

LONGEST = 500  # rows that a terminal gets with borders and colours
WIDEST = 10_000  # columns of text: none is cut when it is measured
NOTHING = ("", "0")


def print_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Collection[str] = (),
    spare: Sequence[str] = (),
    counts: tuple[str, Sequence[str]] = ("", ()),
) -> None:
    """``right`` names the columns of numbers. A terminal gets no columns without content, and of
    ``spare`` the first ones not where it is too narrow for all. Where it is still too narrow, the
    columns ``counts`` are words in one, which has a heading of its own."""
    if on_terminal() and len(rows) <= LONGEST:
        cleaned = [[plain(cell) for cell in row] for row in rows]
        _print_rich(headings, cleaned, right, spare, counts)
        return
    click.echo("\t".join(heading.upper() for heading in headings))
    for row in rows:
        click.echo("\t".join(map(plain, row)))


def print_status(status: TaskStatus) -> None:
    """A line per state that has jobs, with its share; in colours on a terminal."""
    if colourful():
        _print_coloured(str(status))
    else:
        click.echo(str(status))


def hint_at_failures(status: TaskStatus) -> None:
    """Where to see why jobs failed, for a person."""
    if status.counts["error"] or status.counts["expired"]:
        say(f"Why jobs failed: {command('errors', status.id)}")


def print_words(*words: str) -> None:
    """One line; the states among ``words`` in their colours on a terminal."""
    if not colourful():
        click.echo("".join(words))
        return
    from rich.console import Console
    from rich.text import Text

    line = Text.assemble(*((word, COLOURS.get(word, "")) for word in words))
    Console(highlight=False).print(line, soft_wrap=True)


def colourful() -> bool:
    """Whether standard output may have colours (https://no-color.org)."""
    no_colour = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return on_terminal() and not no_colour


def _print_coloured(lines: str) -> None:
    from rich.console import Console
    from rich.text import Text

    text = Text(lines)
    for state, colour in COLOURS.items():
        text.highlight_regex(rf"(?m)^  {state}\b", colour)
    text.highlight_regex(r"(?m)^\S.*$", "bold")
    text.highlight_regex(r"(?m)^  note: .*$", COLOURS["canceled"])
    Console(highlight=False).print(text, soft_wrap=True)


def _print_rich(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Collection[str],
    spare: Sequence[str],
    counts: tuple[str, Sequence[str]],
) -> None:
    from rich.console import Console
    from rich.measure import Measurement

    def fits(table: Table) -> bool:
        return Measurement.get(console, endless, table).maximum <= console.width

    columns = [
        column
        for column, heading in enumerate(headings)
        if any(row[column] not in NOTHING for row in rows) or heading == headings[0]
    ]
    console = Console(highlight=False)
    endless = console.options.update(width=WIDEST)
    table = _table(headings, rows, right, columns)
    gone: list[str] = []
    for name in spare:
        if fits(table):
            break
        left = [column for column in columns if headings[column] != name]
        gone += [name] if len(left) < len(columns) else []
        columns, table = left, _table(headings, rows, right, left)
    if counts[1] and not fits(table):
        headings, rows = _with_counts_in_words(headings, rows, columns, *counts)
        table = _table(headings, rows, right, range(len(headings)))
    console.print(table)
    if gone:
        say(f"For want of room, without: {', '.join(gone)}. A wider terminal has them, or --json.")


def _with_counts_in_words(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    columns: Sequence[int],
    heading: str,
    names: Sequence[str],
) -> tuple[list[str], list[list[str]]]:
    """Of the ``columns`` alone: those of ``names`` become one, such as ``3 done, 1 error``."""
    others = [column for column in columns if headings[column] not in names]
    counts = [column for column in columns if headings[column] in names]

    def words(row: Sequence[str]) -> str:
        told = (f"{row[each]} {headings[each]}" for each in counts if row[each] not in NOTHING)
        return ", ".join(told)

    made = [[*(row[each] for each in others), words(row)] for row in rows]
    return [*(headings[each] for each in others), heading], made


def _table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Collection[str],
    columns: Sequence[int],
) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(
            Text(headings[column], style=COLOURS.get(headings[column], "")),
            justify="right" if headings[column] in right else "left",
            no_wrap=column == 0 or headings[column] in right,
            overflow="fold",
        )
    for row in rows:  # as Text: a name such as [red] is no markup
        cells = [row[column] for column in columns]
        table.add_row(*(Text(cell, style=COLOURS.get(cell, "")) for cell in cells))
    return table
