"""A pool as people look at it: a table of its workers, in a terminal or a notebook."""

from __future__ import annotations

import sys
import threading
import time
import weakref
from collections.abc import Iterable
from html import escape
from typing import Any, Protocol

from ..words.text import counted, plain

SHOWN = 20  # workers
SECONDS = 1.0  # between two looks


class HasWorkers(Protocol):
    """What can be shown."""

    @property
    def name(self) -> str: ...
    @property
    def unresolved(self) -> int: ...
    @property
    def resolved(self) -> int: ...
    @property
    def is_closed(self) -> bool: ...
    def summary(self) -> Any: ...


class Displayed:
    def show(self: HasWorkers, seconds: float = SECONDS) -> None:
        """In a notebook a table that is kept up to date until the pool closes; elsewhere print it
        once."""
        shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
        if getattr(shell, "kernel", None) is None:
            print(text_of(self))
            return
        from IPython.display import display

        handle = display(PoolView(self), display_id=True)
        arguments = (weakref.ref(self), handle, seconds)
        threading.Thread(target=_follow, args=arguments, name="hpcbatch-show", daemon=True).start()

    def _repr_html_(self: HasWorkers) -> str:
        return html_of(self)


class PoolView:
    """How a pool looked in one moment."""

    def __init__(self, pool: HasWorkers):
        self._text, self.html = text_of(pool), html_of(pool)

    def __repr__(self) -> str:
        return self._text

    def _repr_html_(self) -> str:
        return self.html


def text_of(pool: HasWorkers) -> str:
    notes, columns, rows = _tables(pool)
    table = [columns, *rows] if rows else []
    widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]
    return "\n".join([*notes, *lines])


def html_of(pool: HasWorkers) -> str:
    notes, columns, rows = _tables(pool)
    paragraphs = "".join(f"<p>{escape(note)}</p>" for note in notes)
    lines = [_line("th", columns), *(_line("td", row) for row in rows)] if rows else []
    return f"<div>{paragraphs}<table>{''.join(lines)}</table></div>"


def _line(tag: str, cells: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"


def _tables(pool: HasWorkers) -> tuple[list[str], list[str], list[list[str]]]:
    """Sentences, names of columns, and rows; no control characters, since names are a user's."""
    summary = pool.summary()
    of_one: dict[str, Any] = summary.launches  # or those of each controller of a group
    several = all(isinstance(told, dict) for told in of_one.values())
    launches = list(of_one.values()) if several else [of_one]
    state = "closed" if pool.is_closed else counted(len(summary), "worker")
    to_come, lost = (
        sum(told.get(count, 0) for told in launches) for count in ("launching", "lost")
    )
    notes = [
        f"{pool.name}: {state}, {to_come} to come, {lost} never came; "
        f"pushed tasks: {pool.unresolved} unresolved, {pool.resolved} resolved"
    ]
    notes += [f"The last launch failed: {told['why']}" for told in launches if told.get("why")]
    if len(summary) > SHOWN:
        notes.append(f"The first {SHOWN} workers:")
    columns = list(summary[0]) if summary else []
    rows = [[_cell(worker[column]) for column in columns] for worker in summary[:SHOWN]]
    return [plain(note) for note in notes], columns, rows


def _cell(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, float) else plain(str(value))


def _follow(pool_of: Any, handle: Any, seconds: float) -> None:
    shown = ""
    while (pool := pool_of()) is not None:
        is_last, view = pool.is_closed, PoolView(pool)
        del pool
        if view.html != shown:
            handle.update(view)
            shown = view.html
        if is_last:
            return
        time.sleep(seconds)
