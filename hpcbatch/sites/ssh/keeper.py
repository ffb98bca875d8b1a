"""Keeps one connection, and shares it among commands: a process of its own behind a socket in a
folder that is its user's alone. It ends when nobody has used it for a while.

A client sends a REQUEST; it may be asked QUESTIONs until OPEN comes. From then on what it sends are
the bytes that its command reads, and it gets OUTPUT, COMPLAINT and, at the end, EXIT.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from ...disk.files import unlink_quietly
from ...disk.locks import held_if_free
from ...words.errors import HpcbatchError, SiteUnreachable
from ..wire import error_json
from . import frames, remote_paths
from .address import Address
from .connection import Connection
from .forwards import Forwards, feed, is_own, listening
from .frames import Messages
from .prestarted import Prestarted

TAIL = 1 << 14  # bytes of complaints that are passed on
PLACE_WITHIN = 60.0  # seconds that a command waits for others to end
IN_VAIN = 3.0  # seconds until it ends where no connection was made
LOOKS_EVERY = 1.0  # seconds, for whether it is to end
log = logging.getLogger("hpcbatch.ssh")


class ConnectionKeeper:
    """Serves ``path`` until nobody has come for ``keep`` seconds, or it is told to end; it keeps
    what was made once, and ``spares`` commands that wait there for a request."""

    def __init__(self, address: Address, path: str, keep: float, spares: int):
        self._address, self._path, self._keep = address, path, keep
        self._connection = Connection(address)
        self._spares = Prestarted(self._connection, spares)
        self._lock = threading.Lock()
        self._clients, self._used = 0, time.monotonic()
        self._ends = threading.Event()
        self._forwards = Forwards(self._connection, path, self._begin)

    def serve(self, listener: socket.socket) -> None:
        listener.settimeout(LOOKS_EVERY)
        self._listener = listener
        asleep = _seconds_asleep()
        while not self._is_over():
            if _seconds_asleep() > asleep + LOOKS_EVERY:  # the other side has given us up
                asleep = _seconds_asleep()
                self._connection.close()
            try:
                client = listener.accept()[0]
            except TimeoutError:
                continue
            except OSError:
                return  # told to end
            if is_own(client):
                self._begin(client, self._serve_client)
            else:
                client.close()

    def close(self) -> None:
        unlink_quietly(self._path)
        self._forwards.close()
        self._spares.close()
        self._connection.close()

    def _is_over(self) -> bool:
        with self._lock:
            idle = time.monotonic() - self._used if not self._clients else 0.0
        keep = self._keep if self._connection.has_stood else min(self._keep, IN_VAIN)
        return self._ends.is_set() or idle > keep

    def _begin(self, client: socket.socket, serve: Any, *more: Any) -> None:
        with self._lock:
            self._clients += 1
        client.settimeout(None)
        threading.Thread(target=self._serving, args=(client, serve, *more), daemon=True).start()

    def _serving(self, client: socket.socket, serve: Any, *more: Any) -> None:
        try:
            with client:
                serve(client, *more)
        except (OSError, EOFError, ValueError) as error:
            log.info("a client went away: %s", error)
        finally:
            with self._lock:
                self._clients -= 1
                self._used = time.monotonic()

    def _serve_client(self, client: socket.socket) -> None:
        messages = Messages(client.recv)
        asked = json.loads(messages.next()[1])
        asking = threading.Lock()

        def ask(words: str, shown: bool) -> str | None:
            with asking:
                client.sendall(frames.told(frames.QUESTION, {"words": words, "shown": shown}))
                answer = json.loads(messages.next()[1])
            return None if answer is None else str(answer)

        os.environ.update(asked.get("env", {}))
        try:
            if asked["do"] == "run":
                self._run(client, messages, str(asked["command"]), ask)
            elif asked["do"] == "forward":
                path = self._forwards.path(str(asked["host"]), int(asked["port"]))
                client.sendall(frames.told(frames.ANSWER, {"socket": path}))
            elif asked["do"] == "end":
                unlink_quietly(self._path)
                client.sendall(frames.told(frames.ANSWER, {"pid": os.getpid()}))
                self._ends.set()
                self._listener.shutdown(socket.SHUT_RDWR)
        except HpcbatchError as error:
            client.sendall(frames.told(frames.ERROR, error_json(error)))

    def _run(self, client: socket.socket, messages: Messages, command: str, ask: Any) -> None:
        with self._place(), contextlib.closing(self._started(command, ask)) as channel:
            client.sendall(frames.message(frames.OPEN, b""))
            threading.Thread(target=feed, args=(client, channel, messages), daemon=True).start()
            complaints = _Tail(channel)
            while output := channel.recv(frames.BLOCK):
                client.sendall(frames.message(frames.OUTPUT, output))
            client.sendall(frames.message(frames.COMPLAINT, complaints.end()))
            told = channel.exit_status_ready() or channel.status_event.wait(5)
            status = channel.recv_exit_status() if told else -1
            client.sendall(frames.told(frames.EXIT, status))
        if command == remote_paths.command() and status == 0:
            self._spares.prepare(command)

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        """Raises SiteUnreachable: some commands go on for long, such as the relay of a pool."""
        if not self._connection.slots.acquire(timeout=PLACE_WITHIN):
            raise SiteUnreachable(
                f"as many commands as may run at once at {self._address.login} go on there: close "
                "a pool, or wait"
            )
        try:
            yield
        finally:
            self._connection.slots.release()

    def _started(self, command: str, ask: Any) -> Any:
        """A channel on which it runs: one that waits for it, or a new one."""
        if (spare := self._spares.take(command)) is not None:
            self._spares.prepare(command)
            return spare
        channel = self._connection.session(ask)
        try:
            channel.exec_command(command)
        except Exception as error:  # whatever it is of paramiko's many
            self._connection.drop(channel.get_transport())
            raise SiteUnreachable(f"{self._address.login} runs nothing: {error}") from error
        return channel


class _Tail(threading.Thread):
    """The end of what a command writes to its standard error."""

    def __init__(self, channel: Any):
        super().__init__(daemon=True)
        self._channel, self._content = channel, b""
        self.start()

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while more := self._channel.recv_stderr(TAIL):
                self._content = (self._content + more)[-TAIL:]

    def end(self) -> bytes:
        self.join(5)
        return self._content


def _seconds_asleep() -> float:
    """Of this machine, since it came up: a laptop that was closed has lost its connections."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


def main() -> None:
    """What to keep comes on standard input. It ends once it listens, and leaves a child behind."""
    told = json.loads(sys.stdin.readline())
    os.umask(0o077)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    with held_if_free(f"{told['socket']}.lock") as is_free:
        if not is_free:
            return  # another one was quicker, or is about to end
        unlink_quietly(told["socket"])
        address = Address.read(told["login"])
        keeper = ConnectionKeeper(address, told["socket"], told["keep"], told["spares"])
        with listening(told["socket"]) as listener:
            if os.fork():
                os._exit(0)
            try:
                keeper.serve(listener)
            finally:
                keeper.close()


if __name__ == "__main__":
    main()
