"""The program ``hpcbatch``: finds the command, and says what went wrong in one sentence.

A command's module is imported when the command is called, so that the others cost it nothing.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

import click

from ..words.messages import nearest
from ..words.version import VERSION
from .common import COMPLETES, Invocation, global_options, say
from .exit_status import BROKEN_PIPE, HELP
from .stopping import misused, stop_for

# heading -> command -> module, attribute, the first sentence of its help
SECTIONS: dict[str, dict[str, tuple[str, str, str]]] = {
    "Run": {
        "map": ("submitting", "map_command", "Run a function or a program over many inputs."),
        "script": ("submitting", "script", "Print the script that map would submit."),
        "resubmit": ("submitting", "resubmit", "Submit again the jobs that have no result."),
        "demo": (
            "demo",
            "demo",
            "Measure the standard library's own source files, one job per file.",
        ),
    },
    "See": {
        "list": ("viewing", "list_command", "List all tasks."),
        "status": ("viewing", "status", "Count the jobs of a task by state."),
        "watch": ("watching", "watch", "Watch a task until nothing of it is alive."),
        "jobs": ("jobs", "jobs", "List the jobs of a task."),
        "logs": ("jobs", "logs", "Print what a job printed."),
        "tend": ("tending", "tend", "Track tasks, retry what may be retried, tell of the end."),
        "errors": ("jobs", "errors", "Group the failed jobs of a task by their message."),
        "clusters": (
            "clusters",
            "clusters",
            "List the clusters, and what this host's schedulers tell.",
        ),
        "doctor": (
            "doctor",
            "doctor",
            "Check this host, the registry, and a node of each cluster.",
        ),
        "config": ("configuration", "config", "See how clusters are configured."),
        "completion": (
            "completion",
            "completion",
            "Let the shell complete commands, options, IDs, clusters and sites.",
        ),
    },
    "Get and end": {
        "collect": ("collecting", "collect", "Collect the results in the order of the inputs."),
        "cancel": ("canceling", "cancel", "Cancel the jobs that have no result yet."),
        "remove": ("canceling", "remove", "Delete a task and its results."),
    },
    "Pools": {
        "pool": ("pools", "pool", "Pools of workers: list them, see their logs, end them."),
    },
    "Elsewhere": {
        "remote": ("remote", "remote", "Login nodes that are reached by SSH."),
        "server": (
            "serving",
            "server",
            "Take tasks over HTTP, and release them onto this site's clusters.",
        ),
        "keys": (
            "keys",
            "keys",
            "Your key, and the keys that a server knows.",
        ),
        "site": ("sites", "site", "Sites that you know, for --site."),
        "dashboard": ("dashboard", "dashboard", "See a server's tasks in the browser."),
    },
}
COMMANDS = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


class LazyGroup(click.Group):
    """Knows its commands by name and summary; imports the one that is called."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        with _telling_errors(ctx, args):
            return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(import_module(f"{__package__}.{module}"), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"there is no command {args[0]!r}{nearest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, section in SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl([(name, entry[2]) for name, entry in section.items()])

    def invoke(self, ctx: click.Context) -> Any:
        with _telling_errors(ctx, ctx.args):
            answer = super().invoke(ctx)
            sys.stdout.flush()
            return answer


@contextmanager
def _telling_errors(context: click.Context, words: Sequence[str]) -> Iterator[None]:
    """What goes wrong within becomes a sentence and an exit status."""
    invocation = context.ensure_object(Invocation)
    as_json = "--json" in words  # where the rest cannot be read, the option is not either
    try:
        yield
    except click.exceptions.Exit:
        raise
    except click.UsageError as error:
        raise misused(error, as_json or invocation.json) from error
    except BrokenPipeError:
        _leave_pipe()
    except (Exception, KeyboardInterrupt) as error:
        raise _as_click_error(invocation, error) from error


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]}, epilog=HELP)
@global_options
@click.version_option(VERSION, prog_name="hpcbatch")
@click.pass_context
def main(context: click.Context) -> None:
    """Run a function or a program over many inputs as job arrays on Slurm, Grid Engine or
    this machine; see what failed and why; resubmit only that; collect the results.

    An ID may be shortened to a unique beginning, or be "last". Every command has its own
    --help with examples.

    \b
    Examples:
      hpcbatch map sim.py:simulate --arg x=range:0:100 --const y=3 --walltime 10m
      hpcbatch map --shell './sim --x {x}' --args-file params.csv
      hpcbatch watch last
      hpcbatch errors last
      hpcbatch resubmit last --only expired --memory 8GB
      hpcbatch collect last -o results.json
    """
    invocation = context.ensure_object(Invocation)
    if invocation.debug:
        _log_commands()
    else:
        warnings.showwarning = _show_warning  # type: ignore[assignment]


def run() -> None:
    """The console script."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # the caller has closed it
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "r+"))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that the terminal's charset lacks is no crash
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, _terminated)
    if COMPLETES in os.environ:
        import_module(f"{__package__}.bash_completion")  # click has one of its own else
    try:
        main(prog_name="hpcbatch")
    finally:
        _drop_what_nobody_reads()


def _as_click_error(invocation: Invocation, error: BaseException) -> click.ClickException:
    if isinstance(error, click.ClickException) and not hasattr(error, "as_json"):
        return error
    if invocation.debug:
        import traceback

        traceback.print_exception(error)
    stop = stop_for(error)
    stop.as_json = invocation.json
    return stop


def _show_warning(message: Warning | str, *_: Any) -> None:
    """Without the line of code, which is ours."""
    say(f"hpcbatch: note: {message}")


def _log_commands() -> None:
    import logging

    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    logging.getLogger("hpcbatch").setLevel(logging.DEBUG)


def _leave_pipe() -> NoReturn:
    """The interpreter flushes standard output once more at its end, and must not fail there."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(BROKEN_PIPE)


def _drop_what_nobody_reads() -> None:
    """Ctrl-C ends the readers of a pipe as well."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        pass  # it is closed, or full: the command has told so


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    """Unwinds, so that temporary files and hidden cursors do not stay behind."""
    sys.exit(128 + number)
