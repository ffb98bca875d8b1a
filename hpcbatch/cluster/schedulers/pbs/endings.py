"""How elements of PBS ended, as the full text of qstat(1B) tells it; fields:
pbs_job_attributes(7B); states, substates and exit codes: the PBS Professional User's Guide."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ....words.model import Ending
from ..answers import Ended
from ..base import KILLED
from ..units import bytes_of, seconds_of

_ID = re.compile(r"(\d+)(?:\[(\d*)\]\*?)?(?:\.\S*)?\Z")  # 12, 12[], 12[7]; *: cut off here
_NUMBER = re.compile(r"-?\d+\Z")
_RECORD = re.compile(r"^Job Id: *", re.MULTILINE)
CONTINUED = re.compile(r"\n(?:\t| {8})")
_TERMINATED = 256 + 15
_DELETED, _FINISHED, _FAILED = "91", "92", "93"  # substates


@dataclass(frozen=True)
class EndingCodes:
    """What relatives of PBS tell otherwise: states of what has ended (X: an element of an array
    that lives on), the field of the exit status, and those that mean a limit (pbs_ifl.h, job.h);
    substates without which a status may be that of the whole array, where there are some."""

    ended: str = "XF"
    exit_field: str = "Exit_status"
    out_of_memory: tuple[int, ...] = (-26, -27)
    timeout: tuple[int, ...] = (-28, -29)
    own_status: tuple[str, ...] = (_FINISHED, _FAILED)


def endings(text: str, base: int, codes: EndingCodes) -> Iterator[Ended]:
    for name, fields in _records(text):
        array, index = element_of(name, base) or ("", None)
        if index is not None and fields.get("job_state") in tuple(codes.ended):
            ending = _ending(fields, codes)
            if ending.reason:
                yield Ended(array, index, ending)


def element_of(text: str, base: int) -> tuple[str, int | None] | None:
    """Array and index; an array of one is a plain job, and an array as a whole has no index."""
    found = _ID.match(text)
    if found is None:
        return None
    if found[2] is None:
        return found[1], base
    return f"{found[1]}[]", int(found[2]) if found[2] else None


def _records(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Id and fields; a line that is set in further than a field's continues the one before."""
    for record in _RECORD.split(CONTINUED.sub("", text))[1:]:
        first, *lines = record.split("\n")
        pairs = (line.strip().partition(" = ") for line in lines)
        yield first.strip(), {name: value for name, equals, value in pairs if equals}


def _ending(fields: dict[str, str], codes: EndingCodes) -> Ending:
    status = fields.get(codes.exit_field, "")
    number = int(status) if _NUMBER.match(status) else None
    signal = _signal(number)
    host = fields.get("exec_host", "").partition("/")[0]
    reason = _reason(fields, codes, number, signal, bool(host))
    is_code = reason == "ended" or reason.startswith("exit-code")
    return Ending(
        reason,
        number if is_code else None,
        signal if host and not is_code else None,
        host,
        elapsed=seconds_of(fields.get("resources_used.walltime", "")),
        memory=size(fields, "resources_used.mem") or None,
    )


def _reason(
    fields: dict[str, str], codes: EndingCodes, status: int | None, signal: int | None, ran: bool
) -> str:
    waited = "afterok" in fields.get("depend", "")
    if "result of dependency" in fields.get("comment", "") or (waited and not ran):
        return "dependency"
    if codes.own_status and fields.get("substate") not in codes.own_status:
        return "canceled" if fields.get("substate") == _DELETED else ""
    if status is None:
        return "canceled"
    if status <= 0:
        if status in (*codes.timeout, *codes.out_of_memory):
            return "timeout" if status in codes.timeout else "out-of-memory"
        return "launch-failure" if status else "ended"
    if signal is None:
        return f"exit-code {status}"
    asked = seconds_of(fields.get("Resource_List.walltime", ""))
    if asked and (seconds_of(fields.get("resources_used.walltime", "")) or 0) >= asked:
        return "timeout"
    allowed, used = size(fields, "Resource_List.mem"), size(fields, "resources_used.mem")
    if signal == 9 and allowed and used >= allowed:
        return "out-of-memory"
    return "canceled" if status == _TERMINATED else "killed"


def _signal(status: int | None) -> int | None:
    if status is None:
        return None
    if 256 < status < 256 + 65:
        return status - 256
    return status - 128 if status in KILLED else None


def size(fields: dict[str, str], name: str) -> int:
    return bytes_of(fields.get(name, "").upper()) or 0  # 7252kb: of 1024 bytes
