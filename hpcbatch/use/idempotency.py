"""A submission that is asked for again, because its client never heard the answer, is done once."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..disk.files import make_folder
from ..disk.locks import held
from ..registry.attempts import SUBMITS_WITHIN, read_attempts
from ..registry.registry import Registry
from ..words.errors import StateError
from ..words.model import Attempt
from ..words.server_layout import RemoteLayout
from .in_doubt import GRACE

PAUSE = 1.0  # seconds between two looks at a submission in doubt


def submit_once(
    registry: Registry, task_id: str, word: str, submit: Callable[[], Attempt | None]
) -> Attempt | None:
    """What ``submit`` makes, whose options carry the request's ``word``, or has made before.

    One that was interrupted may still show up on its cluster: that is waited for.
    """
    layout = RemoteLayout(registry.root)
    make_folder(layout.uploads)
    with held(layout.once_lock(task_id), SUBMITS_WITHIN):
        give_up = time.monotonic() + 2 * GRACE
        while True:
            made = made_for(registry, task_id, word)
            if made is not None and made.is_taken and not made.is_in_doubt:
                return made
            try:
                return submit()
            except StateError:
                made = made_for(registry, task_id, word)
                if made is None or not made.is_in_doubt or time.monotonic() > give_up:
                    if made is not None and made.is_taken:
                        return made
                    raise
            time.sleep(PAUSE)


def made_for(registry: Registry, task_id: str, word: str) -> Attempt | None:
    """The newest attempt that was made for that word; its parts and retries carry it too."""
    attempts = read_attempts(registry.layout(task_id))
    own = [a for a in attempts if a.options.request == word and not (a.retry or a.part_of)]
    return own[-1] if own else None
