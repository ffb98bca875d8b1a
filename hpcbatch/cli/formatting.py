"""Numbers and foreign text as people read them: nothing in it that a terminal would obey."""

from __future__ import annotations

import sys
import time

from ..words.text import plain, size_text


def on_terminal() -> bool:
    """Whether standard output is read by a person."""
    return sys.stdout.isatty()


def plain_lines(text: str) -> str:
    """``text`` with its line breaks, and without anything else that a terminal would obey."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(plain(line.expandtabs()) for line in lines)


def clock(moment: float | None) -> str:
    """Seconds since the epoch as local time."""
    if moment is None:
        return ""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
    except (OverflowError, ValueError, OSError):  # of a node whose clock is nowhere
        return "?"


def duration(seconds: float | None) -> str:
    """``0.12 s``, ``12.3 s``, ``1:02:03``, ``2d 03:04:05``."""
    if seconds is None:
        return ""
    if seconds < 59.95:  # as it is shown
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return (
        f"{days}d {hour:02}:{minute:02}:{second:02}" if days else f"{hour}:{minute:02}:{second:02}"
    )


def size(count: int | None) -> str:
    return "" if count is None else size_text(count)
