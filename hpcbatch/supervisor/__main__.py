"""``python -m hpcbatch.supervisor submit|list|history|cancel|limits``.

Run for every submission and poll of the ``local`` cluster: what only one command needs is
imported there, and the command line is read without argparse, which would cost 10 ms.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

from ..words.errors import HpcbatchError, NotFound, SubmissionRejected, UsageError
from ..words.ranges import Ranges
from . import machine
from .slots import slot_count
from .spool import Spool
from .submission import Submission

TYPE_CHECKING = False  # see hpcbatch/__init__.py
if TYPE_CHECKING:
    from typing import Any

USAGE = """\
usage: python -m hpcbatch.supervisor COMMAND

A small scheduler for this machine.

  submit         a script on standard input
  list           what is queued or running
  history [ID]...
                 how elements ended; default: of every submission
  cancel ID [INDICES] [--kill-wait SECONDS]
                 end elements, such as 3,7-9; SECONDS from TERM to KILL
  limits         what this machine has"""


def submit() -> None:
    from . import detach
    from .directives import parse

    script = sys.stdin.buffer.read()
    asked, slots = parse(script), slot_count()
    if asked["cpus"] > slots:
        raise SubmissionRejected(
            f"an element of {asked['cpus']} cpus can never start: this machine has {slots} slots"
        )
    spool = Spool.make()
    for id in (*asked["after"], *asked["after_ok"]):
        _known(spool, id, SubmissionRejected)
    spool.clean()
    submission = spool.new(script)
    known = {"id": submission.id, "submitted": round(time.time(), 3), "slots": slots}
    detach.start(submission, {**asked, **known})
    print(submission.id, flush=True)


def list_() -> None:
    listed = [submission.listed() for submission in Spool.find().submissions()]
    _show([entry for entry in listed if entry is not None])


def history(ids: Sequence[str]) -> None:
    spool = Spool.find()
    if ids:
        _show([_history(spool, text) for text in ids])
    else:
        found = [submission.history() for submission in spool.submissions()]
        _show([entry for entry in found if entry is not None])


def cancel(id: str, indices: str | None, kill_wait: float | None) -> None:
    submission = _known(Spool.find(), id, NotFound)
    if submission.supervisor() is not None:
        submission.request_cancel(indices, kill_wait)
    else:
        _kill_left_over(submission)


def limits() -> None:
    size = {"slots": slot_count(), "cpus": machine.usable_cores(), "memory": machine.memory()}
    _show({**size, "host": machine.host(), "boot": machine.boot()})


def _known(spool: Spool, text: str, error: type[HpcbatchError]) -> Submission:
    submission = spool.find_id(text)
    if submission is None or submission.asked() is None:
        raise error(f"there is no submission {text!r} on this machine since it came up")
    return submission


def _history(spool: Spool, text: str) -> dict[str, Any]:
    submission = spool.find_id(text)
    found = submission.history() if submission else None
    if found is not None:
        return found
    where = dict(zip(("host", "boot"), text.split(":")[:2], strict=False))
    elsewhere = where != {"host": machine.host(), "boot": machine.boot()}
    return {"id": text, "unknown": True, **(where if elsewhere and text.count(":") == 2 else {})}


def _kill_left_over(submission: Submission) -> None:
    """Of a supervisor that was killed together with its shepherds."""
    from ..disk.process_tree import kill, marked

    kill(marked(submission.marks()))


def _show(answer: object) -> None:
    print(json.dumps(answer))


def _command(words: list[str]) -> Callable[[], None]:
    """What the command line asks for. Raises UsageError."""
    match words:
        case ["submit"]:
            return submit
        case ["list"]:
            return list_
        case ["history", *ids]:
            return partial(history, ids)
        case ["cancel", id, *indices, "--kill-wait", wait]:
            return partial(cancel, id, _indices(indices), _seconds(wait))
        case ["cancel", id, *indices]:
            return partial(cancel, id, _indices(indices), None)
        case ["limits"]:
            return limits
        case ["-h" | "--help"]:
            return partial(print, USAGE)
    raise UsageError(USAGE)


def _indices(words: list[str]) -> str | None:
    match words:
        case []:
            return None
        case [text]:
            Ranges.parse(text)
            return text
    raise UsageError(USAGE)


def _seconds(text: str) -> float:
    from .directives import seconds

    try:
        return seconds(text)
    except ValueError:
        raise UsageError(f"--kill-wait wants a number of seconds, not {text!r}") from None


def main() -> int:
    os.umask(0o077)
    try:
        run = _command(sys.argv[1:])
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        run()
    except (HpcbatchError, OSError) as error:
        print(f"hpcbatch.supervisor: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
