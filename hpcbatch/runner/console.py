"""What one job does to the process must not reach the next: streams, folder; and the log's end."""

from __future__ import annotations

import contextlib
import io
import os
import sys


class Console:
    """Standard output and error, and the working folder, as they were when the element began."""

    def __init__(self) -> None:
        self._streams = sys.stdout, sys.stderr
        if isinstance(sys.stdout, io.TextIOWrapper):  # the log of what is killed would lack its end
            sys.stdout.reconfigure(line_buffering=True)
        self._folder: int | None = None
        with contextlib.suppress(OSError):  # it may be unreadable, and yet be worked in
            self._folder = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
        self._spare = [_duplicate(1), _duplicate(2)]

    def restore(self) -> None:
        """Undo what a job did to its streams and its folder."""
        if sys.stdout is not self._streams[0] or sys.stdout.closed:
            sys.stdout = self._stream(0)
        if sys.stderr is not self._streams[1] or sys.stderr.closed:
            sys.stderr = self._stream(1)
        self._streams = sys.stdout, sys.stderr
        if self._folder is not None:
            try:
                os.fchdir(self._folder)
            except OSError:
                return  # it is gone, or may not be entered any more

    def position(self) -> int:
        """Bytes in the log so far; 0 where standard output is no file."""
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError, AttributeError):
                continue  # the job closed or replaced it
        try:
            return os.lseek(1, 0, os.SEEK_END)
        except OSError:
            return 0

    def _stream(self, which: int) -> io.TextIOBase:
        stream = self._streams[which]
        if stream is not None and not stream.closed:
            return stream  # type: ignore[return-value]
        spare = self._spare[which]
        if spare is not None:
            os.dup2(spare, which + 1)
        return open(which + 1, "w", buffering=1, errors="backslashreplace", closefd=False)


def _duplicate(fd: int) -> int | None:
    try:
        return os.dup(fd)
    except OSError:
        return None
