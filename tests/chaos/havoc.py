"""Kills, cancellations and resubmissions at random times, while a task runs."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import hpcbatch as hb

from .clients import Client
from .verdict import Making

Blow = Callable[[], bool]  # whether there was anything to hit

AT_ONCE = 2  # clients that give orders; a third one waits for its turn
PATIENCE = 300.0  # seconds for what is left, on a busy machine
DEAD = ("defined", "error", "expired", "canceled")
ROUNDS = 5  # resubmissions that may be needed when nothing is killed any more


class Havoc:
    """One task, its clients, and what falls on them. ``grace`` is how long a submission whose
    outcome nobody wrote down may take to show up, seconds; ``throttle`` is every submission's."""

    def __init__(
        self,
        task: hb.Task,
        folder: Path,
        chance: random.Random,
        grace: float,
        throttle: int | None = None,
    ):
        self.task, self.chance, self.counts = task, chance, Counter[str]()
        self._folder, self._grace, self._throttle = folder, grace, throttle
        self._clients: list[Client] = []
        self._own: list[Making] = []
        folder.mkdir()

    @property
    def makings(self) -> list[Making]:
        asked = [
            Making(client.began, client.ended or time.time(), client.revokes)
            for client in self._clients
            if client.makes_attempts
        ]
        return [*asked, *self._own]

    def rage(self, steps: int, longest_pause: float, blows: Mapping[str, tuple[int, Blow]]) -> None:
        """``blows`` by name, each with a weight; it ends early when the task is done."""
        own = {
            "killed clients": (2, self._kill_orderer),
            "killed folds": (1, self._kill_watcher),
            "cancels": (1, self._cancel),
            "cancels of some": (1, self._cancel_some),
            "resubmissions": (3, self._resubmit),
            "revocations": (2, self._revoke),
        }
        every = {**own, **blows}
        self._start("submit", throttle=self._throttle)
        watcher = self._start("watch")
        for _ in range(steps):
            time.sleep(self.chance.uniform(0, longest_pause))
            watcher = watcher if watcher.is_alive() else self._start("watch")
            if not self._orderers() and self.chance.random() < 0.3:
                self._resubmit()
            [name] = self.chance.choices([*every], [weight for weight, _ in every.values()])
            self.counts[name] += every[name][1]()
            if self.task.status().done == len(self.task):
                return

    def finish(self) -> None:
        """Nothing is killed any more: what is left must end well."""
        for client in self._orderers():
            client.wait()
        self.end_clients()
        give_up = time.monotonic() + PATIENCE
        while (status := self.task.status()).done < len(self.task):
            told = "\n".join([str(status), *map(str, self.task.errors()[:5])])
            assert time.monotonic() < give_up, told
            assert len(self._own) <= ROUNDS, told
            if status.idle:
                self._resubmit_here()
            time.sleep(0.1)

    def end_clients(self) -> None:
        for client in self._clients:
            if client.is_alive():
                client.kill()
        for client in self._clients:
            client.wait()

    def _resubmit_here(self) -> None:
        began = time.time()
        try:
            self.task.resubmit()
        except hb.StateError:
            return  # a submission whose client was killed may still show up
        self._own.append(Making(began, time.time(), False))

    def _start(self, verb: str, **options: Any) -> Client:
        log = self._folder / f"{len(self._clients)}-{verb}"
        self._clients.append(Client(verb, self.task.id, self._grace, log, **options))
        return self._clients[-1]

    def _orderers(self) -> list[Client]:
        return [one for one in self._clients if one.verb != "watch" and one.is_alive()]

    def _order(self, verb: str, **options: Any) -> bool:
        if len(self._orderers()) >= AT_ONCE:
            return False
        self._start(verb, **options)
        return True

    def _resubmit(self) -> bool:
        return self._order("resubmit", only=DEAD, throttle=self._throttle)

    def _revoke(self) -> bool:
        return self._order("resubmit", revoke=True, throttle=self._throttle)

    def _cancel(self) -> bool:
        return self._order("cancel")

    def _cancel_some(self) -> bool:
        njobs = len(self.task)
        first = self.chance.randrange(njobs)
        return self._order("cancel", jobs=list(range(first, min(first + njobs // 4, njobs))))

    def _kill_orderer(self) -> bool:
        return self._kill(self._orderers())

    def _kill_watcher(self) -> bool:
        return self._kill([one for one in self._clients if one.verb == "watch" and one.is_alive()])

    def _kill(self, clients: list[Client]) -> bool:
        if clients:
            self.chance.choice(clients).kill()
        return bool(clients)
