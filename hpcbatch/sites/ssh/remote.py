"""What runs on the login node: one process a request. It reads the request on standard input, and
writes a mark that its client has chosen, then messages: what a login shell prints before is so
told apart.
"""

from __future__ import annotations

import json
import os
import select
import sys
import warnings
from collections.abc import Mapping

from ...words.errors import HpcbatchError
from ..here import Here
from ..wire import error_json, warning_json
from . import frames
from .answers import Talk
from .verbs import VERBS, Verb


def answer(talk: Talk, verbs: Mapping[str, Verb]) -> None:
    asked = json.loads(talk.messages.next()[1])
    talk.write(str(asked["mark"]).encode())
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            made = verbs[asked["verb"]](Here(asked["root"] or None), asked, talk)
            kind, told = frames.ANSWER, made
        except HpcbatchError as error:
            kind, told = frames.ERROR, error_json(error)
        except EOFError:
            return  # the client went away
        except Exception as error:
            words = f"hpcbatch failed there: {type(error).__name__}: {error}"
            kind, told = frames.ERROR, error_json(HpcbatchError(words))
    for warning in warned:
        talk.tell(frames.WARNING, warning_json(warning))
    talk.write(frames.message(kind, frames.packed(json.dumps(told).encode())))


def prepare() -> None:
    """Load what most requests need, while none is there."""
    from ...use import collect, job_infos, job_logs, resubmit, service, submit  # noqa: F401
    from .. import parcel  # noqa: F401


def main(verbs: Mapping[str, Verb] = VERBS) -> None:
    os.umask(0o077)
    out = os.dup(1)
    os.dup2(2, 1)  # what a library prints is no part of the answer
    if verbs is VERBS and not select.select([0], [], [], 0)[0]:
        prepare()
    try:
        answer(Talk(lambda size: os.read(0, size), out), verbs)
    except (BrokenPipeError, EOFError):
        sys.exit(1)


if __name__ == "__main__":
    main()
