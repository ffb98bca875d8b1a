"""Where a server keeps what is its own, in the registry that it serves."""

from __future__ import annotations


class ServerFolder:
    """Every path of it; nothing there is named like a task."""

    def __init__(self, root: str):
        self.root = root
        self.path = f"{root}/server"
        self.identity = f"{self.path}/identity"
        self.users = f"{self.path}/users"
        self.tokens = f"{self.path}/tokens"
        self.uploads = f"{self.path}/uploads"
        self.queue = f"{self.path}/queue"
        self.local_key = f"{self.path}/local.pem"  # of who started it
        self.run_file = f"{self.path}/run.json"
        self.lock = f"{self.path}/server.lock"
        self.log = f"{self.path}/server.log"
