"""``python -m hpcbatch.supervisor submit|list|history|cancel|limits``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Any

from ..words.errors import HpcbatchError, NotFound, SubmissionRejected, UsageError
from ..words.ranges import Ranges
from . import machine
from .directives import parse, seconds
from .slots import slot_count
from .spool import Spool
from .submission import Submission


def submit(_: argparse.Namespace) -> None:
    from . import detach

    script = sys.stdin.buffer.read()
    asked, slots = parse(script), slot_count()
    if asked.cpus > slots:
        raise SubmissionRejected(
            f"an element of {asked.cpus} cpus can never start: this machine has {slots} slots"
        )
    spool = Spool.make()
    for id in (*asked.after, *asked.after_ok):
        _known(spool, id, SubmissionRejected)
    spool.clean()
    submission = spool.new(script)
    known = {"id": submission.id, "submitted": round(time.time(), 3), "slots": slots}
    detach.start(submission, {**asked._asdict(), **known})
    print(submission.id, flush=True)


def list_(_: argparse.Namespace) -> None:
    listed = [submission.listed() for submission in Spool.find().submissions()]
    _show([entry for entry in listed if entry is not None])


def history(args: argparse.Namespace) -> None:
    spool = Spool.find()
    if args.ids:
        _show([_history(spool, text) for text in args.ids])
    else:
        found = [submission.history() for submission in spool.submissions()]
        _show([entry for entry in found if entry is not None])


def cancel(args: argparse.Namespace) -> None:
    submission = _known(Spool.find(), args.id, NotFound)
    if submission.supervisor() is not None:
        submission.request_cancel(args.indices, args.kill_wait)
    else:
        _kill_left_over(submission)


def limits(_: argparse.Namespace) -> None:
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
    """Of a supervisor that was killed together with its keepers."""
    from . import process

    process.kill(process.marked(submission.marks()))


def _show(answer: object) -> None:
    print(json.dumps(answer))


def _indices(text: str) -> str:
    try:
        Ranges.parse(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hpcbatch.supervisor", description="A small scheduler for this machine."
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    verbs.add_parser("submit", help="a script on standard input").set_defaults(run=submit)
    verbs.add_parser("list", help="what is queued or running").set_defaults(run=list_)
    asked = verbs.add_parser("history", help="how elements ended")
    asked.add_argument("ids", nargs="*", metavar="ID", help="default: every submission")
    asked.set_defaults(run=history)
    ended = verbs.add_parser("cancel", help="end elements")
    ended.add_argument("id", metavar="ID")
    ended.add_argument("indices", nargs="?", type=_indices, metavar="INDICES", help="as 3,7-9")
    ended.add_argument("--kill-wait", type=seconds, metavar="SECONDS", help="from TERM to KILL")
    ended.set_defaults(run=cancel)
    verbs.add_parser("limits", help="what this machine has").set_defaults(run=limits)
    return parser


def main() -> int:
    os.umask(0o077)
    args = _arguments().parse_args()
    try:
        args.run(args)
    except (HpcbatchError, OSError) as error:
        print(f"hpcbatch.supervisor: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
