"""What came of one job."""

from __future__ import annotations


class Outcome:
    """``kind`` and ``body`` as in ``words.events``, and what the job cost: CPU seconds, peak
    memory in bytes, the byte range of its output in the log."""

    __slots__ = ("body", "cpu", "kind", "log_begin", "log_end", "memory")

    def __init__(self, kind: int, body: bytes):
        self.kind, self.body = kind, body
        self.cpu, self.memory, self.log_begin, self.log_end = 0.0, 0, 0, 0
