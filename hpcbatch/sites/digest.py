"""The SHA-256 of a file, by which an upload is known to be whole."""

from __future__ import annotations

import hashlib

BLOCK = 1 << 20


def digest_of(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
