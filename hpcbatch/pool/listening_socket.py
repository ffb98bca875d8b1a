"""The pool's door to the network: one socket that all workers dial in to, and who may."""

from __future__ import annotations

import logging
from socket import has_dualstack_ipv6
from typing import Any

import zmq

from ..words.errors import UsageError
from ..worker.link import has_message, set_heartbeat
from .addresses import bracketed, is_ipv6
from .key_check import KeyCheck

log = logging.getLogger("hpcbatch.pool")

_WATCHED = zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL


class ListeningSocket:
    """Open until ``close``. The keys are text in Z85, as CURVE has them; workers know the client's
    and, of the server's, the public one."""

    def __init__(self, heartbeat: float):
        self.client_key, self.client_secret = zmq.curve_keypair()
        self.server_key, secret = zmq.curve_keypair()
        self._context = zmq.Context(io_threads=1)
        self.key_check = KeyCheck(self._context, self.client_key)
        self.router: Any = self._context.socket(zmq.ROUTER)
        self.router.router_mandatory = True
        self.router.linger = 0
        self.router.backlog = 1024  # all workers of an array come at once
        self.router.sndhwm = self.router.rcvhwm = 0
        self.router.curve_server = True
        self.router.curve_secretkey = secret
        set_heartbeat(self.router, heartbeat)
        self._monitor: Any = self.router.get_monitor_socket(_WATCHED)
        self.fd, self.monitor_fd = self.router.FD, self._monitor.FD

    def bind(self, host: str, port: int) -> int:
        """Listen at ``host`` (``*`` for all); returns the port, chosen where ``port`` is 0. Raises
        UsageError where it cannot."""
        self.router.ipv6 = has_dualstack_ipv6() if host == "*" else is_ipv6(host)
        try:
            self.router.bind(f"tcp://{bracketed(host)}:{port or '*'}")
        except zmq.ZMQError as error:
            raise UsageError(f"cannot listen at {host}:{port}: {error.strerror}") from error
        bound = self.router.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()
        return int(bound.rpartition(":")[2])

    def was_cut(self) -> bool:
        """Whether a connection was cut since it was asked last."""
        is_cut = False
        while has_message(self._monitor):
            told = self._monitor.recv_multipart(zmq.NOBLOCK)
            event = int.from_bytes(told[0][:2], "little")
            is_cut = is_cut or event == zmq.EVENT_DISCONNECTED
            if event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
                log.warning("a stranger was not let in: it does not speak as a worker does")
        return is_cut

    def close(self) -> None:
        self.router.disable_monitor()
        self._monitor.close(linger=0)
        self.key_check.close()
        self.router.close(linger=500)
        self._context.term()
