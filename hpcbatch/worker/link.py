"""A worker's connection to its controller: tried, made again after a cut, and given up.

A connection has an identity of its own: what was sent before a cut is void, and the controller
gives out again what this worker held then.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

import zmq

from ..disk.files import read
from ..words.door import Door
from ..words.errors import HpcbatchError
from . import wire

PATIENCE = 20.0  # seconds for a first answer: the controller may just be starting
BUSY = 180.0  # the same where somebody accepts: a controller that hundreds come to at once
# seconds for an answer, then the next address is tried: the first, and the longest
ANSWER = (3.0, 30.0)
AGAIN = (0.2, 2.0)  # seconds between two tries: the first, and the longest
PROBE = 2.0  # seconds that an address has to accept

_ENDED = zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
_WATCHED = _ENDED | zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL

_EVENTS, _RCVMORE, _POLLIN = zmq.EVENTS, zmq.RCVMORE, int(zmq.POLLIN)
_NOBLOCK, _MORE = int(zmq.NOBLOCK), int(zmq.SNDMORE)

Message = tuple[bytes, bytes, Sequence[Any]]


class Link:
    """Not for two threads at once: whoever uses it holds the worker's lock."""

    def __init__(self, door: Door, path: str, hello: bytes):
        """``path`` is the door's file, which a pool that closes removes."""
        self._door, self._path, self._hello = door, path, hello
        self._context = zmq.Context(io_threads=1)
        self._turn = 0
        self._address = ""
        self._socket: Any = None
        self._monitor: Any = None
        self.is_welcome = False
        self.was_welcome = False
        self._why = ""  # there is no connection
        self._began = self._since = time.monotonic()
        self._first_patience = max(PATIENCE, door.patience)
        self._asked = 0.0
        self._pause, self._answer = AGAIN[0], ANSWER[0]
        self._filenos: list[int] = []
        self._monitor_poll = select.poll()

    def connect(self) -> None:
        """To the next address that accepts; raises OSError when none does."""
        addresses = self._door.addresses
        tried = [addresses[(self._turn + n) % len(addresses)] for n in range(len(addresses))]
        failures = []
        for address in tried:
            self._turn += 1
            self._address = address
            try:
                reached = _reached(address)
            except OSError as error:
                failures.append(f"{address}: {error.strerror or error}")
                continue
            self._open(reached)
            return
        raise OSError("no address of the controller accepts: " + "; ".join(failures))

    def filenos(self) -> list[int]:
        """What to poll: before, ``receive`` must have told of nothing since anything was sent."""
        return self._filenos

    def send(self, kind: bytes, body: bytes, parts: Sequence[Any] = ()) -> None:
        """Void while there is no connection."""
        if self._socket is None:
            return
        send_frames(self._socket, (kind + body,), parts)

    def receive(self) -> Message | None:
        """What has come next; where nothing has, notices a cut, and goes on connecting."""
        while True:  # a new socket tells of nothing before it was asked in vain
            if self._socket is not None and has_message(self._socket):
                message = receive_frames(self._socket)
                if message[0] == wire.UNKNOWN:
                    self._look(is_cut=True)
                    continue
                if message[0] == wire.WELCOME:
                    self.is_welcome = self.was_welcome = True
                    self._pause, self._answer = 0.0, ANSWER[0]  # back at once after a cut
                    self._since = time.monotonic()
                return message
            if not self._look(is_cut=False):
                return None

    def is_gone(self) -> bool:
        """Whether the controller has been away for so long that it will not come back."""
        if not self.is_welcome and not os.path.exists(self._path):
            return True
        patience = self._door.patience if self.was_welcome else self._first_patience
        return not self.is_welcome and time.monotonic() - self._since > patience

    def seconds(self) -> float:
        """Until ``receive`` is to be called though nothing came."""
        return 3600.0 if self.is_welcome else 0.25

    def close(self) -> None:
        """Once what was sent is on its way, which is waited for up to a second."""
        self._close(linger=1000)
        self._context.term()

    def _open(self, address: str) -> None:
        made = self._context.socket(zmq.DEALER)
        made.linger = 0
        made.sndhwm = made.rcvhwm = 0
        made.routing_id = os.urandom(8)
        made.curve_serverkey = self._door.server_key.encode()
        made.curve_publickey = self._door.client_key.encode()
        made.curve_secretkey = self._door.client_secret.encode()
        set_heartbeat(made, self._door.heartbeat)
        made.ipv6 = "[" in address
        self._monitor = made.get_monitor_socket(_WATCHED)
        made.connect(address)
        self._socket = made
        self._filenos = [made.FD, self._monitor.FD]
        self._monitor_poll = select.poll()
        self._monitor_poll.register(self._filenos[1], select.POLLIN)
        has_message(self._monitor)  # as of any socket, see ``receive``
        self._asked = time.monotonic()
        if not self.was_welcome and self._asked < self._began + BUSY:
            self._since = self._asked
        self.send(wire.HELLO, self._hello)

    def _look(self, is_cut: bool) -> bool:
        """At what became of the connection; whether there is a new one."""
        if self._monitor is not None and self._monitor_poll.poll(0):
            while has_message(self._monitor):
                self._monitor.recv_multipart(zmq.NOBLOCK)
                is_cut = True
        if not is_cut and self.is_welcome:
            return False
        now = time.monotonic()
        if is_cut and self.is_welcome:
            self.is_welcome, self._since = False, now
        if is_cut or now - self._asked > self._answer:
            if self._socket is not None and not self.was_welcome:
                self._tell(
                    f"{self._address} accepts, and does not take the pool's keys: is somebody "
                    "else there?"
                )
            self._close(linger=0)
        if self._socket is not None or now - self._asked < self._pause:
            return False
        self._asked = now
        self._pause = min(max(self._pause * 1.5, AGAIN[0]), AGAIN[1])
        self._answer = min(self._answer * 1.5, ANSWER[1])
        try:
            self._read_door()
            self.connect()
        except OSError as error:  # ``is_gone`` tells when that was too often
            self._tell(str(error))
            return False
        return True

    def _read_door(self) -> None:
        """Again: a relay that was started anew may be elsewhere. ``is_gone`` tells of one that is
        no more there."""
        with contextlib.suppress(OSError, ValueError, TypeError, HpcbatchError):
            self._door = Door.from_json(json.loads(read(self._path)))

    def _tell(self, why: str) -> None:
        """To the log, where a person or the pool's check looks for it; not time and again."""
        if why != self._why:
            self._why = why
            print(f"hpcbatch: {why}", file=sys.stderr, flush=True)

    def _close(self, linger: int) -> None:
        if self._socket is not None:
            self._socket.disable_monitor()
            self._monitor.close(linger=0)
            self._socket.close(linger=linger)
            self._socket = self._monitor = None
            self._filenos = []


def has_message(found: Any) -> bool:
    """Like ``EVENTS & POLLIN``, a third of its time."""
    return bool(found.get(_EVENTS) & _POLLIN)


def send_frames(to: Any, heads: Sequence[bytes], parts: Sequence[Any] = ()) -> None:
    """A message: ``heads`` are copied, ``parts`` are not. Flags that are plain numbers take a
    fifth of the time of pyzmq's own."""
    for frame in heads[:-1]:
        to.send(frame, _NOBLOCK | _MORE)
    if not parts:
        to.send(heads[-1], _NOBLOCK)
        return
    to.send(heads[-1], _NOBLOCK | _MORE)
    for frame in parts[:-1]:
        to.send(frame, _NOBLOCK | _MORE, copy=False)
    to.send(parts[-1], _NOBLOCK, copy=False)


def receive_frames(found: Any) -> Message:
    """The next message, without the identity that a ROUTER puts before it; there must be one."""
    content = found.recv(_NOBLOCK)
    parts = []
    while found.get(_RCVMORE):
        parts.append(found.recv(_NOBLOCK, copy=False))
    return content[:1], content[1:], parts


def set_heartbeat(made: Any, seconds: float) -> None:
    """libzmq's own, which goes on while C code holds the interpreter."""
    made.heartbeat_ivl = int(seconds * 1000)
    made.heartbeat_timeout = made.heartbeat_ttl = int(seconds * 3000)


def _reached(address: str) -> str:
    """``address`` with the one of its name's that accepts. Raises OSError where none does."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    socket_address: Any = (
        host.strip("[]").encode(),
        int(port),
    )  # as text it would load Python's idna
    with socket.create_connection(socket_address, PROBE) as accepted:
        found = accepted.getpeername()[0]
    return f"tcp://[{found}]:{port}" if ":" in found else f"tcp://{found}:{port}"
