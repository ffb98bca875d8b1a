"""Where a site over SSH is: ``ssh://[user@]host[:port][/folder of its registry]``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from ...words.errors import UsageError

SCHEMES = ("ssh", "ssh+http", "ssh+https")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}\Z|[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?\Z")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+$\\-]{0,63}\Z")


@dataclass(frozen=True)
class Address:
    """``host`` may be a name from ~/.ssh/config, which then tells user and port. ``root`` is the
    registry there; empty: its own default. ``tunnel``: a server behind it is meant."""

    host: str
    user: str = ""
    port: int | None = None
    root: str = ""
    tunnel: bool = False

    @classmethod
    def read(cls, text: str) -> Address:
        """Raises UsageError."""
        try:
            split = urlsplit(text)
            scheme, host, port = split.scheme, split.hostname or "", split.port
        except ValueError:
            scheme, host, port = "", "", None
        user, root = "", ""
        if scheme in SCHEMES:
            # as it was written: urlsplit makes capitals small, which names in a configuration have
            written = split.netloc.rpartition("@")[2]
            host = host if written.startswith("[") else written.partition(":")[0]
            user, root = unquote(split.username or ""), unquote(split.path)
        root = root.removeprefix("/") if root.startswith("/~") else root.rstrip("/")
        is_right = (
            scheme in SCHEMES
            and _HOST.match(host)
            and (not user or _USER.match(user))
            and port != 0
            and not (split.query or split.fragment or split.password)
            and root.isprintable()
        )
        if not is_right:
            raise UsageError(
                f"{text!r} is no address of a site, such as ssh://me@login.cluster (a port and the "
                "folder of a registry may follow: ssh://me@login:2222/scratch/me/hpcbatch)"
            )
        return cls(host, user, port, root, scheme != "ssh")

    def __str__(self) -> str:
        user = f"{quote(self.user)}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        slash = "/" if self.root.startswith("~") else ""
        scheme = "ssh+http" if self.tunnel else "ssh"
        return f"{scheme}://{user}{host}{port}{slash}{quote(self.root, safe='/~')}"

    @property
    def login(self) -> str:
        """Without the registry: what a connection is made to."""
        return str(Address(self.host, self.user, self.port))
