"""A key that a server made for a user: a file with its card and the key, under a password."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..words.errors import KeyFileError, UsageError
from .known_sites import Card

_LINE = "hpcbatch-{}: {}\n"
_FIRST = re.compile(r"hpcbatch-user: (.*)\nhpcbatch-card: (\S+)\n(?=-----BEGIN ENCRYPTED)")
LONGEST = 65536  # bytes of such a file


@dataclass(frozen=True)
class IssuedKey:
    """``user`` is whom it was made for, as ``hpcbatch keys whoami`` told there."""

    user: str
    card: Card
    pem: bytes

    def to_bytes(self) -> bytes:
        """Raises UsageError for a user that is no line of text."""
        if not 0 < len(self.user) <= 200 or not self.user.isprintable():
            raise UsageError(f"{self.user!r} is not what hpcbatch keys whoami prints")
        head = _LINE.format("user", self.user) + _LINE.format("card", self.card)
        return head.encode() + self.pem

    @classmethod
    def read(cls, path: str) -> IssuedKey:
        """Raises KeyFileError."""
        try:
            with open(path, "rb") as file:
                text = file.read(LONGEST).decode("utf-8")
        except OSError as error:
            raise KeyFileError(f"cannot read {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise KeyFileError(f"{path} is no key that a server issued: {error}") from error
        found = _FIRST.match(text)
        if not found:
            raise KeyFileError(f"{path} is no key that a server issued (hpcbatch keys issue)")
        return cls(found[1], Card.read(found[2]), text[found.end() :].encode())
