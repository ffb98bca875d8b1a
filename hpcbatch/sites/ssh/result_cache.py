"""Results that have come here once: a result never changes, and need not travel again."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from struct import Struct

from ...disk.files import unlink_quietly, write_all
from ...disk.records import RecordReader, frame, read_records
from ...words.errors import RegistryError
from . import private_folders

DAYS = 30.0  # that results are kept which nobody asks for
LARGEST = 64 << 20  # bytes of a result that is kept
_JOB = Struct("<Q")


class ResultCache:
    """Of the task ``task_id`` of the site ``place``. One process at a time adds to it."""

    def __init__(self, place: str, task_id: str):
        self._path, self._fd = _opened(place, task_id)
        self._places, self._end = self._index()
        self._reader = RecordReader(self._fd, self._path)
        self._may_add = self._is_mine()

    def __contains__(self, job: int) -> bool:
        return job in self._places

    @property
    def jobs(self) -> list[int]:
        return list(self._places)

    def value(self, job: int) -> bytes:
        return self._reader.read(self._places[job])[_JOB.size :]

    def add(self, job: int, value: bytes) -> None:
        """A disk that is full keeps less, and does no other harm."""
        if not self._may_add or len(value) > LARGEST:
            return
        content = frame(_JOB.pack(job) + value)
        try:
            os.lseek(self._fd, self._end, os.SEEK_SET)
            write_all(self._fd, content)
        except OSError:
            self._may_add = False
            return
        self._end += len(content)

    def close(self) -> None:
        os.close(self._fd)

    def _index(self) -> tuple[dict[int, int], int]:
        places: dict[int, int] = {}
        end = 0
        for behind, payload in read_records(self._path):
            places[_JOB.unpack_from(payload)[0]] = end
            end = behind
        return places, end  # what is torn is fetched again

    def _is_mine(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(self._fd).st_size > self._end:
                places, end = self._index()  # another process has added to it meanwhile
                self._places, self._end = places, end
                os.ftruncate(self._fd, end)  # a torn tail
        except OSError:
            return False
        return True


def _opened(place: str, task_id: str) -> tuple[str, int]:
    """Its file; where the disk takes none, one that keeps nothing."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        path = f"{private_folders.results(place)}/{task_id}.rec"
        return path, os.open(path, flags, 0o600)
    except OSError:
        return os.devnull, os.open(os.devnull, flags)


def forget(place: str, task_id: str) -> None:
    with contextlib.suppress(OSError, RegistryError):
        unlink_quietly(f"{private_folders.results(place)}/{task_id}.rec")


def forget_old(place: str) -> None:
    with contextlib.suppress(OSError, RegistryError):
        for file in os.scandir(private_folders.results(place)):
            if file.stat().st_mtime < time.time() - DAYS * 86400:
                unlink_quietly(file.path)
