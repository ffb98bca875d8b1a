"""A client that connects and does not ask is put off: it would hold one of few connections."""

from __future__ import annotations

from asyncio import TimerHandle
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from .crowd import Door, Peer

ASKS_WITHIN = 20.0  # seconds from a first byte, or from the connection, to the end of the headers


class Prompt(H11Protocol):
    """uvicorn's own protocol, with a deadline for what comes before a request, which tells the door
    when something is answered."""

    _deadline: TimerHandle | None = None
    _is_upgraded = False

    def __init__(self, *args: Any, door: Door | None = None, **more: Any):
        super().__init__(*args, **more)
        self._door = door

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self._door is not None:
            self._door.greeted(self._peer)
        self._await_request()

    def data_received(self, data: bytes) -> None:
        if self._deadline is None and not self._is_asked():
            self._await_request()
        super().data_received(data)
        self._notice()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._notice()

    def handle_websocket_upgrade(self, event: Any) -> None:
        self._is_upgraded = True
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    @property
    def _peer(self) -> Peer:
        host, port = self.transport.get_extra_info("peername")[:2]
        return host, port

    def _notice(self) -> None:
        is_asked = self._is_asked()
        if is_asked:
            self._forget()
        if self._door is not None:
            is_whole = is_asked and (self._is_upgraded or not self.cycle.more_body)
            tell = self._door.answering if is_whole else self._door.answered
            tell(self._peer)

    def _await_request(self) -> None:
        self._deadline = self.loop.call_later(ASKS_WITHIN, self.transport.abort)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _is_asked(self) -> bool:
        """There is a request's head, and no whole answer."""
        is_answering = self.cycle is not None and not self.cycle.response_complete
        return is_answering or self._is_upgraded
