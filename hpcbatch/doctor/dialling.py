"""Whether a node can dial in here, as workers of a pool do."""

from __future__ import annotations

import contextlib
import hmac
import secrets
import socket
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..pool.addresses import endpoint_of, listen
from ..words.finding import Finding, fine, note

SPEAKS_WITHIN = 5.0  # seconds


class DialTest(NamedTuple):
    """What a node is told: ``addresses``, best first, and the ``word`` to say there. It is answered
    by the same word backwards."""

    addresses: list[tuple[str, int]]
    word: str


@contextlib.contextmanager
def opened(is_local: bool) -> Iterator[DialTest]:
    """Answers those who know the word; ``is_local``: the node is this host."""
    endpoint = endpoint_of(is_local, None, None)
    word = secrets.token_hex(16)
    with listen(endpoint.bind, 0) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=_answer_all, args=(listener, word), daemon=True)
        thread.start()
        try:
            yield DialTest([(host, port) for host in endpoint.hosts], word)
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(SPEAKS_WITHIN)


def _answer_all(listener: socket.socket, word: str) -> None:
    while True:
        try:
            client = listener.accept()[0]
        except ConnectionAbortedError:
            continue
        except OSError:  # it was shut down
            return
        threading.Thread(target=_answer, args=(client, word), daemon=True).start()


def _answer(client: socket.socket, word: str) -> None:
    with client, contextlib.suppress(OSError):
        client.settimeout(SPEAKS_WITHIN)
        if hmac.compare_digest(client.recv(len(word)), word.encode()):
            client.sendall(word[::-1].encode())


def dialled(told: dict[str, Any] | None) -> Finding:
    """``told``: what the node found of each address, empty where it was answered there; None where
    it did not tell."""
    if told is None:
        return note("dialling in", "the node has not told whether it can")
    reached = [host for host, why in told.items() if not why]
    if reached:
        others = len(told) - len(reached)
        return fine(
            "dialling in",
            f"the node reaches this host at {', '.join(reached)}"
            + (f", and not at {others} of its other addresses" if others else ""),
        )
    whys = "; ".join(f"{host}: {why}" for host, why in told.items())
    return note(
        "dialling in",
        f"the node does not reach this host ({whys})",
        "tasks do not need it; for a pool, name host=, interface= or port= of the Controller, open "
        "a port in the firewall, or go through a relay: site=",
    )
