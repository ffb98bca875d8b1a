"""Names and paths of what is kept beside a registry's tasks by who lets others in: its server, and
commands that come over SSH."""

from __future__ import annotations


class ServerLayout:
    """Every path of what a server keeps for itself, in the registry that it serves."""

    def __init__(self, root: str):
        self.folder = f"{root}/server"
        self.identity = f"{self.folder}/identity"
        self.users = f"{self.folder}/users"
        self.tokens = f"{self.folder}/tokens"
        self.uploads = f"{self.folder}/uploads"
        self.queue = f"{self.folder}/queue"  # see QueueLayout
        self.local_key = f"{self.folder}/local.pem"  # of who started it
        self.run_file = f"{self.folder}/run.json"
        self.lock = f"{self.folder}/server.lock"
        self.log = f"{self.folder}/server.log"


class QueueLayout:
    """Every path of the submissions that wait for their turn at a server."""

    def __init__(self, folder: str):
        self.folder = folder
        self.waiting = f"{folder}/waiting"  # see queued_name
        self.done = f"{folder}/done"  # by the word of the request
        self.refused = f"{folder}/refused"  # by task


def queued_name(added: float, task_id: str) -> str:
    """Of what waits, by the time at which it came, in seconds since the epoch."""
    return f"{int(added * 1e6):020d}-{task_id}.json"


def queued_task(name: str) -> str:
    """The task of what waits by that name."""
    return name.removesuffix(".json").partition("-")[2]


class RemoteLayout:
    """Every path of what commands that come over SSH keep, in the registry that they work on."""

    def __init__(self, root: str):
        self.folder = f"{root}/remote"
        self.uploads = f"{self.folder}/uploads"

    def once_lock(self, task_id: str) -> str:
        """Held while a request for the task is done that may be repeated."""
        return f"{self.uploads}/{task_id}.once"
