"""The folder of all submissions of one user since the machine came up.

BASE/hpcbatch-<uid>-<boot>/   mode 0700
  host                        whose boot that is
  slots                       see slots.py
  <number>/                   see submission.py
"""

from __future__ import annotations

import os

from ..disk import files
from ..disk.exposure import check_private, make_private
from ..words.errors import RegistryUnsafe
from . import machine
from .submission import Submission, names_in, remove_folder

_ELSEWHERE = "set HPCBATCH_LOCAL_SPOOL"
KEPT_SECONDS = 7 * 86400.0


class Spool:
    def __init__(self, path: str):
        self.path = path

    @classmethod
    def find(cls) -> Spool:
        """Raises RegistryUnsafe when what is there could be another's."""
        spool = cls(f"{_base()}/hpcbatch-{os.geteuid()}-{machine.boot()}")
        if os.path.lexists(spool.path):
            check_private(spool.path, _ELSEWHERE)
        return spool

    @classmethod
    def make(cls) -> Spool:
        """As ``find``, made when there is none. Raises RegistryUnwritable too."""
        spool = cls.find()
        make_private(spool.path, _ELSEWHERE)
        if not os.path.exists(f"{spool.path}/host"):
            files.publish(f"{spool.path}/host", machine.host().encode())
        return spool

    def submissions(self) -> list[Submission]:
        """By number; also those that never came about."""
        numbers = sorted(int(name) for name in names_in(self.path) if _is_number(name))
        return [Submission(f"{self.path}/{number}") for number in numbers]

    def find_id(self, text: str) -> Submission | None:
        """None when it is no id of this machine since it came up, or removed."""
        where, _, number = text.rpartition(":")
        folder = f"{self.path}/{number}"
        known = where == f"{machine.host()}:{machine.boot()}" and _is_number(number)
        return Submission(folder) if known and os.path.isdir(folder) else None

    def new(self, script: bytes) -> Submission:
        """A folder that holds all but what makes it a submission. Raises RegistryUnwritable."""
        submission = self._next()
        try:
            os.mkfifo(submission.path("bell"), 0o600)
            files.publish(submission.path("script.sh"), script)
        except OSError as error:
            remove_folder(submission.folder)
            raise files.unwritable(submission.folder, error) from error
        return submission

    def clean(self) -> None:
        """Remove submissions that ended long ago, and spools of earlier boots of this host.

        The highest number stays: the next one counts on from it.
        """
        for submission in self.submissions()[:-1]:
            if submission.age() > KEPT_SECONDS and submission.supervisor() is None:
                remove_folder(submission.folder)
        for name in names_in(_base()):
            path = f"{_base()}/{name}"
            if name.startswith(f"hpcbatch-{os.geteuid()}-") and path != self.path:
                _remove_earlier(Spool(path))

    def _next(self) -> Submission:
        number = max((submission.number for submission in self.submissions()), default=0)
        while True:
            number += 1
            try:
                os.mkdir(f"{self.path}/{number}", 0o700)
            except FileExistsError:
                continue
            except OSError as error:
                raise files.unwritable(self.path, error) from error
            return Submission(f"{self.path}/{number}")


def _base() -> str:
    return os.path.abspath(os.environ.get("HPCBATCH_LOCAL_SPOOL") or "/tmp")


def _remove_earlier(spool: Spool) -> None:
    try:
        check_private(spool.path, _ELSEWHERE)
        whose = files.read(f"{spool.path}/host").decode()
    except (OSError, RegistryUnsafe):
        return
    submissions = spool.submissions()
    # on a shared disk it may be the spool of a host that is up
    if whose == machine.host() and all(one.supervisor() is None for one in submissions):
        for submission in submissions:
            remove_folder(submission.folder)
        remove_folder(spool.path)


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit() and name[0] != "0"
