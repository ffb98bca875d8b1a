"""TLS to a server that is known by the hash of its key, whatever its name and address are."""

from __future__ import annotations

import socket
import ssl
from typing import Any

from ...words.errors import ServerChanged
from ..keys import certificate_key_id


class PinnedContext(ssl.SSLContext):
    """Compares the server's key before a byte is sent. Its certificate is nobody's business: it
    is self-made, and names addresses that tunnels change."""

    known: str  # the key's hash

    def __new__(cls, known: str) -> PinnedContext:
        context = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.known = known
        return context

    def wrap_socket(self, sock: socket.socket, *args: Any, **options: Any) -> ssl.SSLSocket:
        """Raises ServerChanged."""
        wrapped = super().wrap_socket(sock, *args, **options)
        try:
            self._check(wrapped.getpeercert(binary_form=True))
        except ServerChanged:
            wrapped.close()
            raise
        return wrapped

    def _check(self, found: bytes | None) -> None:
        if not found or certificate_key_id(found) != self.known:
            raise ServerChanged(
                "the server that answers is not the one that is known: its key has changed, or "
                "somebody sits in between. Nothing was sent. If its owner says that the key is "
                "new, have a new card printed there (hpcbatch keys add) and run hpcbatch site add"
            )

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        raise NotImplementedError("only connections that are checked at once")
