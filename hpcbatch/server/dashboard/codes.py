"""One-time codes: what a browser shows to be let in, once and soon."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from threading import Lock

from ...words.errors import AccessDenied, StateError
from .hashed_secrets import hashed

LIVES = 120.0  # seconds; whoever sees a certificate for the first time compares it meanwhile
MOST = 1000  # that are remembered
REFUSED = "this code is not valid, was used, or has expired: run hpcbatch dashboard again"


@dataclass
class _Code:
    user: str
    ends: float
    used: bool = False


class Codes:
    """In memory, as hashes. Times are seconds of a clock that is never set."""

    def __init__(self) -> None:
        self._codes: dict[str, _Code] = {}  # by hash, oldest first
        self._lock = Lock()

    def issue(self, user_id: str, now: float) -> tuple[str, str]:
        """A code, and the name by which its user asks whether it was used. Raises StateError."""
        code = secrets.token_urlsafe(32)
        with self._lock:
            self._codes = {name: c for name, c in self._codes.items() if c.ends > now}
            if len(self._codes) >= MOST:
                raise StateError("too many codes wait for their browsers: try again in a minute")
            self._codes[hashed(code)] = _Code(user_id, now + LIVES)
        return code, hashed(code)

    def redeem(self, code: str, now: float) -> str:
        """The id of the user who may come in. Raises AccessDenied."""
        with self._lock:
            found = self._codes.get(hashed(code))
            if found is None or found.used or found.ends <= now:
                raise AccessDenied(REFUSED)
            found.used = True
            return found.user

    def is_used(self, name: str, user_id: str) -> bool:
        """Another's code is unknown, as one that has expired."""
        with self._lock:
            found = self._codes.get(name)
            return found is not None and found.used and found.user == user_id
