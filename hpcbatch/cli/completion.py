"""completion: what the shell offers on Tab."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator

import click
from click.shell_completion import CompletionItem, FishComplete, ZshComplete

from ..words.errors import HpcbatchError
from ..words.model import STATES
from ..words.options import REASONS
from .bash_completion import Bash
from .common import COMPLETES, Invocation, common_here, print_json

LARGEST = 1 << 20  # bytes of a file that functions are read from: more take seconds
SHELLS = {"bash": Bash, "zsh": ZshComplete, "fish": FishComplete}


@click.command("completion")
@click.argument("shell", type=click.Choice(list(SHELLS)), required=False)
@common_here
def completion(invocation: Invocation, shell: str | None) -> None:
    """Let the shell complete commands, options, IDs, clusters and sites.

    \b
    Examples:
      hpcbatch completion bash >> ~/.bashrc
      hpcbatch completion zsh >> ~/.zshrc
      hpcbatch completion fish > ~/.config/fish/completions/hpcbatch.fish
    """
    name = shell or os.path.basename(os.environ.get("SHELL", ""))
    if name not in SHELLS:
        raise click.UsageError(f"which shell? one of {', '.join(SHELLS)}")
    command = click.get_current_context().find_root().command
    text = SHELLS[name](command, {}, "hpcbatch", COMPLETES).source()
    print_json({"text": text}) if invocation.json else click.echo(text)


def task_ids(
    context: click.Context, parameter: click.Parameter, beginning: str
) -> list[CompletionItem]:
    """Of the registry here: asking another site for each Tab takes too long."""
    invocation = context.find_root().ensure_object(Invocation)
    try:
        if invocation.named_site():
            return []
        ids = invocation.registry().ids()
    except HpcbatchError:
        return []
    return _beginning([*ids, "last"], beginning)


def cluster_names(
    context: click.Context, parameter: click.Parameter, beginning: str
) -> list[CompletionItem]:
    """Of this machine, likewise."""
    from ..cluster.config import is_here, load_clusters

    try:
        if context.find_root().ensure_object(Invocation).named_site():
            return []
        found = load_clusters()
    except HpcbatchError:
        return []
    return _beginning([name for name, config in found.items() if is_here(config)], beginning)


def site_names(
    context: click.Context, parameter: click.Parameter, beginning: str
) -> list[CompletionItem]:
    from ..sites.known_sites import all_known

    try:
        return _beginning(all_known(), beginning)
    except HpcbatchError:
        return []


def pool_ids(
    context: click.Context, parameter: click.Parameter, beginning: str
) -> list[CompletionItem]:
    from ..pool.monitor import pools

    try:
        invocation = context.find_root().ensure_object(Invocation)
        return _beginning([pool.id for pool in pools(invocation.root)], beginning)
    except HpcbatchError:
        return []


def states(
    context: click.Context, parameter: click.Parameter, beginning: str
) -> list[CompletionItem]:
    return _listed(STATES, beginning)


def reasons(
    context: click.Context, parameter: click.Parameter, beginning: str
) -> list[CompletionItem]:
    return _listed(REASONS, beginning)


def functions(
    context: click.Context, parameter: click.Parameter, beginning: str
) -> list[CompletionItem]:
    """Those of a Python file, once it is named; of files before. The file is read, and not run."""
    path, _, name = beginning.rpartition(":")
    if os.path.isfile(os.path.expanduser(beginning)):
        path, name = beginning, ""
    if not os.path.isfile(os.path.expanduser(path)):  # a pipe would be waited for
        return [] if path.endswith(".py") else files(context, parameter, beginning)
    return [CompletionItem(f"{path}:{found.value}") for found in _beginning(_defined(path), name)]


def _defined(path: str) -> Iterator[str]:
    """Names of functions and classes at the top of a file that are for others."""
    try:
        with open(os.path.expanduser(path), "rb") as file:
            tree = ast.parse(file.read(LARGEST))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            yield node.name


def files(
    context: click.Context, parameter: click.Parameter, beginning: str
) -> list[CompletionItem]:
    return [CompletionItem(beginning, type="file")]


def folders(
    context: click.Context, parameter: click.Parameter, beginning: str
) -> list[CompletionItem]:
    return [CompletionItem(beginning, type="dir")]


def _listed(names: Iterable[str], beginning: str) -> list[CompletionItem]:
    """The last of several, with a comma between them."""
    before, comma, last = beginning.rpartition(",")
    return [CompletionItem(f"{before}{comma}{each.value}") for each in _beginning(names, last)]


def _beginning(names: Iterable[str], beginning: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(beginning)]
