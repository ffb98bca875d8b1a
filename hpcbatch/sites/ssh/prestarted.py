"""Commands that were started before anybody has asked: each waits there for its one request, so
that this costs the way there and back once, and no start of an interpreter."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import Any

from ...words.errors import HpcbatchError
from .connection import Connection

log = logging.getLogger("hpcbatch.ssh")


class Prestarted:
    """At most ``count``, all of one command. They end with the connection."""

    def __init__(self, connection: Connection, count: int):
        self._connection, self._count = connection, count
        self._lock = threading.Lock()
        self._command = ""
        self._channels: list[Any] = []
        self._is_busy = False

    def take(self, command: str) -> Any:
        """A channel on which ``command`` runs; None where there is none."""
        with self._lock:
            while self._command == command and self._channels:
                channel = self._channels.pop(0)
                if _is_alive(channel):
                    return channel
                channel.close()
        return None

    def prepare(self, command: str) -> None:
        """Start what is missing, beside all else."""
        with self._lock:
            if self._is_busy:
                return
            self._is_busy = True
        threading.Thread(target=self._prepare, args=(command,), daemon=True).start()

    def close(self) -> None:
        with self._lock:
            channels, self._channels = self._channels, []
        for channel in channels:
            channel.close()

    def _prepare(self, command: str) -> None:
        try:
            if command != self._command:
                self.close()
                self._command = command
            while self._connection.is_connected and len(self._channels) < self._count:
                channel = self._connection.session(lambda words, shown: None)
                channel.exec_command(command)
                with self._lock:
                    self._channels.append(channel)
        except HpcbatchError as error:
            log.info("no spare: %s", error)
        except Exception as error:  # whatever it is of paramiko's many: it is only a spare
            log.info("no spare: %s: %s", type(error).__name__, error)
        finally:
            self._is_busy = False


def _is_alive(channel: Any) -> bool:
    with contextlib.suppress(AttributeError):
        is_over = channel.closed or channel.exit_status_ready() or channel.eof_received
        return channel.get_transport().is_active() and not is_over
    return False
