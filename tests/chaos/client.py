"""What a user does, as a process that can be killed: ``client.py VERB TASK-ID GRACE [OPTIONS]``.

Exit status 0: done; 3: refused in a way that a user must expect; else: a defect.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any, NoReturn

import hpcbatch as hb
from hpcbatch.registry import tracker
from hpcbatch.registry.registry import Registry
from hpcbatch.use import in_doubt

REFUSED = 3
EXPECTED = (
    hb.StateError,
    hb.UsageError,
    hb.RegistryBusy,
    hb.SubmissionUnclear,
    hb.SubmissionDeferred,
)


def watch(task: hb.Task) -> NoReturn:
    """Folds most of the time, and asks the scheduler now and then."""
    registry = Registry()
    layout = registry.layout(task.id)
    while True:
        task.status()
        for _ in range(20):
            tracker.refresh(layout, task.spec)
            time.sleep(0.005)


def main(verb: str, task_id: str, grace: str, options: str = "{}") -> int:
    in_doubt.GRACE = float(grace)
    task = hb.restore(task_id)
    asked: dict[str, Any] = json.loads(options)
    try:
        if verb == "watch":
            watch(task)
        getattr(task, verb)(**asked)
    except EXPECTED as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
