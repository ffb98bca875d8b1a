"""Secrets as a server remembers them."""

from __future__ import annotations

import hashlib


def hashed(secret: str) -> str:
    """One that is random and long needs no salt."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
