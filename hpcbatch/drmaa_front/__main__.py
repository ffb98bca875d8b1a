"""``python -m hpcbatch.drmaa_front submit|list|cancel|history``: DRMAA 1.0 by command lines, so
that a native library never comes into the process of a user."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from ..words.errors import (
    HpcbatchError,
    NotFound,
    RegistryUnwritable,
    SubmissionDeferred,
    SubmissionRejected,
    SubmissionUnclear,
    UsageError,
)
from ..words.ranges import Ranges
from . import native
from .directives import parse
from .outliving import outlive
from .session import Session
from .spool import Spool
from .systems import system

KINDS: dict[type[Exception], str] = {
    SubmissionDeferred: "try again later: ",
    SubmissionUnclear: "may have been taken: ",
}


def submit(_: argparse.Namespace) -> int:
    native.make_room()
    script = sys.stdin.buffer.read()
    asked = parse(script)
    spool = Spool.make()
    programs, array = spool.programs(), spool.array(asked.name)
    walltime = str(asked.walltime or "")
    element = [f"{programs}/element.sh", array.folder, str(asked.elements), walltime]

    def hand_over(is_wanted: Callable[[], bool]) -> None:
        with Session(native.at_start) as session:
            if array.intend(asked, script, session.drms):
                command = ["/bin/bash", *element, sys.executable]
                try:
                    session.submit(asked, command, array.keep_ids, is_wanted)
                except (SubmissionRejected, SubmissionDeferred):
                    array.remove()
                    raise
                except RegistryUnwritable as error:
                    raise SubmissionUnclear(str(error)) from error
            elif not array.has_ids():
                raise SubmissionUnclear(f"{array.name} was handed over before without an answer")
        print(f"submitted {array.name}")

    return outlive(lambda is_wanted: _exit_status_of(hand_over, is_wanted))


def list_(_: argparse.Namespace) -> None:
    from .listing import alive

    print(json.dumps(alive(Spool.find(), _open)))


def cancel(args: argparse.Namespace) -> None:
    spool = Spool.find()
    array = spool.array(args.name)
    asked, names = array.asked(), array.names()
    if asked is None:
        raise NotFound(f"there is no array {args.name!r} in {spool.path}")
    array.cancel(args.indices)
    left, ids = array.open_elements(names, asked["elements"]), array.ids(names)
    if args.indices is not None:
        left = [index for index in left if index in args.indices]
    jobs: Sequence[str] = [ids[index] for index in left if index in ids]
    if args.indices is None:
        jobs = system(asked["drms"]).whole(jobs)
    if jobs:
        with _open() as session:
            session.terminate(jobs)


def history(args: argparse.Namespace) -> None:
    """From the spool alone. An element that ended without a word is not told of, except that it
    was to be cancelled or had come near its time limit."""
    spool, told = Spool.find(), []
    for name in args.names:
        array = spool.array(name)
        asked, names = array.asked(), array.names()
        if asked is not None:
            endings = array.endings(names)
            for index in array.canceled(names, asked["elements"]):
                if endings.get(index, {}).get("reason") in (None, "timeout"):
                    endings[index] = {**endings.get(index, {}), "reason": "canceled"}
            told.append({"name": name, "elements": endings})
    print(json.dumps(told))


def _open() -> Session:
    native.make_room()
    return Session()


def _indices(text: str) -> Ranges:
    try:
        return Ranges.parse(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _name(text: str) -> str:
    if "/" in text or text in ("", ".", ".."):
        raise argparse.ArgumentTypeError(f"{text!r} is no name of an array")
    return text


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hpcbatch.drmaa_front", description="DRMAA 1.0 by command lines."
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    verbs.add_parser("submit", help="a script on standard input").set_defaults(run=submit)
    verbs.add_parser("list", help="what is queued or running").set_defaults(run=list_)
    asked = verbs.add_parser("history", help="how elements ended")
    asked.add_argument("names", nargs="*", type=_name, metavar="NAME")
    asked.set_defaults(run=history)
    ended = verbs.add_parser("cancel", help="end elements")
    ended.add_argument("name", type=_name, metavar="NAME")
    ended.add_argument("indices", nargs="?", type=_indices, metavar="INDICES", help="as 3,7-9")
    ended.set_defaults(run=cancel)
    return parser


def main() -> int:
    os.umask(0o077)
    args = _arguments().parse_args()
    return _exit_status_of(args.run, args)


def _exit_status_of(run: Callable[[Any], int | None], argument: Any) -> int:
    """The exit status; what went wrong is said on standard error."""
    try:
        return run(argument) or 0
    except (HpcbatchError, OSError) as error:
        kind = KINDS.get(type(error), "")
        print(f"hpcbatch.drmaa_front: {kind}{' '.join(str(error).split())}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
