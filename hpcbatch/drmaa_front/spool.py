"""What DRMAA cannot tell, which has no listing: every array of one user, on a disk that the nodes
see as well.

SPOOL/               mode 0700; ``$HPCBATCH_DRMAA_SPOOL`` or ~/.hpcbatch-drmaa
  programs-<hash>/   what elements start: element.sh, element.py
  arrays/<name>/     see array.py

Two clusters with one home want a spool each: a job id means nothing on the other.
"""

from __future__ import annotations

import os
import stat

from ..disk import files
from ..words.errors import RegistryUnsafe
from .array import Array

_PROGRAMS = ("element.sh", "element.py")


class Spool:
    def __init__(self, path: str):
        self.path = path

    @classmethod
    def find(cls) -> Spool:
        """Raises RegistryUnsafe when what is there could be another's."""
        chosen = os.environ.get("HPCBATCH_DRMAA_SPOOL") or "~/.hpcbatch-drmaa"
        spool = cls(os.path.abspath(os.path.expanduser(chosen)))
        if os.path.lexists(spool.path):
            _check(spool.path)
        return spool

    @classmethod
    def make(cls) -> Spool:
        """As ``find``, made when there is none. Raises RegistryUnwritable too."""
        spool = cls.find()
        files.make_folder(f"{spool.path}/arrays")
        _check(spool.path)
        return spool

    def arrays(self) -> list[Array]:
        try:
            names = sorted(os.listdir(f"{self.path}/arrays"))
        except FileNotFoundError:
            return []
        return [self.array(name) for name in names]

    def array(self, name: str) -> Array:
        """It may not exist; ``name`` is the name of a folder."""
        return Array(f"{self.path}/arrays/{name}", name)

    def programs(self) -> str:
        """The folder with what elements start. Raises RegistryUnwritable."""
        import hashlib

        here = os.path.dirname(os.path.abspath(__file__))
        contents = {name: files.read(f"{here}/{name}") for name in _PROGRAMS}
        digest = hashlib.sha256(b"\0".join(contents.values())).hexdigest()[:12]
        folder = f"{self.path}/programs-{digest}"
        files.make_folder(folder)
        for name, content in contents.items():
            if not os.path.exists(f"{folder}/{name}"):
                files.publish(f"{folder}/{name}", content)
        return folder


def _check(path: str) -> None:
    info = os.stat(path)  # a home is often a symbolic link, or below one
    if not stat.S_ISDIR(info.st_mode):
        raise RegistryUnsafe(f"{path} is not a folder: remove it")
    if info.st_uid != os.geteuid():
        raise RegistryUnsafe(f"{path} belongs to user {info.st_uid}: set HPCBATCH_DRMAA_SPOOL")
    if stat.S_IMODE(info.st_mode) & 0o077:
        raise RegistryUnsafe(f"{path} is open to others: chmod 700 it if nobody else wrote there")
