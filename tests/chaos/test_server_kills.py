"""The server is killed at random while clients upload, submit, wait and download: no task that it
accepted is lost, none is released twice."""

from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.registry.attempts import read_attempts
from hpcbatch.registry.registry import Registry
from tests.local import by_value
from tests.server.conftest import Server

KILLS, CLIENTS = 50, 3
LARGE = 12 << 20  # bytes that take a while to upload and to download


class Work:
    """What one client does, again and again, until it is told that it is enough."""

    def __init__(self, server: Server, log: Path):
        self._site, self.log = server.site(), log
        self._site.specs()  # who was never there is not waited for
        self.enough = threading.Event()
        self.problems: list[Exception] = []
        self.tasks: list[hb.Task] = []

    def go_on(self) -> None:
        try:
            while not self.enough.is_set() or not self.tasks:
                self._one(len(self.tasks))
        except Exception as error:
            self.problems.append(error)

    def _one(self, number: int) -> None:
        inputs = [b"x" * (LARGE if k == 0 else k) for k in range(3)]
        task = hb.create(self._job(), inputs, name=f"n{number}", site=self._site)
        task.submit("local", chunk=2)
        self.tasks.append(task)
        task.wait(200, progress=False)
        assert [len(value) for value in task.collect()] == [len(value) for value in inputs]

    def _job(self) -> Any:
        log = str(self.log)

        def job(value: bytes) -> bytes:
            with open(log, "a") as file:
                file.write(f"{len(value)}\n")
            return value

        return by_value(job)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_nothing_is_lost_and_nothing_done_twice(
    tmp_path: Path,
    chance: random.Random,
    tell: Any,
) -> None:
    server = Server(tmp_path / "served")
    settings = tmp_path / "settings.yaml"
    settings.write_text("options: {max_concurrent_tasks: 2, task_queue_interval: 0.1}")
    address = server.start("--settings", str(settings))["address"]
    again = ("--settings", str(settings), "--port", address.rpartition(":")[2])
    work = [Work(server, tmp_path / f"log-{number}") for number in range(CLIENTS)]
    threads = [threading.Thread(target=one.go_on) for one in work]
    try:
        for thread in threads:
            thread.start()
        for _ in range(KILLS):
            threads[0].join(chance.uniform(0.1, 4.0))
            server.kill()
            server.start(*again)
        for one in work:
            one.enough.set()
        for thread in threads:
            thread.join()
    finally:
        server.stop()
    assert not [problem for one in work for problem in one.problems]
    tasks = [task for one in work for task in one.tasks]
    registry = Registry(str(server.root))
    attempts = [read_attempts(registry.layout(task.id)) for task in tasks]
    taken = [sum(attempt.is_taken for attempt in made) for made in attempts]
    assert taken == [1] * len(tasks)  # a submission that was killed on its way is made again
    ran = sum(len(one.log.read_text().splitlines()) for one in work)
    assert ran == 3 * len(tasks)
    tell(f"{KILLS} kills of the server, {len(tasks)} tasks of {CLIENTS} clients, each ran once")
