"""What jobs have started, and goes on starting more, hides, or does not listen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hpcbatch.disk.process_tree import descendants, kill, marked
from hpcbatch.runner import descendants as ends
from hpcbatch.runner.descendants import kill_descendants
from tests.core import eventually

FORKS = "for n in 1 2 3; do (while sleep 0.01; do sleep 1000 & done) & done; wait"
# groups of their own, which go on when they are orphaned
NOHUP = f"set -m; trap '' HUP; {FORKS}"
THREADS = """
import subprocess, sys, threading
from hpcbatch.runner.descendants import end_descendants

def run(script):
    program = subprocess.Popen(["bash", "-c", script], stdout=subprocess.PIPE)
    program.stdout.readline()
    begun.release()
    program.wait()

begun, deaf = threading.Semaphore(0), "trap '' TERM; echo; while :; do sleep 0.1; done"
for number in range(30):
    script = deaf if number > 27 else "echo; exec sleep 1000"
    threading.Thread(target=run, args=(script,), daemon=True).start()
for number in range(30):
    begun.acquire()
end_descendants()
"""


@pytest.fixture
def mark() -> Iterator[dict[str, str]]:
    """In the environment of all that a test starts."""
    made = {"HPCBATCH_TEST_TREE": uuid.uuid4().hex}
    yield made
    kill(marked(made))


@contextmanager
def forking(script: str, mark: dict[str, str]) -> Iterator[int]:
    """The pid of a stopped process with a tree that grows; nothing of it is to be left."""
    with subprocess.Popen(
        ["bash", "-c", script], env={**os.environ, **mark}, start_new_session=True
    ) as root:
        eventually(lambda: len(descendants(root.pid)) > 20, "some to be there")
        os.kill(root.pid, signal.SIGSTOP)
        yield root.pid
        root.kill()
    eventually(lambda: not list(marked(mark)), "all to be gone")


@pytest.mark.parametrize("script", [FORKS, NOHUP], ids=["one group", "groups that ignore HUP"])
def test_nothing_is_left_of_what_forks_all_the_time(mark: dict[str, str], script: str) -> None:
    with forking(script, mark) as root:
        kill_descendants(root)


def test_who_is_interrupted_finds_the_others_again(
    mark: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    send, left = ends.send, iter(range(5))

    def interrupted(process: ends.Process, signum: int) -> bool:
        if signum == signal.SIGKILL and next(left, None) is None:
            raise KeyboardInterrupt
        return send(process, signum)

    with forking(FORKS, mark) as root:
        monkeypatch.setattr(ends, "send", interrupted)
        with pytest.raises(KeyboardInterrupt):
            kill_descendants(root)
        monkeypatch.undo()
        kill_descendants(root)


def test_what_cannot_be_signalled_is_not_waited_for(
    mark: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ends, "PATIENCE", 0.3)
    monkeypatch.setattr(ends, "send", lambda process, signum: False)
    with forking(FORKS, mark) as root:
        kill_descendants(root)
        assert len(descendants(root)) > 20
        monkeypatch.undo()
        kill_descendants(root)


def test_threads_that_end_meanwhile_hide_nobody(mark: dict[str, str]) -> None:
    subprocess.run([sys.executable, "-c", THREADS], env={**os.environ, **mark}, check=True)
    eventually(lambda: not list(marked(mark)), "all to be gone")
