"""A task with everything folded, under ``tracker.lock``."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence

from ..disk.locks import held
from ..disk.mounts import locks_reach_other_hosts
from ..words.errors import RegistryError, RegistryUnwritable
from ..words.layout import TaskLayout
from ..words.model import Attempt, TaskSpec
from .attempts import read_attempts
from .fold import fold
from .repair import mend_index
from .snapshot import read_snapshot
from .view import View

FOLDS_WITHIN = 120.0  # seconds
FOLD_HERE = "HPCBATCH_FOLD_HERE"


@contextlib.contextmanager
def locked_view(layout: TaskLayout, spec: TaskSpec) -> Iterator[View]:
    """The task as it is while its lock is held. Raises RegistryBusy, DamagedFile,
    RegistryUnwritable."""
    with held(layout.tracker_lock, FOLDS_WITHIN):
        try:
            attempts, snapshot = read_attempts(layout), read_snapshot(layout.status)
            _check_folds_here(layout, attempts)
            column = mend_index(layout, spec.njobs, snapshot)
            view = View(layout, spec, attempts, snapshot)
            if not fold(layout, attempts, snapshot) and column is not None:
                view.column = column  # read a moment ago
        except RegistryError:
            raise
        except OSError as error:
            raise RegistryError(f"{layout.folder} cannot be read now: {error}") from error
        yield view


def _check_folds_here(layout: TaskLayout, attempts: Sequence[Attempt]) -> None:
    """Two hosts that fold at once destroy each other's work: where the lock does not keep the
    other out, the host that submitted last is the one. Raises RegistryUnwritable."""
    here = os.uname().nodename
    host = attempts[-1].host if attempts else here
    if host == here or locks_reach_other_hosts(layout.folder) or os.environ.get(FOLD_HERE):
        return
    raise RegistryUnwritable(
        errno.ENOLCK,
        f"file locks do not reach other hosts on the disk of {layout.folder}, so records are "
        f"folded on {host} alone, which submitted last. Ask there; or, when nobody does, set "
        f"{FOLD_HERE}=1",
    )
