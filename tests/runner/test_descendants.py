"""What jobs have started, and goes on starting more."""

from __future__ import annotations

import os
import signal
import subprocess
import uuid

from hpcbatch.disk.process_tree import descendants
from hpcbatch.runner.descendants import kill_below
from hpcbatch.supervisor.process import marked
from tests.core import eventually

FORKS = "for n in 1 2 3; do (while sleep 0.01; do sleep 1000 & done) & done; wait"


def test_nothing_is_left_of_what_forks_all_the_time() -> None:
    mark = {"HPCBATCH_TEST_TREE": uuid.uuid4().hex}
    with subprocess.Popen(["bash", "-c", FORKS], env={**os.environ, **mark}) as root:
        eventually(lambda: len(descendants(root.pid)) > 20, "some to be there")
        os.kill(root.pid, signal.SIGSTOP)
        kill_below(root.pid)
        root.kill()
    eventually(lambda: not list(marked(mark)), "all to be gone")
