"""What the controller at the other end of a relay may ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...words.errors import PoolClosed, SubmissionDeferred
from ..folder import was_ended
from ..launch_records import read_launches
from ..launching import ENDED
from .relayed_pool import RelayedPool


class Orders:
    """Each may be given again when its answer was lost."""

    def __init__(self, taken: RelayedPool):
        self._taken = taken
        self._verbs: dict[str, Callable[..., Any]] = {
            verb.__name__: verb for verb in (self.launch, self.launched, self.said, self.standing)
        }

    def obey(self, order: Mapping[str, Any]) -> Any:
        return self._verbs[order["verb"]](**order["asked"])

    def launch(self, number: int, n: int) -> int:
        """How many workers were taken."""
        taken = self._taken
        if not taken.is_ours():
            raise SubmissionDeferred("another relay has the pool")
        if was_ended(taken.layout):
            raise PoolClosed(ENDED)
        made = taken.launcher.launch_workers(taken.deployment.call(taken.layout, number), n)
        return n if made is None else made

    def launched(self, number: int) -> int | None:
        """How many workers that launch has, if it was made."""
        for launch in read_launches(self._taken.layout):
            if launch.number == number:
                return launch.taken if launch.given_up else launch.workers
        return None

    def standing(self, number: int) -> tuple[int, int] | None:
        return self._taken.launcher.standing(number)

    def said(self, number: int) -> tuple[str, str] | None:
        return self._taken.logs.said(number)
