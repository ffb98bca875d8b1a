"""Sockets here that lead, through a connection, to ports which its login node reaches."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

from ...disk.files import unlink_quietly
from ...words.errors import HpcbatchError
from . import frames
from .connection import Connection
from .frames import Messages

log = logging.getLogger("hpcbatch.ssh")


class Forwards:
    """Beside the socket ``base``. ``begin`` serves a client beside all others."""

    def __init__(self, connection: Connection, base: str, begin: Callable[..., None]):
        self._connection, self._base, self._begin = connection, base, begin
        self._lock = threading.Lock()
        self._paths: dict[tuple[str, int], str] = {}

    def path(self, host: str, port: int) -> str:
        """Of the socket that leads there, made where there is none."""
        with self._lock:
            if (host, port) in self._paths:
                return self._paths[host, port]
            path = self._paths[host, port] = f"{self._base}.{len(self._paths)}"
            unlink_quietly(path)
            listener = listening(path)
        where = listener, host, port
        threading.Thread(target=self._accept, args=where, daemon=True).start()
        return path

    def close(self) -> None:
        for path in self._paths.values():
            unlink_quietly(path)

    def _accept(self, listener: socket.socket, host: str, port: int) -> None:
        while True:
            client = listener.accept()[0]
            if is_own(client):
                self._begin(client, self._serve, host, port)
            else:
                client.close()

    def _serve(self, client: socket.socket, host: str, port: int) -> None:
        try:
            channel = self._connection.direct(host, port, lambda words, shown: None)
        except HpcbatchError as error:
            log.warning("%s:%s: %s", host, port, error)
            return
        with contextlib.closing(channel):
            threading.Thread(target=feed, args=(client, channel), daemon=True).start()
            while content := channel.recv(frames.BLOCK):
                client.sendall(content)
            client.shutdown(socket.SHUT_RDWR)


def listening(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    os.chmod(path, 0o600)
    listener.listen(64)
    return listener


def is_own(client: socket.socket) -> bool:
    """Whether it is a process of this very user."""
    credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1]) == os.getuid()


def feed(client: socket.socket, channel: Any, messages: Messages | None = None) -> None:
    """Pass on what a client sends, to its end."""
    with contextlib.suppress(OSError, EOFError):
        with contextlib.suppress(ConnectionResetError):  # of a client that was killed
            if messages is not None and messages.held():
                channel.sendall(messages.held())
            while content := client.recv(1 << 16):
                channel.sendall(content)
        channel.shutdown_write()
