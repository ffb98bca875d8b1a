"""Connections of workers, as they pass through one stream of bytes: the same at both ends.

Whoever writes to that stream waits until there is room, and so reads no more from sockets; what
comes out of it is never waited with, since others' words are behind it: it is kept for a socket
that takes nothing, and the other end is told to hold. A thread of its own does all of it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import selectors
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence

from ...words.errors import SiteUnreachable
from .pipe import GO_ON, HERE, HOLD, MADE, NUMBER, OVER, SAID, Pipe

BLOCK = 1 << 16  # bytes of one connection before it is another's turn
MUCH, LITTLE = 1 << 20, 1 << 18  # bytes kept for a socket: from here on hold, from here on go on
BEAT = 10.0  # seconds between two signs of life
PATIENCE = 5.0  # seconds for what is being written
MOST = 20_000  # connections: a stranger may open some as well
STRANGE = 40.0  # seconds: ZeroMQ ends earlier a connection that has no keys (ZMQ_HANDSHAKE_IVL)
SIGNATURE = 10  # bytes with which ZeroMQ begins (ZMTP 3), and two of them
SIGNS = ((0, b"\xff"), (9, b"\x7f"))

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class _Connection:
    def __init__(self, number: int, own: socket.socket, host: str):
        own.setblocking(False)
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number, self.socket, self.host = number, own, host
        self.begun = time.monotonic()
        self.kept = bytearray()  # for the socket
        self.said = b""  # before it is known
        self.is_known = False  # at the other end
        self.is_held = False  # by the other end
        self.holds = False  # the other end
        self.is_over = False  # at the other end

    @property
    def may_be_a_stranger(self) -> bool:
        return not self.is_known or time.monotonic() - self.begun < STRANGE

    @property
    def speaks_otherwise(self) -> bool:
        """It is no worker."""
        return any(self.said[at : at + 1] not in (b"", sign) for at, sign in SIGNS)


class Connections:
    """Made by whoever dials in at one of ``doors``, or by ``dial`` when the other end tells of one.
    ``beats``: tell the other end now and then that this one is there. Beyond ``most`` those leave
    that may be strangers."""

    def __init__(
        self,
        pipe: Pipe,
        doors: Sequence[socket.socket] = (),
        dial: Callable[[], socket.socket] | None = None,
        beats: bool = False,
        most: int = MOST,
    ):
        self._pipe, self._doors, self._dial, self._beats = pipe, doors, dial, beats
        self._most = most
        self._numbers = itertools.count(1)
        self._all: dict[int, _Connection] = {}
        self._inbox: deque[tuple[bytes, bytes]] = deque()
        self._selector = selectors.DefaultSelector()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._ends = False
        self._lock = threading.Lock()  # of the wake, which is closed at the end
        self._thread = threading.Thread(target=self._run, name="hpcbatch-relay-io", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def are_passed_on(self) -> bool:
        return self._thread.is_alive()

    def take(self, kind: bytes, payload: bytes) -> None:
        """What the other end has told of a connection; from any thread, and at once."""
        with self._lock:
            if not self._ends:
                self._inbox.append((kind, payload))
                os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """All of them, and the doors."""
        with self._lock:
            self._ends = True
            os.eventfd_write(self._wake, 1)
        for own in [*self._doors, *(each.socket for each in list(self._all.values()))]:
            with contextlib.suppress(OSError):  # at once, though a thread may wait for a stream
                own.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)
        if not self._thread.is_alive():  # else it waits for a stream that nobody reads
            os.close(self._wake)

    def _run(self) -> None:
        self._selector.register(self._wake, _READ)
        for door in self._doors:
            door.setblocking(False)
            self._selector.register(door, _READ, door)
        try:
            with contextlib.suppress(OSError, SiteUnreachable):  # the reader of the stream knows
                self._pass_on()
        finally:
            for own in [*self._doors, *(each.socket for each in self._all.values())]:
                own.close()
            self._selector.close()

    def _pass_on(self) -> None:
        beat = time.monotonic()
        while not self._ends:
            for key, mask in self._selector.select(BEAT):
                self._take_inbox()
                if isinstance(key.data, _Connection):
                    self._attend(key.data, mask)
                elif key.data is not None:
                    self._accept(key.data)
            if self._beats and time.monotonic() - beat > BEAT:
                beat = time.monotonic()
                self._pipe.send(HERE)

    def _take_inbox(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        while self._inbox:
            kind, payload = self._inbox.popleft()
            (number,) = NUMBER.unpack_from(payload)
            if kind == MADE:
                self._make(number)
            elif (found := self._all.get(number)) is not None:
                self._hear(found, kind, payload[NUMBER.size :])

    def _hear(self, found: _Connection, kind: bytes, content: bytes) -> None:
        if kind == SAID:
            found.kept += content
            self._flush(found)
        elif kind == OVER:
            found.is_over = True
            self._flush(found)
        else:
            found.is_held = kind == HOLD
            self._watch(found)

    def _make(self, number: int) -> None:
        if self._dial is None:
            return
        try:
            if not self._has_room():
                raise OSError("too many are connected")
            self._add(number, self._dial(), "").is_known = True
        except OSError:  # or the controller has just closed
            self._pipe.of(number, OVER)

    def _accept(self, door: socket.socket) -> None:
        try:
            client, address = door.accept()
        except OSError:  # it has gone again, or no more files can be opened
            time.sleep(0.05)
            return
        if self._has_room():
            self._add(next(self._numbers), client, address[0])
        else:
            client.close()

    def _has_room(self) -> bool:
        """Where every place is taken, the oldest leaves that may be a stranger, of the host that
        has most of them."""
        if len(self._all) >= self._most:
            strangers = [each for each in self._all.values() if each.may_be_a_stranger]
            if strangers:
                [(host, _)] = Counter(each.host for each in strangers).most_common(1)
                self._drop(next(each for each in strangers if each.host == host))
        return len(self._all) < self._most

    def _add(self, number: int, own: socket.socket, host: str) -> _Connection:
        made = self._all[number] = _Connection(number, own, host)
        self._selector.register(own, _READ, made)
        return made

    def _attend(self, found: _Connection, mask: int) -> None:
        if found.number not in self._all:
            return
        if mask & _WRITE:
            self._flush(found)
        if mask & _READ and found.number in self._all and not found.is_held:
            try:
                content = found.socket.recv(BLOCK)
            except BlockingIOError:
                return
            except OSError:
                content = b""
            if not found.is_known:
                found.said += content
            if not content or found.speaks_otherwise:
                self._drop(found)
            elif found.is_known:
                self._pipe.of(found.number, SAID, content)
            elif len(found.said) >= SIGNATURE:
                found.is_known = True
                self._pipe.of(found.number, MADE)
                self._pipe.of(found.number, SAID, found.said)
                found.said = b""

    def _flush(self, found: _Connection) -> None:
        kept = found.kept
        try:
            while kept and (count := found.socket.send(memoryview(kept)[:BLOCK])):
                del kept[:count]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(found)
            return
        if found.is_over and not kept:
            self._drop(found)
            return
        if len(kept) > MUCH and not found.holds:
            found.holds = True
            self._pipe.of(found.number, HOLD)
        elif len(kept) < LITTLE and found.holds:
            found.holds = False
            self._pipe.of(found.number, GO_ON)
        self._watch(found)

    def _watch(self, found: _Connection) -> None:
        """For what can happen to its socket now."""
        events = (0 if found.is_held else _READ) | (_WRITE if found.kept else 0)
        known = self._selector.get_map().get(found.socket.fileno())
        if known is None and events:
            self._selector.register(found.socket, events, found)
        elif known is not None and events and known.events != events:
            self._selector.modify(found.socket, events, found)
        elif known is not None and not events:
            self._selector.unregister(found.socket)

    def _drop(self, found: _Connection) -> None:
        del self._all[found.number]
        if found.socket.fileno() in self._selector.get_map():
            self._selector.unregister(found.socket)
        found.socket.close()
        if found.is_known and not found.is_over:
            self._pipe.of(found.number, OVER)
