"""A client that connects and does not ask is put off: it would hold one of few connections."""

from __future__ import annotations

from asyncio import TimerHandle
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from .connection_limit import LimitedListener

ASKS_WITHIN = 20.0  # seconds from a first byte, or from the connection, to the end of the headers


class ImpatientProtocol(H11Protocol):
    """uvicorn's own protocol, with a deadline for what comes before a request."""

    _deadline: TimerHandle | None = None

    def __init__(self, *args: Any, door: LimitedListener | None = None, **more: Any):
        super().__init__(*args, **more)
        self._door = door

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        if self._door is not None and peer is not None:  # else it has gone again
            self._door.greeted(peer[:2])
        self._await_request()

    def data_received(self, data: bytes) -> None:
        if self._deadline is None and not self._is_answering():
            self._await_request()
        super().data_received(data)
        if self._is_answering():
            self._forget()

    def handle_websocket_upgrade(self, event: Any) -> None:
        self._forget()  # it is another protocol's from now on
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _await_request(self) -> None:
        self._deadline = self.loop.call_later(ASKS_WITHIN, self.transport.abort)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete
