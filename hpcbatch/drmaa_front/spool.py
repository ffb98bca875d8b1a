"""What DRMAA cannot tell, which has no listing: every array of one user, on a disk that the nodes
see as well.

SPOOL/               mode 0700; ``$HPCBATCH_DRMAA_SPOOL`` or ~/.hpcbatch-drmaa
  programs-<hash>/   what elements start: element.sh, element.py
  arrays/<name>/     see array.py

Two clusters with one home want a spool each: a job id means nothing on the other.
"""

from __future__ import annotations

import os

from ..disk import files
from ..disk.exposure import check_private
from .array import DrmaaArray

_ELSEWHERE = "set HPCBATCH_DRMAA_SPOOL"
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
            check_private(os.path.realpath(spool.path), _ELSEWHERE)
        return spool

    @classmethod
    def make(cls) -> Spool:
        """As ``find``, made when there is none. Raises RegistryUnwritable too."""
        spool = cls.find()
        files.make_folder(f"{spool.path}/arrays")
        check_private(os.path.realpath(spool.path), _ELSEWHERE)
        return spool

    def arrays(self) -> list[DrmaaArray]:
        try:
            names = sorted(os.listdir(f"{self.path}/arrays"))
        except FileNotFoundError:
            return []
        return [self.array(name) for name in names]

    def array(self, name: str) -> DrmaaArray:
        """It may not exist; ``name`` is the name of a folder."""
        return DrmaaArray(f"{self.path}/arrays/{name}", name)

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
