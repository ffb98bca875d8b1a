"""Status and jobs as plain text, for ``print`` and for pipes."""

from __future__ import annotations

from ..words.model import TaskStatus


def plain(text: str) -> str:
    """``text`` on one line, without anything that a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text)


def status_text(status: TaskStatus) -> str:
    """Name, cluster, and a line per state that has jobs, with its share."""
    clusters = ", ".join(status.clusters) or "not submitted"
    lines = [f"{status.id}  {plain(status.name)}  ({clusters})"]
    for state, count in status.counts.items():
        if count:
            lines.append(f"  {state:<10}{count:>9}{100 * count / status.njobs:>7.1f} %")
    lines.append(f"  {'total':<10}{status.njobs:>9}{'started':>12}{status.started:>9}")
    lines += [f"  note: {plain(note)}" for note in status.notes]
    return "\n".join(lines)
