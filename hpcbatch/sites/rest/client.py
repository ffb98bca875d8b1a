"""Requests to a server: proven to be the one that is known, with a token that is renewed."""

from __future__ import annotations

import contextlib
import json
import os
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from ...disk.exposure import READS, exposure
from ...words.errors import HpcbatchError, ServerChanged, SiteUnreachable
from ..keys import GRANT, assertion
from ..patience import Patience
from ..run_file import UNIX
from ..wire import error_from
from .pinned import PinnedContext

TIMEOUT = httpx.Timeout(60, connect=10)  # seconds
EARLY = 30.0  # seconds before its end a token is renewed
PAUSES = (0.2, 2.0)  # seconds between two tries: the first, and the longest
CUTS = 4  # times that a first request is sent
PATIENCE = 60.0  # seconds that a lost connection is tried again
AGAIN = (502, 503, 504)  # of proxies, or of a server that starts; ours says it with Retry-After


class Client:
    """Speaks to the server at ``address`` whose key has the hash ``known``; without ``key`` as
    nobody in particular; ``through`` a socket that leads there, if any."""

    def __init__(self, address: str, known: str, key: RSAPrivateKey | None, through: str = ""):
        self.address, self._known, self._key = address.rstrip("/"), known, key
        self._token, self._ends = "", 0.0
        self._was_there = False
        self._http = _http(self.address, known, through)
        weakref.finalize(self, self._http.close)  # handles come and go: nobody closes a site

    def ask(self, path: str, body: Any = None) -> Any:
        """The JSON answer. A lost connection is tried again for a minute: every request of ours
        may be repeated. Raises what the server raised, SiteUnreachable, ServerChanged."""
        return self._patiently(lambda: self._posted(path, body))

    def ask_removal(self, path: str, body: Any) -> None:
        """Like ``ask``; what a lost answer has removed is no error at the next try."""
        self.patience().kept_removal(lambda: self._answered(lambda: self._posted(path, body)))

    def get(self, path: str) -> Any:
        """The JSON answer to what only looks."""
        return self._patiently(lambda: self._http.get(path, headers=self._headers()))

    def upload(self, path: str, content: bytes, **where: str | int) -> Any:
        """The JSON answer to bytes that belong at a place in a file."""
        return self._patiently(
            lambda: self._http.put(path, params=where, content=content, headers=self._headers())
        )

    @contextlib.contextmanager
    def stream(self, path: str, body: Any) -> Iterator[Iterator[bytes]]:
        """The answer as it comes; whoever reads asks again for what is missing."""
        try:
            answer = self._sent(path, body)
            if answer.status_code == 401 and self._ends:
                answer.close()
                self._ends = 0.0
                answer = self._sent(path, body)
            with contextlib.closing(answer):
                if answer.status_code >= 400:
                    answer.read()
                _check(answer)
                self._was_there = True
                yield answer.iter_bytes()
        except httpx.TransportError as error:
            raise _unreachable(self.address, error) from error

    def patience(self) -> Patience:
        """With a server that was there, and is away."""
        return Patience(PAUSES, PATIENCE, self._may_come)

    def _may_come(self, error: SiteUnreachable, tries: int) -> bool:
        was_cut = isinstance(error.__cause__, (httpx.ReadError, httpx.RemoteProtocolError))
        return self._was_there or (was_cut and tries < CUTS)  # of a full server

    def _answered(self, send: Callable[[], httpx.Response]) -> Any:
        """The JSON answer of one try."""
        try:
            answer = send()
            if answer.status_code == 401 and self._ends:  # a server with another secret, say
                self._ends = 0.0
                answer = send()
        except httpx.TransportError as error:
            raise _unreachable(self.address, error) from error
        _check(answer)
        self._was_there = True
        return answer.json()

    def _patiently(self, send: Callable[[], httpx.Response]) -> Any:
        return self.patience().kept(lambda: self._answered(send))

    def _posted(self, path: str, body: Any) -> httpx.Response:
        return self._http.post(path, json=body, headers=self._headers())

    def _sent(self, path: str, body: Any) -> httpx.Response:
        """The answer, of which nothing was read yet."""
        request = self._http.build_request("POST", path, json=body, headers=self._headers())
        return self._http.send(request, stream=True)

    def _headers(self) -> dict[str, str]:
        if self._key is None:
            return {}
        if time.time() > self._ends:
            form = {
                "grant_type": GRANT,
                "assertion": assertion(self._key, self._known, time.time()),
            }
            answer = self._http.post("/validate/token", data=form)
            _check(answer)
            told = answer.json()
            self._token = told["access_token"]
            self._ends = time.time() + told["expires_in"] - min(EARLY, told["expires_in"] / 2)
        return {"Authorization": f"Bearer {self._token}"}


def _http(address: str, known: str, through: str | None) -> httpx.Client:
    if address.startswith(UNIX):
        path = address.removeprefix(UNIX)
        _check_own(path)
        transport = httpx.HTTPTransport(uds=path)
        return _client(transport=transport, base_url="http://localhost")
    verify: Any = PinnedContext(known) if address.startswith("https:") else True
    way = httpx.HTTPTransport(verify=verify, uds=through) if through else None
    return _client(base_url=address, verify=verify, transport=way)


def _client(**options: Any) -> httpx.Client:
    """Hazard: a proxy that the environment names would get our tokens, and know no 127.0.0.1."""
    return httpx.Client(trust_env=False, timeout=TIMEOUT, **options)


def _check_own(path: str) -> None:
    """Raises ServerChanged where somebody else could have put a socket."""
    try:
        found = os.stat(os.path.dirname(path))
    except OSError as error:
        raise SiteUnreachable(f"{UNIX}{path} is not there: hpcbatch server status") from error
    if how := exposure(found, READS):
        raise ServerChanged(f"others can put a socket beside {path} ({how}): nothing was sent")


def _check(answer: httpx.Response) -> None:
    if answer.status_code < 400:
        return
    try:
        told = json.loads(answer.content)
        error: HpcbatchError = error_from({"message": told["message"], **told})
    except (ValueError, TypeError, KeyError):
        error = HpcbatchError(f"{answer.url} answers {answer.status_code} {answer.reason_phrase}")
        if answer.status_code in AGAIN:
            error = SiteUnreachable(str(error))
    raise error


def _unreachable(address: str, error: httpx.TransportError) -> HpcbatchError:
    cause = error.__cause__ or error.__context__
    while cause is not None:
        if isinstance(cause, ServerChanged):
            return cause
        cause = cause.__cause__ or cause.__context__
    return SiteUnreachable(
        f"{address} does not answer ({error}): is the server running there (hpcbatch server "
        "status), and does a tunnel or a network lead to it?"
    )
