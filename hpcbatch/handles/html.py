"""A task's status for a notebook: one block of HTML without scripts, for light and dark pages."""

from __future__ import annotations

from html import escape

from ..words.status import COLOURS, TaskStatus
from ..words.text import counted

PARTS = 400  # of the bar
FAINT = "opacity:.7"
BLOCK = "max-width:52em;line-height:1.5;padding:2px 0 4px 0"
TRACK = (
    "height:12px;overflow:hidden;border-radius:6px;margin:5px 0 6px 0;"
    "background:rgba(128,128,128,.25)"
)
SWATCH = (
    "display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:6px;background:{}"
)
ITEM = "display:inline-block;margin-right:22px;white-space:nowrap"
NOTE = f"border-left:3px solid {COLOURS['canceled']};padding-left:8px;margin-top:4px"


def status_html(status: TaskStatus) -> str:
    """Name, cluster, a bar with a colour per state, counts, pace, notes; everything escaped."""
    pace = f'<div style="{FAINT}">{escape(status.pace)}</div>' if status.pace else ""
    notes = "".join(f'<div style="{NOTE}">{escape(note)}</div>' for note in status.notes)
    return (
        f'<div style="{BLOCK}">{_heading(status)}{_bar(status)}{_counts(status)}{pace}{notes}</div>'
    )


def _heading(status: TaskStatus) -> str:
    told = [counted(status.njobs, "job"), status.where]
    told += [f"{count:,} {word}" for word, count in status.besides.items()]
    return (
        f"<div><b>{escape(status.name)}</b> "
        f'<span style="{FAINT};font-family:monospace">{escape(status.id)}</span> '
        f'<span style="{FAINT}">{escape(" · ".join(told))}</span></div>'
    )


def _bar(status: TaskStatus) -> str:
    pieces = "".join(
        f'<div title="{state} {status.counts[state]:,}" style="float:left;height:12px;'
        f'width:{100 * part / PARTS:g}%;background:{COLOURS[state]}"></div>'
        for state, part in status.portions(PARTS).items()
    )
    told = ", ".join(f"{count:,} {state}" for state, count in status.counts.items() if count)
    return f'<div role="img" aria-label="{told}" style="{TRACK}">{pieces}</div>'


def _counts(status: TaskStatus) -> str:
    items = []
    for state, count in status.counts.items():
        if count:
            why = f": {status.why(state)}" if status.why(state) else ""
            share = f"({status.share(state)}){why}"
            items.append(
                f'<span style="{ITEM}"><span style="{SWATCH.format(COLOURS[state])}"></span>'
                f'{state} <b>{count:,}</b> <span style="{FAINT}">{escape(share)}</span></span> '
            )
    return f"<div>{''.join(items)}</div>"
