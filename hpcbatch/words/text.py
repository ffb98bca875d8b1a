"""Text for people: numbers in their words, and foreign text without anything to obey."""

from __future__ import annotations


def plain(text: str) -> str:
    """``text`` on one line, without anything that a terminal would obey."""
    if text.isprintable():  # as nearly all are
        return text
    return "".join(c if c.isprintable() else " " for c in text)


def counted(number: int, noun: str) -> str:
    """``1 job``, ``2 jobs``, ``1,200 jobs``."""
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"


def speed(per_second: float) -> str:
    """``1,200 jobs/s``, ``12.3 jobs/s``, ``7.5 jobs/min``, ``0.25 jobs/h``."""
    for unit, seconds in (("s", 1), ("min", 60), ("h", 3600)):
        amount = per_second * seconds
        if amount >= 1 or unit == "h":
            break
    if amount >= 100:
        return f"{amount:,.0f} jobs/{unit}"
    return f"{amount:.1f} jobs/{unit}" if amount >= 1 else f"{amount:.2g} jobs/{unit}"


def roughly(seconds: float) -> str:
    """An estimate, no finer than it deserves: ``40 s``, ``12 min``, ``2 h 10 min``, ``3 d 4 h``."""
    whole = max(round(seconds), 1)
    if whole < 60:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minute = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minute} min" if minute else f"{hours} h"
    days, hour = divmod(round(minutes / 60), 24)
    return f"{days:,} d {hour} h" if hour and days < 100 else f"{days:,} d"


def size_text(count: int) -> str:
    """Bytes as ``512.0 MB``, to be read; units are powers of 1024, as in resources."""
    amount = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if amount < (1024 if unit == "B" else 1023.95):
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TB"


def bytes_text(count: int) -> str:
    """Bytes as ``4GB``, ``1.5GB``, ``1500001KB``, for a configuration: rounded up to what a person
    would write, and no further than a KB."""
    for unit, each in (("TB", 1 << 40), ("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
        whole, rest = divmod(count, each)
        if whole and rest % (each // 8) == 0:
            eighths = f"{rest / each:.3f}".strip("0").rstrip(".")
            return f"{whole}{eighths}{unit}"
    return f"{-(-count // 1024)}KB" if count >= 1024 else f"{count} bytes"


def walltime_text(seconds: int) -> str:
    """``90 s``, ``0:10:00``, ``1-12:00:00``: days, hours, minutes, seconds."""
    if seconds < 120:
        return f"{seconds} s"
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    told = f"{hour}:{minute:02}:{second:02}"
    return f"{days}-{told.zfill(8)}" if days else told
