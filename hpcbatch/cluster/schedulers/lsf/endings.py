"""How elements of LSF ended, as bjobs(1) tells it; why a job was killed: bacct(1)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from datetime import datetime

from ....words.model import Ending
from ..answers import Ended
from ..units import bytes_of

OVER = {"DONE", "EXIT"}  # states

_WRAPPED = re.compile(r"\n {21}")  # of bjobs -l
_RECORD = re.compile(r"^Job (?:Id )?<(\d+)\[(\d+)\]>, ", re.MULTILINE)
_STATUS = re.compile(r", Status ?<([A-Z]+)>")
_EVENT = re.compile(r"^(\w{3} \w{3} +\d+ \d\d:\d\d:\d\d)(?: \d{4})?: (.*)$", re.MULTILINE)
_STARTED = re.compile(r"(?:\[\d+\] )?[Ss]tarted .*?<(?:\d+\*)?([^<>]+)>")
_CODE = re.compile(r"Exited (?:with exit code|by signal) (\d+)")
_MEMORY = re.compile(r"MAX MEM: ([\d.]+) ([KMGT])bytes")
_TERM = re.compile(r"\bTERM_([A-Z_]+)")
_TERMS = {
    "RUNLIMIT": "timeout",
    "CPULIMIT": "timeout",
    "DEADLINE": "timeout",
    "WINDOW": "timeout",
    "MEMLIMIT": "out-of-memory",
    "SWAP": "out-of-memory",
    "OWNER": "canceled",
    "FORCE_OWNER": "canceled",
    "ADMIN": "canceled",
    "FORCE_ADMIN": "canceled",
    "PREEMPT": "preempted",
    "ORPHAN_SYSTEM": "dependency",
    "REMOVE_HUNG_JOB": "node-failure",
    "CWD_NOTEXIST": "launch-failure",
}
_SIGNALS = {2: "canceled", 15: "canceled", 12: "timeout", 24: "timeout"}  # INT, TERM; USR2, XCPU
_LEAP_YEAR = 2000


def unwrapped(text: str) -> str:
    """What ``bjobs -l`` breaks into lines, in one line each."""
    return _WRAPPED.sub("", text)


def endings(text: str) -> Iterator[Ended]:
    """From what ``bjobs -UF`` or ``bjobs -l`` printed."""
    _, *parts = _RECORD.split(unwrapped(text))
    for array, index, told in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        status = _STATUS.search(told)
        if status and status[1] in OVER:
            yield Ended(array, int(index), _ending(status[1] == "DONE", told))


def _ending(is_done: bool, told: str) -> Ending:
    host, began, events = "", None, _EVENT.findall(told)
    for when, said in events:
        if started := _STARTED.match(said):
            host, began = started[1], when
    said = "\n".join(said for _, said in events)
    found, memory, term = _CODE.search(said), _MEMORY.search(told), _TERM.search(said)
    code = int(found[1]) + (128 if "by signal" in found[0] else 0) if found else None
    signal = code - 128 if code and 128 < code <= 192 else None
    if is_done:
        code, reason = 0, "ended"
    elif term and term[1] in _TERMS:
        reason = _TERMS[term[1]]
    elif code is None:
        reason = "killed" if host else "canceled"  # before it began
    elif signal:
        reason = _SIGNALS.get(signal, "killed")
    else:
        reason = f"exit-code {code}"
    return Ending(
        reason,
        None if signal else code,
        signal,
        host,
        elapsed=None if began is None else seconds_between(began, events[-1][0]),
        memory=bytes_of("".join(memory.groups())) if memory else None,
    )


def seconds_between(began: str, ended: str) -> float:
    """``Sat Nov 22 04:32:31``: the year is not told, it is the last one that has such a day."""
    begin = datetime.strptime(f"{_LEAP_YEAR} {began}", "%Y %a %b %d %H:%M:%S")
    for year in range(datetime.now().year, _LEAP_YEAR, -1):
        with contextlib.suppress(ValueError):  # February has no 29th in it
            if begin.replace(year=year).strftime("%a") == began[:3]:
                begin = begin.replace(year=year)
                break
    for year in (begin.year, begin.year + 1):
        with contextlib.suppress(ValueError):
            end = datetime.strptime(f"{year} {ended}", "%Y %a %b %d %H:%M:%S")
            if end >= begin:
                return end.timestamp() - begin.timestamp()
    return 0.0
