"""Any scheduler with a DRMAA 1.0 library (GFD.133), through a small program of ours: see
``hpcbatch.drmaa_front``. An array's id is its unique name, which that program knows it by."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from ...words.errors import CommandFailed
from ...words.model import Ending, Sighting
from ...words.ranges import Ranges
from ..shell import Output
from .answers import Ended
from .base import Argv, Scheduler, cut

_LIBRARY = "DRMAA_LIBRARY_PATH"
_SUBMITTED = re.compile(r"^submitted (\S+)$", re.MULTILINE)  # a library may print beside it
_FORGOTTEN = "there is no array"
# what hpcbatch.drmaa_front would start itself anew for


class Drmaa(Scheduler):
    name = "drmaa"
    template = "drmaa.sh.j2"
    programs = ()
    variables = (
        "HPCBATCH_DRMAA_",
        "DRMAA_",
        "PYTHONPATH",
        "VIRTUAL_ENV",
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

    def submit_argv(self) -> Argv:
        return _program("submit")

    def parse_id(self, stdout: str) -> str | None:
        found = _SUBMITTED.findall(stdout)
        return str(found[-1]) if found else None

    def list_argv(self, user: str) -> Argv:
        return _program("list")

    def parse_list(self, output: Output) -> list[Sighting]:
        found = []
        for array in self._parsed(output):
            for word, spans in array["states"].items():
                is_running = word == "running" or word.endswith("_suspended")
                for first, last in spans:
                    for index in range(first, last + 1):
                        found.append(
                            Sighting(array["name"], index, array["name"], is_running, word)
                        )
        return found

    def cancel_argv(self, array: str, indices: Ranges | None) -> list[Argv]:
        if indices is None:
            return [_program("cancel", array)]
        return [_program("cancel", array, str(part)) for part in cut(indices)]

    def parse_cancel(self, output: Output) -> None:
        if _FORGOTTEN not in output.stderr:  # ended weeks ago
            super().parse_cancel(output)

    def history_argv(self, arrays: Sequence[str], since: float) -> list[Argv]:
        return [_program("history", *arrays)]

    def parse_history(self, output: Output) -> Iterable[Ended]:
        for array in self._parsed(output):
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

    def _parsed(self, output: Output) -> Any:
        try:
            return json.loads(self.checked(output))
        except ValueError as error:
            raise CommandFailed(f"hpcbatch.drmaa_front did not answer in JSON: {error}") from error


def _program(*arguments: str) -> Argv:
    return [sys.executable, "-m", "hpcbatch.drmaa_front", *arguments]
