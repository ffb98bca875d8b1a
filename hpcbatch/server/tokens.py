"""Tokens: given to whoever proves to have a key that is known, and asked for with each request."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from threading import Lock
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from ..disk.files import make_folder, publish, read, unwritable, write_all
from ..sites.keys import ALGORITHM, load_public, read_secret, store_once
from ..words.errors import AccessDenied, DamagedFile
from .identity import Identity
from .users import User, Users

SKEW = 60  # seconds that two clocks may differ
LONGEST = 300  # seconds that an assertion may be used
LATEST = 1e11  # seconds since 1970
LARGEST = 8192  # characters of an assertion or a token
SECRET_SIZE = 32  # bytes
TYPE = "hpcbatch-token"
NOT_VALID = "the assertion is not valid"
NOT_KNOWN = (
    "this key is not known here, or was revoked: have it added with hpcbatch keys add, or a new one"
)
BAD_TOKEN = "the token is not valid: ask for a new one"
EXPIRED = "the token has expired: ask for a new one"


class Tokens:
    """Tokens live ``keep_alive`` seconds. ``folder`` belongs to one process at a time: the secret
    of the tokens and the used assertions are there for the next one."""

    def __init__(self, identity: Identity, users: Users, folder: str, keep_alive: float):
        self._own_id, self._users, self._keep_alive = identity.id, users, keep_alive
        make_folder(folder)
        self._secret = _secret(f"{folder}/token.secret")
        self._used = _Used(f"{folder}/assertions.used")

    def exchange(self, assertion: str, now: float) -> tuple[str, float]:
        """A token and the seconds that it lives. Raises AccessDenied."""
        user = self._known(_claims(assertion, None, NOT_VALID).get("iss"), NOT_VALID)
        claims = _claims(assertion, load_public(user.public_pem.encode()), NOT_VALID)
        if claims.get("sub") != user.id or claims.get("iss") != user.id:
            raise AccessDenied(NOT_VALID)
        if claims.get("aud") not in (self._own_id, [self._own_id]):
            raise AccessDenied(NOT_VALID)
        ends = _checked_end(claims, now)
        self._use(user, claims.get("jti"), ends, now)
        told = {"sub": user.id, "iat": now, "exp": now + self._keep_alive, "typ": TYPE}
        return jwt.encode(told, self._secret, algorithm="HS256"), self._keep_alive

    def user_of(self, token: str, now: float) -> User:
        """Raises AccessDenied."""
        claims = _claims(token, self._secret, BAD_TOKEN)
        if claims.get("typ") != TYPE:
            raise AccessDenied(BAD_TOKEN)
        if _seconds(claims, "exp", BAD_TOKEN) <= now:
            raise AccessDenied(EXPIRED)
        return self._known(claims.get("sub"), BAD_TOKEN)

    def _known(self, user_id: Any, refusal: str) -> User:
        if not isinstance(user_id, str):
            raise AccessDenied(refusal)
        user = self._users.get(user_id)
        if user is None or user.revoked is not None:
            raise AccessDenied(NOT_KNOWN)
        return user

    def _use(self, user: User, jti: Any, ends: float, now: float) -> None:
        if not isinstance(jti, str) or not 16 <= len(jti) <= 128:
            raise AccessDenied(NOT_VALID)
        name = hashlib.sha256(f"{user.id} {jti}".encode("utf-8", "surrogatepass")).hexdigest()
        if not self._used.add(name, math.ceil(ends + SKEW), now):
            raise AccessDenied(NOT_VALID)


class _Used:
    """Assertions that were used, each until it has expired, in a file with a line for each."""

    _LINE = re.compile(rb"([0-9]{1,11}) ([0-9a-f]{64})")
    _FEW = 1000  # lines with which the file is left alone

    def __init__(self, path: str):
        self._path = path
        self._lock = Lock()
        self._ends: dict[str, int] = {}
        lines = read(path).splitlines() if os.path.exists(path) else []
        for found in filter(None, map(self._LINE.fullmatch, lines)):
            self._ends[found[2].decode()] = int(found[1])
        self._lines, self._most = len(lines), self._FEW

    def add(self, name: str, ends: int, now: float) -> bool:
        """Whether it was never used before. Raises RegistryUnwritable."""
        with self._lock:
            if name in self._ends:
                return False
            if self._lines >= self._most:
                self._forget_old(now)
            self._append(name, ends)
            self._ends[name] = ends
            self._lines += 1
        return True

    def _append(self, name: str, ends: int) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            fd = os.open(self._path, flags, 0o600)
            try:
                # the line end is in front: what a kill or a full disk cut off stays by itself
                write_all(fd, f"\n{ends} {name}".encode())
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise unwritable(self._path, error) from error

    def _forget_old(self, now: float) -> None:
        left = {name: ends for name, ends in self._ends.items() if ends > now}
        publish(self._path, "\n".join(f"{ends} {name}" for name, ends in left.items()).encode())
        self._ends, self._lines = left, len(left)
        self._most = self._FEW + 2 * len(left)


def _secret(path: str) -> bytes:
    store_once(path, os.urandom(SECRET_SIZE))
    secret = read_secret(path)
    if len(secret) != SECRET_SIZE:
        raise DamagedFile(f"{path} is damaged: remove it, and clients will ask for new tokens")
    return secret


def _claims(text: str, key: RSAPublicKey | bytes | None, refusal: str) -> dict[str, Any]:
    """What ``text`` says, signed with ``key``; without one it proves nothing."""
    if not isinstance(text, str) or len(text) > LARGEST:
        raise AccessDenied(refusal)
    try:
        if key is None:
            payload = jwt.PyJWS().decode(text, options={"verify_signature": False})
        else:
            algorithms = ["HS256"] if isinstance(key, bytes) else [ALGORITHM]
            payload = jwt.PyJWS().decode(text, key, algorithms)
        claims = json.loads(payload)
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise AccessDenied(refusal) from error
    if not isinstance(claims, dict):
        raise AccessDenied(refusal)
    return claims


def _checked_end(claims: dict[str, Any], now: float) -> float:
    issued, ends = (_seconds(claims, name, NOT_VALID) for name in ("iat", "exp"))
    begins = max(issued, _seconds(claims, "nbf", NOT_VALID)) if "nbf" in claims else issued
    if not issued < ends <= issued + LONGEST or ends <= begins:
        raise AccessDenied(NOT_VALID)
    ahead, behind = begins - now, now - issued
    if ahead > SKEW or ends + SKEW <= now:
        differ = max(ahead, behind)
        raise AccessDenied(
            f"the clocks of this machine and the server differ by {math.ceil(differ)} s"
        )
    if ends > now + LONGEST:
        raise AccessDenied(NOT_VALID)
    return ends


def _seconds(claims: dict[str, Any], name: str, refusal: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < LATEST:
        raise AccessDenied(refusal)
    return float(value)
