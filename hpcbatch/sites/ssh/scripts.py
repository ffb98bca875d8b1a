"""Shell scripts for a login node that has no hpcbatch yet. They go by standard input, with all that
is in them: the command line of a process is there for everybody to read."""

from __future__ import annotations

import base64
import os
from typing import NamedTuple

from ...words.errors import SiteUnreachable
from .frames import Messages
from .keeper_client import Line

COMMAND = "sh -s"


class Done(NamedTuple):
    status: int
    output: str
    complaint: str

    @property
    def said(self) -> str:
        """The end of what it had to say."""
        return (self.complaint.strip() or self.output.strip() or "it says nothing")[-2000:]


def run(line: Line, script: str) -> Done:
    """Run a script for sh; what a login shell prints before is left out. Raises SiteUnreachable."""
    mark = os.urandom(16).hex()
    with line.run(COMMAND) as stream:
        # the shell reads all of it before it does anything: programs must not read on
        body = f"main() {{\n{script}\n}}\nprintf %s {mark}\nmain </dev/null\nexit $?\n"
        stream.send(body.encode("utf-8", "surrogateescape"))
        stream.end()
        messages = Messages(stream.read)
        output = b""
        try:
            messages.skip_behind(mark.encode())
            output = messages.held()
        except EOFError:
            pass
        while more := stream.read(1 << 16):
            output += more
    if stream.status is None:
        raise SiteUnreachable(f"the connection to {line.login} was lost")
    return Done(stream.status, output.decode("utf-8", "replace"), stream.complaint)


def file(path: str, content: bytes) -> str:
    """A line that writes a file; ``path`` is shell text, such as "$T/name"."""
    lines = base64.encodebytes(content).decode()
    end = f"end{os.urandom(8).hex()}"
    return f"base64 -d >{path} <<'{end}'\n{lines}{end}"
