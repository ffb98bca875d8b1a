"""Submissions of one user on one host take turns: a scheduler is not to be overrun."""

from __future__ import annotations

import contextlib
import os
import time

from ..disk.files import make_folder, private_opener
from ..disk.locks import held
from ..words.errors import RegistryError
from ..words.layout import PollsLayout
from .cluster import Cluster

PATIENCE = 120.0  # seconds


def wait_for_turn(root: str, cluster: Cluster) -> None:
    """Return once the cluster's ``submissions_per_second`` allow another one, by the file of the
    last. Where that file cannot be kept, nobody waits."""
    shortest = 1 / cluster.config.submissions_per_second
    polls = PollsLayout(root, cluster.config.scheduler)
    last = polls.last_submission
    # a courtesy: a submission that is about to be made must not fail by it
    with contextlib.suppress(RegistryError, OSError):
        make_folder(polls.folder)
        with held(polls.turn_lock, PATIENCE):
            pause = _touched(last) + shortest - time.time()
            if 0 < pause <= shortest:  # else a clock was set
                time.sleep(pause)
            now = time.time()
            with open(last, "w", opener=private_opener):
                os.utime(last, (now, now))


def _touched(path: str) -> float:
    """Seconds since the epoch."""
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return 0.0
