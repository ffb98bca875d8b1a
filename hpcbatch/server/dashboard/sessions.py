"""Sessions of browsers: a cookie that no script can read, and a token that no other port gets.

A browser sends a cookie to every port of a host, and on a login node the other ports are other
people's. So a session is shown by both halves: the token lies in the storage of this origin, and
travels in a header that no foreign page can send.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

from ...words.errors import AccessDenied
from ..users import User, Users
from .hashed_secrets import hashed

HEADER = "x-hpcbatch-token"
MOST = 1000  # that are remembered; the one that was idle for the longest is ended first
ENDED = "the session has ended: run hpcbatch dashboard again"


class Halves(NamedTuple):
    """What a browser gets: for its cookie, and for the header of its requests."""

    cookie: str
    token: str


@dataclass
class _Session:
    user: str
    token: str  # hashed
    seen: float


class Sessions:
    """In memory, as hashes; one that is idle for ``keep_alive`` seconds ends. Times are seconds
    of a clock that is never set."""

    def __init__(self, users: Users, keep_alive: float):
        self._users, self._keep_alive = users, keep_alive
        self._sessions: dict[str, _Session] = {}  # by hash of the cookie
        self._lock = Lock()

    def begin(self, user_id: str, now: float) -> Halves:
        """Raises AccessDenied for a user who was revoked meanwhile."""
        self._known(user_id)
        halves = Halves(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
        with self._lock:
            alive = {c: s for c, s in self._sessions.items() if not self._is_over(s, now)}
            while len(alive) >= MOST:
                del alive[min(alive, key=lambda cookie: alive[cookie].seen)]
            alive[hashed(halves.cookie)] = _Session(user_id, hashed(halves.token), now)
            self._sessions = alive
        return halves

    def user_of(self, halves: Halves, now: float) -> User:
        """Who has the session, which is so used. Raises AccessDenied."""
        cookie = hashed(halves.cookie)
        with self._lock:
            session = self._sessions.get(cookie)
            if session is None or self._is_over(session, now):
                self._sessions.pop(cookie, None)
                raise AccessDenied(ENDED)
            if not hmac.compare_digest(session.token, hashed(halves.token)):
                raise AccessDenied(f"a request of a session has its token in {HEADER}")
            session.seen = now
        try:
            return self._known(session.user)
        except AccessDenied:
            self.end(halves)
            raise

    def end(self, halves: Halves) -> None:
        with self._lock:
            self._sessions.pop(hashed(halves.cookie), None)

    def _is_over(self, session: _Session, now: float) -> bool:
        return now - session.seen >= self._keep_alive

    def _known(self, user_id: str) -> User:
        user = self._users.get(user_id)
        if user is None or user.revoked is not None:
            raise AccessDenied("this key is not known here any more")
        return user
