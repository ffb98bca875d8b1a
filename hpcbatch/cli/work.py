"""What is to be run: a function or a program, and its inputs."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ..use.create import draft_program, draft_task
from ..use.project import find_project
from ..words.errors import InputError, UsageError
from .arguments import read_constants, read_inputs
from .common import completed
from .function_argument import load_function
from .paramfiles import FORMS

if TYPE_CHECKING:
    from ..registry.draft import Draft


@dataclass(frozen=True)
class Work:
    """What is to be run: a function or a shell command, and its inputs. Raises UsageError,
    InputError where it is neither, before anything else is looked at."""

    target: str | None
    shell: str | None
    arg: tuple[str, ...]
    args_file: str | None
    args_format: str | None
    args_columns: str | None
    const: tuple[str, ...]
    grid: bool
    name: str | None
    seed: int | None
    with_project: str | None

    def __post_init__(self) -> None:
        if self.target is not None and self.shell is not None:
            raise UsageError(f"{self.target} and --shell were both given: one of them is run")
        if self.target is None and self.shell is None:
            taken = f": --with-project took {self.with_project!r}" if self.with_project else ""
            raise UsageError(
                f"name a function as FILE.py:FUNCTION, or give --shell 'COMMAND'{taken}"
            )
        if self.shell is not None and self.with_project is not None:
            raise UsageError("--with-project goes with a function: --shell starts what is there")
        if self.shell is not None and not self.shell.strip():
            raise InputError("--shell is empty: give it a command")

    def draft(self) -> Draft:
        """It as a task. Raises InputError."""
        is_shell = self.shell is not None
        columns = read_inputs(
            self.arg,
            self.args_file,
            self.args_format,
            self.args_columns,
            for_shell=is_shell,
            grid=self.grid,
        )
        constants = read_constants(self.const, for_shell=is_shell)
        if self.shell is not None:
            return draft_program(self.shell, columns, constants, self.name, self.seed)
        function, project = load_with_project(str(self.target), self.with_project)
        return draft_task(function, (), columns, constants, self.name, self.seed, project)


def load_with_project(target: str, option: str | None) -> tuple[Any, bool | str]:
    """A function, and the project that is to travel with it, whose modules are found here as they
    are on the nodes. Raises InputError."""
    project = named_project(option)
    if project is not False:
        _import_from(project, target)
    try:
        return load_function(target), project
    except InputError as error:
        if project is False and isinstance(error.__cause__, ModuleNotFoundError):
            told = f"{error}. --with-project imports from its whole project, and sends that along"
            raise InputError(told) from error.__cause__
        raise


def _import_from(project: bool | str, target: str) -> None:
    folder = find_project(project, [os.path.dirname(target.rpartition(":")[0]) or "."])
    ways = [f"{folder}/src"] if not os.path.exists(f"{folder}/src/__init__.py") else []
    sys.path += [way for way in (*ways, folder) if os.path.isdir(way) and way not in sys.path]


def named_project(option: str | None) -> bool | str:
    """What --with-project asks for: a folder, the one above the function's file, or none."""
    return False if option is None else option or True


project_option = click.option(
    "--with-project",
    is_flag=False,
    flag_value="",
    metavar="[FOLDER]",
    shell_complete=completed("folders"),
    help="Send a whole source folder, but for what git ignores.",
)


def asked_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the argument ``asked``."""

    @functools.wraps(command)
    def with_asked(*args: Any, **values: Any) -> Any:
        taken = {name: values.pop(name) for name in Work.__dataclass_fields__}
        return command(*args, asked=Work(**taken), **values)

    for option in reversed(_ASKED):
        with_asked = option(with_asked)
    return with_asked


_ASKED = (
    click.argument(
        "target",
        required=False,
        metavar="[FILE.py:FUNCTION]",
        shell_complete=completed("functions"),
    ),
    click.option("--shell", metavar="COMMAND", help="A program: './sim --x {x} --seed {seed}'."),
    click.option("--arg", multiple=True, metavar="NAME=VALUES", help="A column of inputs."),
    click.option(
        "--args-file",
        metavar="FILE",
        shell_complete=completed("files"),
        help="Columns from a file; - is standard input.",
    ),
    click.option(
        "--args-format",
        type=click.Choice(FORMS),
        help="Of --args-file [default: what its name ends in].",
    ),
    click.option(
        "--args-columns",
        metavar="NAMES",
        help="Of --args-file: these alone, such as x,y [default: all].",
    ),
    click.option("--const", multiple=True, metavar="NAME=VALUE", help="The same for every job."),
    click.option("--grid", is_flag=True, help="Every combination of the --arg columns."),
    click.option("--name", help="Name of the task [default: the function's]."),
    click.option("--seed", type=int, help="Makes random numbers of jobs repeatable."),
    project_option,
)
