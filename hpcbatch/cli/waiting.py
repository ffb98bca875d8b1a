"""Says on a terminal what takes longer than a second."""

from __future__ import annotations

import os
import sys
import threading
import time

FIRST = 1.0  # seconds of silence, and between two updates
CLEAR = "\r\x1b[2K"


class Busy:
    """Shows ``text`` on standard error while entered; nothing when that is no terminal."""

    def __init__(self, text: str):
        self.text = text
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Busy:
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            self._thread = threading.Thread(target=self._show, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _show(self) -> None:
        began = time.monotonic()
        shown = False
        while not self._over.wait(FIRST):
            sys.stderr.write(f"{CLEAR}{self.text} … {time.monotonic() - began:.0f} s")
            sys.stderr.flush()
            shown = True
        if shown:
            sys.stderr.write(CLEAR)
            sys.stderr.flush()
