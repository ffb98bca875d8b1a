"""Names and paths of the registry on disk.

ROOT/
  runner-<hash>.pyz       what compute nodes run; worker-<hash>.pyz: what workers of pools run
  polls/                  see PollsLayout
  pools/<pool-id>/        see PoolLayout
  server/, remote/        see server_layout.py
  <task-id>/              see TaskLayout
"""

from __future__ import annotations

import os
import re
from functools import lru_cache

_ID = re.compile(r"[0-9a-f]{8}__[A-Za-z0-9._-]*\Z")
_UNSAFE = re.compile(r"[^A-Za-z0-9._]+")
_BASE32 = "abcdefghijkmnpqrstuvwxyz23456789"


def safe_name(name: str, longest: int = 40) -> str:
    """``name`` with everything but ASCII letters, digits, dot and underscore made a dash."""
    return _UNSAFE.sub("-", name).strip("-._")[:longest].strip("-._")


def new_task_id(name: str) -> str:
    return f"{os.urandom(4).hex()}__{safe_name(name)}"


def is_task_id(text: str) -> bool:
    return _ID.match(text) is not None


def new_job_name(task_id: str, longest: int = 63) -> str:
    """A name for one array that no other array has: readable part, dash, token.

    Begins with a letter (Grid Engine refuses a digit); the token alone where ``longest``
    leaves no room for more (old PBS: 15 characters).
    """
    token = task_id[:8] + "".join(_BASE32[byte % 32] for byte in os.urandom(6))
    room = longest - len(token) - 1
    readable = safe_name(task_id.partition("__")[2], max(room, 0)).replace(".", "-")
    if room < 4 or not readable:
        return f"t{token}"
    return f"{readable}-{token}" if readable[0].isalpha() else f"t{readable}"[:room] + f"-{token}"


def attempt_folder(task: str, number: int) -> str:
    return f"{task}/attempts/{number:04d}"


def segment_name(attempt: int, element: int) -> str:
    """The segment of an element's first run; see ``rerun_name`` for the others."""
    return f"{attempt:04d}-{element:06d}.seg"


def rerun_name(attempt: int, element: int, host: str, pid: int) -> str:
    """A segment name for a process that finds its element's first segment taken."""
    unique = os.urandom(3).hex()
    return f"{attempt:04d}-{element:06d}.{safe_name(host, 24)}-{pid}-{unique}.seg"


@lru_cache(maxsize=1 << 16)
def segment_owner(name: str) -> tuple[int, int]:
    """(attempt, element) of a segment's file name."""
    attempt, _, rest = name.partition("-")
    return int(attempt), int(rest.partition(".")[0])


def node_program(root: str, kind: str, digest: str) -> str:
    """What compute nodes run: ``runner`` or ``worker``."""
    return f"{root}/{kind}-{digest}.pyz"


def draft_name(task_id: str) -> str:
    """Of a task's folder before all of it is there."""
    return f".{task_id}.new"


def grave_name(task_id: str) -> str:
    """Of a task's folder while it is deleted."""
    return f".{task_id}.{os.urandom(3).hex()}.removed"


def is_draft(name: str) -> bool:
    return name.startswith(".") and name.endswith(".new")


def is_grave(name: str) -> bool:
    return name.startswith(".") and name.endswith(".removed")


def pools_folder(root: str) -> str:
    return f"{root}/pools"


def config_home() -> str:
    return os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")


def config_folder() -> str:
    """Where a user's configuration, templates, keys and known sites are."""
    return f"{config_home()}/hpcbatch"


class PollsLayout:
    """Every path of what clients of a registry share about one scheduler."""

    def __init__(self, root: str, scheduler: str):
        host = os.uname().nodename
        self.folder = f"{root}/polls"
        self.listing = f"{self.folder}/{scheduler}-{host}.json"
        self.listing_lock = f"{self.listing}.lock"
        self.limits = f"{self.folder}/limits-{scheduler}-{host}.json"
        self.last_submission = f"{self.folder}/submitted-{scheduler}-{host}"
        self.turn_lock = f"{self.last_submission}.lock"
        self.room_lock = f"{self.folder}/room-{scheduler}.lock"


class TaskLayout:
    """Every path of one task's folder."""

    def __init__(self, root: str, task_id: str):
        self.folder = f"{root}/{task_id}"
        self.spec = f"{self.folder}/task.json"
        self.function = f"{self.folder}/function.pkl"
        self.inputs = f"{self.folder}/inputs.rec"
        self.code = f"{self.folder}/code.zip"
        self.attempts = f"{self.folder}/attempts"
        self.segments = f"{self.folder}/segments"
        self.values = f"{self.folder}/values"
        self.results = f"{self.folder}/results.rec"
        self.damaged_results = f"{self.results}.damaged"
        self.index = f"{self.folder}/index.bin"
        self.damaged_index = f"{self.index}.damaged"
        self.new_index = f"{self.index}.new"
        self.status = f"{self.folder}/status.json"
        self.logs = f"{self.folder}/logs"
        self.submit_lock = f"{self.folder}/submit.lock"
        self.tracker_lock = f"{self.folder}/tracker.lock"

    def checkpoint(self, job: int, function: str) -> str:
        """Of a job that called ``function``, see ``function_of``: a mended one begins anew."""
        beside = os.path.join(self.folder, os.path.dirname(function))
        return os.path.join(beside, "checkpoints", f"{job}.pkl")

    def attempt(self, number: int) -> AttemptLayout:
        return AttemptLayout(attempt_folder(self.folder, number))

    def function_of(self, attempt: int) -> str:
        """The function of an attempt whose function was mended (0: the task's own), from here."""
        return f"attempts/{attempt:04d}/function.pkl" if attempt else "function.pkl"

    def code_of(self, attempt: int) -> str:
        return f"attempts/{attempt:04d}/code.zip" if attempt else "code.zip"

    def log_prefix(self, attempt: int, folder: str = "") -> str:
        """In the task's own folder, or in that of the attempt's logs."""
        return f"{folder or self.logs}/{attempt:04d}-"

    def log(self, attempt: int, element: int, folder: str = "") -> str:
        return f"{self.log_prefix(attempt, folder)}{element}.log"


class PoolLayout:
    """Every path of one pool's folder. Its id looks like a task's."""

    def __init__(self, root: str, pool_id: str):
        self.root, self.id = root, pool_id
        self.folder = f"{pools_folder(root)}/{pool_id}"
        self.record = f"{self.folder}/pool.json"
        self.door = f"{self.folder}/door.json"
        self.launches = f"{self.folder}/launches"
        self.logs = f"{self.folder}/logs"
        self.metrics = f"{self.folder}/metrics"
        self.code = f"{self.folder}/code"  # of a controller that is elsewhere

    def launch(self, number: int) -> LaunchLayout:
        return LaunchLayout(f"{self.launches}/{number:04d}")

    def log_prefix(self, launch: int) -> str:
        return f"{self.logs}/{launch:04d}-"

    def log(self, launch: int, element: int) -> str:
        return f"{self.log_prefix(launch)}{element}.log"


class LaunchLayout:
    """Every path of one launch of a pool's workers."""

    def __init__(self, folder: str):
        self.folder = folder
        self.record = f"{folder}/launch.json"

    def script(self, array: int) -> str:
        return _script(self.folder, array)


class AttemptLayout:
    """Every path of one attempt's folder."""

    def __init__(self, folder: str):
        self.folder = folder
        self.plan = f"{folder}/plan.json"
        self.record = f"{folder}/attempt.json"
        self.profile = f"{folder}/profile.json"
        self.revoked = f"{folder}/revoked"
        self.canceled = f"{folder}/canceled"
        self.notified = f"{folder}/notified"

    def script(self, array: int) -> str:
        return _script(self.folder, array)


def _script(folder: str, array: int) -> str:
    return f"{folder}/script.sh" if array == 0 else f"{folder}/script-{array + 1}.sh"
