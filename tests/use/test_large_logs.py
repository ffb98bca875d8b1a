"""Logs that are larger than what a person reads are read in parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpcbatch.use import element_logs, job_logs
from tests.core import Case


def test_of_much_that_was_printed_the_end_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(element_logs, "LARGEST_LOG", 10)
    case = Case.of(print, ["a" * 20 + "the end"])
    case.run(case.submit())
    assert (
        job_logs.log(case.registry, case.task.id, 0) == "[18 bytes are left out here]\naathe end\n"
    )


def test_an_element_s_log_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_logs, "LOG_PART", 4)
    case = Case.of(abs, [1])
    case.submit()
    Path(case.layout.log(1, 0)).write_bytes(b"0123456789")
    parts, begin = [], 0
    while part := job_logs.element_log(case.registry, case.task.id, 1, 0, begin):
        parts.append(part)
        begin += len(part)
    assert parts == [b"0123", b"4567", b"89"]
