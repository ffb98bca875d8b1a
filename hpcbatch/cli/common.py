"""What every command has: --json, --root, --site, --debug, and the site they lead to."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..words.errors import UsageError

if TYPE_CHECKING:
    from ..registry.registry import Registry
    from ..sites.base import Site

COMPLETES = "_HPCBATCH_COMPLETE"  # is set where the shell asks what to offer

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass
class Invocation:
    """What was asked of the whole program."""

    root: str | None = None
    elsewhere: str | None = None
    json: bool = False
    debug: bool = False

    def site(self) -> Site:
        """Raises UsageError, NotFound, KeyFileError."""
        if named := self.named_site():
            from ..sites.connect import connect

            return connect(named)
        from ..sites.here import Here

        return Here(self.root)

    def named_site(self) -> str:
        """That of --site, or the default where no root is given; empty for this machine. Raises
        UsageError."""
        if self.elsewhere and self.root:
            raise UsageError("--root and --site exclude each other")
        if self.elsewhere or self.root:
            return self.elsewhere or ""
        from ..sites import default

        return os.environ.get("HPCBATCH_SITE") or default.read()

    def registry(self, default: str = "") -> Registry:
        """That of this machine."""
        from ..registry.registry import Registry

        return Registry(self.root or default or None)

    def check_here(self) -> None:
        """Raises UsageError for --site, where a command has no use for it."""
        if self.elsewhere:
            raise UsageError(
                "this command is about this machine alone, or the site it names: leave --site away"
            )

    def find(self, text: str) -> tuple[Site, str]:
        """The site, and the id of the task that ``text`` means. Raises NotFound."""
        site = self.site()
        return site, site.find(text)


def global_options(command: Command) -> Command:
    """--json, --root, --site and --debug; they may stand before the command's name or behind it."""
    for option in reversed(_GLOBAL):
        command = option(command)
    return command


def here_options(command: Command) -> Command:
    """The same without --site, where a command is about this machine, or names a site itself. It is
    only hidden, so that who gives it is told more than that there is none."""
    for option in reversed([_HIDDEN_SITE if option is _SITE else option for option in _GLOBAL]):
        command = option(command)
    return command


def common_here(command: Command) -> Command:
    """These, and an Invocation as the command's first argument. --site is refused."""

    @functools.wraps(command)
    def here(invocation: Invocation, *args: Any, **values: Any) -> Any:
        invocation.check_here()
        return command(invocation, *args, **values)

    return here_options(click.pass_obj(here))  # type: ignore[return-value]


def common(command: Command) -> Command:
    """The global options, and an Invocation as the command's first argument."""
    return global_options(click.pass_obj(command))  # type: ignore[return-value]


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value))


def say(text: str) -> None:
    """Tell a person, on standard error, so that standard output stays the answer."""
    from .formatting import plain_lines

    click.echo(plain_lines(text), err=True)


def command(*words: str) -> str:
    """A command line that leads to the same registry or site as the one that runs."""
    import shlex

    context = click.get_current_context(silent=True)
    invocation = context.find_object(Invocation) if context is not None else None
    chosen_by = (
        {"--site": invocation.elsewhere, "--root": invocation.root}
        if invocation is not None
        else {}
    )
    flags = [word for flag, value in chosen_by.items() if value for word in (flag, value)]
    return shlex.join(["hpcbatch", *words, *flags])


def listed(values: tuple[str, ...]) -> tuple[str, ...] | None:
    """``--state error --state expired,canceled`` as one list; None when nothing was given."""
    words = [word.strip() for value in values for word in value.split(",")]
    return tuple(word for word in words if word) or None


def completed(by: str) -> Any:
    """What completes a word is loaded when the shell asks: a function of ``completion``."""

    def complete(context: click.Context, parameter: click.Parameter, beginning: str) -> Any:
        from . import completion

        return getattr(completion, by)(context, parameter, beginning)

    return complete


def _remember(context: click.Context, option: click.Parameter, value: Any) -> None:
    if value == "":
        raise click.BadParameter("it is empty")
    if value:
        setattr(context.find_root().ensure_object(Invocation), str(option.name), value)


def _site_option(hidden: bool) -> Callable[[Command], Command]:
    return click.option(
        "--site",
        "elsewhere",
        metavar="SITE",
        is_eager=True,
        expose_value=False,
        callback=_remember,
        shell_complete=completed("site_names"),
        hidden=hidden,
        help="By name or address: ssh://me@login, https://login:7033 [default: see hpcbatch site].",
    )


_SITE, _HIDDEN_SITE = _site_option(hidden=False), _site_option(hidden=True)
_GLOBAL = (
    click.option(
        "--json",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_remember,
        help="Answer in JSON on standard output; errors too.",
    ),
    click.option(
        "--root",
        metavar="DIR",
        shell_complete=completed("folders"),
        is_eager=True,
        expose_value=False,
        callback=_remember,
        help="The registry [default: $HPCBATCH_ROOT or ~/.hpcbatch].",
    ),
    _SITE,
    click.option(
        "--debug",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_remember,
        help="Show the traceback of an error, and the scheduler's commands.",
    ),
)
jobs_option = click.option("--jobs", metavar="LIST", help="Only these jobs, such as 3,7-9.")


def states_option(name: str) -> Callable[[Command], Command]:
    """Repeated, or with commas between states: see ``listed``."""
    return click.option(
        name,
        multiple=True,
        metavar="STATES",
        shell_complete=completed("states"),
        help="States, such as error,expired.",
    )


task_argument = click.argument("task", metavar="ID", shell_complete=completed("task_ids"))
cluster_option = click.option(
    "--cluster",
    "-c",
    shell_complete=completed("cluster_names"),
    help="Name of a cluster, see: hpcbatch clusters.",
)
