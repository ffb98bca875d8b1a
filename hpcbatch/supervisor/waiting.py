"""The submissions of this machine whose end another one waits for."""

from __future__ import annotations

from collections.abc import Iterable

from .spool import Spool


class Waiting:
    def __init__(self, spool: Spool, after: Iterable[str], after_ok: Iterable[str]):
        self._spool = spool
        self._must_be_ok = {**dict.fromkeys(after, False), **dict.fromkeys(after_ok, True)}
        self.failed = False  # one that had to end well did not

    def look(self) -> str:
        """The id of one that has not ended; empty when all have."""
        for id, must_be_ok in list(self._must_be_ok.items()):
            submission = self._spool.find_id(id)
            if submission is not None and submission.listed() is not None:
                return id
            # one that was removed meanwhile ended days ago, nobody knows how
            self.failed |= must_be_ok and not (submission is not None and submission.succeeded())
            del self._must_be_ok[id]
        return ""
