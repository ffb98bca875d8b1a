"""One request to the login node, and its answer; asked again when the connection was lost."""

from __future__ import annotations

import contextlib
import json
import os
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from ...words.errors import SiteNotReady, SiteUnreachable
from ...words.version import PYTHON, VERSION
from ..patience import Patience
from ..wire import error_from, warning_from
from . import frames, remote_paths
from .frames import Messages
from .keeper_client import Line, Stream

PAUSES = (0.2, 30.0)  # seconds between two tries: the first, and the longest
PATIENCE = 600.0  # seconds that a lost connection is tried again: a laptop may change networks
NOT_FOUND = (126, 127, 2)  # a shell's word for a script that is not there


class Answer:
    """What comes back, message by message."""

    def __init__(self, stream: Stream, login: str, mark: bytes):
        self._stream, self._login = stream, login
        self._messages = Messages(stream.read)
        self._mark: bytes | None = mark

    def send(self, kind: bytes, payload: bytes) -> None:
        self._stream.send(frames.message(kind, payload))

    def next(self) -> tuple[bytes, Any]:
        """Raises what was raised there; SiteUnreachable, SiteNotReady."""
        while True:
            try:
                if self._mark is not None:
                    self._messages.skip_behind(self._mark)
                    self._mark = None
                kind, payload = self._messages.next()
            except EOFError:
                raise self._cut_off() from None
            if kind == frames.DATA:
                return kind, frames.unpacked(payload)
            if kind == frames.GO_ON:
                return kind, json.loads(payload)
            if kind == frames.WARNING:
                warnings.warn(warning_from(json.loads(payload)), stacklevel=2)
                continue
            told = json.loads(frames.unpacked(payload))
            if kind == frames.ERROR:
                raise error_from(told)
            return kind, told

    def message(self) -> tuple[bytes, bytes]:
        """The next one as it came, of a verb that talks on. Raises EOFError."""
        return self._messages.next()

    def data(self) -> Iterator[bytes]:
        """What comes before the answer proper."""
        kind, told = self.next()
        while kind == frames.DATA:
            yield told
            kind, told = self.next()

    def last(self) -> Any:
        """The answer proper, behind which nothing comes."""
        kind, told = self.next()
        while kind != frames.ANSWER:
            kind, told = self.next()
        return told

    def _cut_off(self) -> SiteNotReady | SiteUnreachable:
        status, said = self._stream.status, self._stream.complaint.strip()
        if self._mark is None or status is None:
            return SiteUnreachable(f"the connection to {self._login} was lost")
        if status in NOT_FOUND:
            return SiteNotReady(
                f"there is no hpcbatch {VERSION} for Python {PYTHON} at {self._login}: "
                f"run hpcbatch remote setup {self._login}"
            )
        return SiteNotReady(
            f"hpcbatch does not run at {self._login} (exit status {status}): "
            f"{said[-2000:] or 'it says nothing'}"
        )


class Exchange:
    """With the registry ``root`` at the host ``login``."""

    def __init__(self, line: Line, root: str):
        self.line, self._root = line, root
        self.was_there = False

    def ask(self, verb: str, **asked: Any) -> Any:
        """The answer, of a verb that may be asked again."""

        def once() -> Any:
            with self.begun(verb, **asked) as answer:
                return answer.last()

        return self.patience().kept(once)

    @contextlib.contextmanager
    def begun(self, verb: str, module: str = "", **asked: Any) -> Iterator[Answer]:
        """``module`` knows the verb there, where it is no usual one."""
        mark = os.urandom(16).hex()
        with self.line.run(remote_paths.command(module)) as stream:
            told = {"verb": verb, "root": self._root, "mark": mark, **asked}
            stream.send(frames.told(frames.REQUEST, told))
            self.was_there = True
            yield Answer(stream, self.line.login, mark.encode())

    def patience(self, sleep: Callable[[float], object] = time.sleep) -> Patience:
        """With a site that was there, and is away."""
        return Patience(PAUSES, PATIENCE, lambda error, tries: self.was_there, sleep)
