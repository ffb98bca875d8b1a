"""How elements of Grid Engine ended, as qacct(1) tells it: accounting(5), sge_status(5)."""

from __future__ import annotations

import re

from ....words.model import Ending
from ..answers import Ended
from ..units import bytes_of, seconds_of

_RULE = re.compile(r"^={20,}$", re.MULTILINE)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_REQUESTS = re.compile(r"(?<!-soft )-l (\S+)")
_ENFORCED, _AFTER_JOB = 37, 100  # of the field ``failed``, see sge_status(5)


def endings(text: str) -> list[Ended]:
    """From what qacct printed. An element that ran again has several records: the last counts."""
    found = {}
    for record in _RULE.split(text):
        lines = (line.split(None, 1) for line in record.splitlines())
        fields = {words[0]: words[1].strip() for words in lines if len(words) == 2}
        index, failed = _number(fields, "taskid"), _number(fields, "failed")
        of_element = fields.get("pe_taskid", "NONE") == "NONE"
        if of_element and "jobnumber" in fields and index is not None and failed is not None:
            array, element = fields["jobnumber"], int(index)
            found[array, element] = Ended(array, element, _ending(int(failed), fields))
    return list(found.values())


def _number(fields: dict[str, str], name: str) -> float | None:
    """What a field begins with: ``137 (Killed)``, ``2.5s``; None for ``undefined``."""
    found = _NUMBER.match(fields.get(name, ""))
    return float(found[0]) if found else None


def _ending(failed: int, fields: dict[str, str]) -> Ending:
    status = int(_number(fields, "exit_status") or 0)
    signal = status - 128 if failed in (_ENFORCED, _AFTER_JOB) and status > 128 else None
    reason = _reason(failed, status, fields)
    if reason == "out-of-memory":
        memory = _size(fields, "maxvmem")
    else:  # ru_maxrss is in kilobytes, and printed as if it were in bytes
        memory = _size(fields, "maxrss") or 1024 * (_size(fields, "ru_maxrss") or 0)
    return Ending(
        reason,
        status if signal is None else None,
        signal,
        fields.get("hostname", ""),
        elapsed=_number(fields, "ru_wallclock"),
        memory=memory or None,
    )


def _reason(failed: int, status: int, fields: dict[str, str]) -> str:
    if not failed:
        return f"exit-code {status}" if status else "ended"
    if failed not in (_ENFORCED, _AFTER_JOB):
        return "node-failure" if failed in (19, 21, 22, 26) else f"failed {failed}"
    if fields.get("deleted_by", "NONE") != "NONE":
        return "canceled"
    found = _REQUESTS.search(fields.get("category", ""))
    asked = dict(item.split("=", 1) for item in found[1].split(",") if "=" in item) if found else {}
    memory, used = bytes_of(asked.get("h_vmem", "")), _size(fields, "maxvmem") or 0
    if memory and used >= memory * (_number(fields, "slots") or 1):
        return "out-of-memory"
    elapsed = _number(fields, "ru_wallclock") or 0
    limits = [seconds_of(asked[name]) for name in ("h_rt", "s_rt") if name in asked]
    if any(limit and elapsed >= limit for limit in limits):
        return "timeout"
    return "timeout" if failed == _ENFORCED else "killed"  # h_cpu: a time too


def _size(fields: dict[str, str], name: str) -> int | None:
    return bytes_of(fields.get(name, ""))
