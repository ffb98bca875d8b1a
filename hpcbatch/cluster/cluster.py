"""A configured cluster at work: its scheduler's commands, run through the shell."""

from __future__ import annotations

import getpass
import json
import os
import pwd
import sys
import time
from collections.abc import Sequence

from ..disk.files import make_folder, publish, read
from ..words.errors import SchedulerError
from ..words.model import Listing
from ..words.ranges import Ranges
from . import shell
from .config import ClusterConfig, find_cluster
from .schedulers import get_scheduler
from .schedulers.base import Ended, Limits
from .shell import Output

LIMITS_KEPT = 24 * 3600.0  # seconds that a cluster's limits are believed


class Cluster:
    """Submits, lists, cancels and asks; every method may raise SchedulerError."""

    def __init__(self, config: ClusterConfig):
        self.config = config
        self.scheduler = get_scheduler(config.scheduler)

    @classmethod
    def named(cls, name: str | None) -> Cluster:
        return cls(find_cluster(name))

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def template(self) -> str:
        return self.config.template or self.scheduler.template

    @property
    def python(self) -> str:
        return os.path.expanduser(self.config.python) if self.config.python else sys.executable

    def submit(self, script: str) -> str:
        """The id of the array. Raises SubmissionRejected, SubmissionDeferred, CommandTimeout."""
        return self.scheduler.parse_submit(self._run(self.scheduler.submit_argv(), script))

    def listing(self) -> Listing:
        asked = time.time()
        output = self._run(self.scheduler.list_argv(_user()))
        return Listing(asked, self.scheduler.parse_list(output))

    def cancel(self, array: str, indices: Ranges | None = None) -> None:
        for argv in self.scheduler.cancel_argv(array, indices):
            self.scheduler.parse_cancel(self._run(argv))

    def history(self, arrays: Sequence[str], since: float) -> list[Ended]:
        """How elements ended, as far as anyone knows: a source that fails is passed over."""
        found: list[Ended] = []
        for argv in self.scheduler.history_argv(arrays, since):
            try:
                found += self.scheduler.parse_history(self._run(argv))
            except SchedulerError as error:
                shell.log.info("history: %s", error)
        return found

    def limits(self, root: str) -> Limits:
        """Asked of the cluster once a day and kept in the registry ``root``; a limit in the
        configuration stands without asking."""
        argv = self.scheduler.limits_argv()
        if argv is None or self.config.array_limit is not None:
            return Limits(self.config.array_limit)
        path = f"{root}/polls/limits-{self.config.scheduler}.json"
        try:
            kept = json.loads(read(path))
            if 0 <= time.time() - kept["time"] < LIMITS_KEPT:
                return Limits(kept["array"], kept["parallel"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # nothing kept yet, or nothing that can be used: ask
        limits = self.scheduler.parse_limits(self._run(argv))
        make_folder(f"{root}/polls")
        fields = {"time": time.time(), "array": limits.array, "parallel": limits.parallel}
        publish(path, json.dumps(fields).encode())
        return limits

    def _run(self, argv: list[str], stdin: str = "") -> Output:
        return shell.run(argv, stdin, variables=self.scheduler.variables)


def _user() -> str:
    """Whose jobs are ours. LOGNAME would be another's after ``su``: every job would seem gone."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return getpass.getuser()
