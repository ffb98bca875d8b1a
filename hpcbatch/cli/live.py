"""The live view of a task: a bar per state, the pace, the newest failures, notes."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..words.errors import JobError
from ..words.status import COLOURS, TaskStatus
from ..words.text import plain

WIDEST = 100  # columns
FAINT = "dim"
LEAST = 1 / 60  # of a bar, for a state that has jobs
TRACK = "#808080 dim"


class StatusView:
    """Draws itself for the width that the terminal has at that moment. ``states`` get a row even
    when they have no job any more: rows that come and go make a view restless."""

    def __init__(
        self,
        status: TaskStatus,
        states: Sequence[str],
        failures: Sequence[JobError] = (),
        clock: str = "",
    ):
        self.status, self.states = status, states
        self.failures, self.clock = failures, clock

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        narrow = options.update(width=min(options.max_width, WIDEST), height=None)
        for part in self._parts():
            yield from console.render(Padding(part, (1, 2, 0, 2)), narrow)

    def _parts(self) -> list[RenderableType]:
        parts: list[RenderableType] = [self._heading(), self._bars(), self._pace()]
        if self.status.notes:
            parts.append(self._notes())
        if self.failures:
            parts.append(self._failures())
        return [*parts, Text("Ctrl-C leaves the task running", style=FAINT)]

    def _heading(self) -> RenderableType:
        status = self.status
        line = Table.grid(expand=True, padding=(0, 1))
        line.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        line.add_column(no_wrap=True, justify="right")
        line.add_row(Text(status.id, style="bold"), Text(status.where, style=FAINT))
        line.add_row(Text(plain(status.name), style=FAINT), Text(self.clock, style=FAINT))
        return line

    def _bars(self) -> RenderableType:
        rows = Table.grid(expand=True, padding=(0, 2, 0, 0), pad_edge=False)
        rows.add_column(no_wrap=True)
        rows.add_column(ratio=1)
        rows.add_column(no_wrap=True, justify="right")
        rows.add_column(no_wrap=True, justify="right")
        for state in self.states:
            count, colour = self.status.counts[state], COLOURS[state]
            shown = max(count, LEAST * self.status.njobs) if count else 0
            bar = ProgressBar(
                self.status.njobs, shown, style=TRACK, complete_style=colour, finished_style=colour
            )
            share = Text(self.status.share(state), style=FAINT)
            rows.add_row(Text(state, style=colour), bar, Text(f"{count:,}"), share)
        return rows

    def _pace(self) -> RenderableType:
        status = self.status
        counted = {"jobs": status.njobs, "started": status.started, **status.besides}
        told = ", ".join(f"{count:,} {word}" for word, count in counted.items())
        lines = Text(f"{told} · {status.pace}" if status.pace else told)
        for state in self.states:
            if why := status.why(state):
                lines.append("\n").append(state, COLOURS[state]).append(f": {why}")
        return lines

    def _notes(self) -> RenderableType:
        notes = "\n".join(plain(note) for note in self.status.notes)
        return Text(notes, style=COLOURS["canceled"])

    def _failures(self) -> RenderableType:
        rows = Table.grid(expand=True, padding=(0, 2, 0, 0), pad_edge=False)
        rows.add_column(no_wrap=True)
        rows.add_column(no_wrap=True)
        rows.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for failure in self.failures:
            state = Text(failure.state, style=COLOURS[failure.state])
            rows.add_row(Text(f"job {failure.index}", style=FAINT), state, Text(told_of(failure)))
        return rows


def told_of(failure: JobError) -> str:
    """A failure on one line: its type and message, or the reason and the last line of its log."""
    if failure.type:
        return plain(f"{failure.type}: {failure.message}")
    last = failure.traceback.strip().splitlines()[-1:]
    more = [line for line in last if line not in failure.message]
    return plain(": ".join([failure.message, *more]))
