"""Commands that end early: errors, and Ctrl-C, as a user of the command line reads them."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

import click

from ..words.errors import HpcbatchError, UsageError
from ..words.messages import ours
from .exit_status import INTERNAL, INTERRUPTED, USAGE, status_of
from .formatting import plain_lines

if TYPE_CHECKING:
    from ..words.status import TaskStatus


class Stop(click.ClickException):
    """Ends a command with a sentence and an exit status."""

    def __init__(self, message: str, status: int, kind: str = "HpcbatchError"):
        super().__init__(message)
        self.status, self.kind = status, kind
        self.as_json = False

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        return self.status

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"hpcbatch: {plain_lines(self.message)}", err=True)
        if self.as_json:
            with contextlib.suppress(OSError):  # it may be standard output that failed
                click.echo(json.dumps({"error": self.kind, "message": self.message}))


def stop_for(error: BaseException) -> Stop:
    """What a command says when ``error`` ends it."""
    if isinstance(error, Stop):
        return error
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return Stop("interrupted", INTERRUPTED, "Interrupted")
    kind, status = type(error).__name__, status_of(type(error))
    if status == INTERNAL:
        return Stop(f"internal error: {kind}: {error} (--debug shows where)", status, kind)
    return Stop(_sentence(error), status, kind)


def misused(error: click.UsageError, as_json: bool) -> click.ClickException:
    """A command line that cannot be read: with how it is used, or as any other error in JSON."""
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        return error  # of newer versions of click: it shows the help
    told = plain_lines(error.format_message())
    if isinstance(error, click.NoSuchOption) and error.ctx is not None:
        meant = f"--{ours(error.option_name.lstrip('-'))}"
        if any(meant in each.opts for each in error.ctx.command.params):
            told = f"There is no option {error.option_name}; did you mean {meant}?"
    if not as_json:
        return click.UsageError(told, error.ctx)
    stop = Stop(told, USAGE, UsageError.__name__)
    stop.as_json = True
    return stop


def left_alone(what: str, status: TaskStatus) -> Stop:
    """What Ctrl-C leaves behind that came while somebody was ``watching`` a task."""
    from .common import command

    return Stop(
        f"stopped {what} {status.id}: {status.goes_on}. {command('watch', status.id)} watches "
        f"again, {command('cancel', status.id)} ends it.",
        INTERRUPTED,
        "Interrupted",
    )


@contextlib.contextmanager
def interruptible(left: str) -> Iterator[None]:
    """Ctrl-C ends what is within, and tells what is ``left``."""
    try:
        yield
    except KeyboardInterrupt:
        raise Stop(f"interrupted: {left}", INTERRUPTED, "Interrupted") from None


def _sentence(error: BaseException) -> str:
    if isinstance(error, HpcbatchError) or not isinstance(error, OSError):
        return str(error)
    if isinstance(error, FileNotFoundError) and error.filename is None and not _is_anywhere():
        return "the current folder is not there any more: change to another one"
    file = "standard output" if error.filename is None else error.filename or "''"
    return f"{file}: {error.strerror or error}"


def _is_anywhere() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True
