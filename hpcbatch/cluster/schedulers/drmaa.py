"""Any scheduler with a DRMAA 1.0 library (GFD.133), through a small program of ours: see
``hpcbatch.drmaa_front``. An array's id is its unique name, which that program knows it by."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from ...words.model import Ending, Sighting
from ..shell import Output
from .answers import Ended
from .own_program import OwnProgram

_LIBRARY = "DRMAA_LIBRARY_PATH"
_SUBMITTED = re.compile(r"^submitted (\S+)$", re.MULTILINE)  # a library may print beside it


class Drmaa(OwnProgram):
    name = "drmaa"
    template = "drmaa.sh.j2"
    module = "hpcbatch.drmaa_front"
    forgotten = "there is no array"
    variables = (
        "HPCBATCH_DRMAA_*",
        "DRMAA_*",
        *OwnProgram.variables,
        *("SGE_ROOT", "SGE_CELL", "SGE_QMASTER_PORT", "SGE_EXECD_PORT", "SGE_CLUSTER_NAME"),
        *("LSF_ENVDIR", "LSF_LIBDIR", "LSF_BINDIR", "LSF_SERVERDIR"),
        *("PBS_CONF_FILE", "PBS_DEFAULT", "SLURM_CONF", "CONDOR_CONFIG"),
    )
    base = 1
    poll_seconds = (4.0, 240.0)  # it is asked about each element
    pauses_with = ("SIGUSR1",)  # Grid Engine, with -notify
    deferred_words = ("hpcbatch.drmaa_front: try again later: ",)
    unclear_words = ("hpcbatch.drmaa_front: may have been taken: ",)

    def is_here(self) -> bool:
        from ctypes.util import find_library  # which may start programs

        path = os.environ.get(_LIBRARY)
        return os.path.exists(path) if path else find_library("drmaa") is not None

    def parse_id(self, stdout: str) -> str | None:
        found = _SUBMITTED.findall(stdout)
        return str(found[-1]) if found else None

    def parse_list(self, output: Output) -> list[Sighting]:
        found = []
        for array in self.parsed(output):
            for word, spans in array["states"].items():
                is_running = word == "running" or word.endswith("_suspended")
                for first, last in spans:
                    for index in range(first, last + 1):
                        found.append(
                            Sighting(array["name"], index, array["name"], is_running, word)
                        )
        return found

    def parse_history(self, output: Output) -> Iterable[Ended]:
        for array in self.parsed(output):
            for index, told in array["elements"].items():
                ending = Ending(
                    told["reason"],
                    told.get("code"),
                    told.get("signal"),
                    told.get("host", ""),
                    elapsed=told.get("elapsed"),
                    memory=told.get("memory"),
                )
                yield Ended(array["name"], int(index), ending)
