"""server: a server next to the cluster begins, is found, and ends."""

from __future__ import annotations

import functools
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import click

from ..server.lifecycle import Serving, none_runs
from ..words.extras import needs
from .common import Invocation, common_here, completed, here_options, print_json, say
from .exit_status import WAITING
from .stopping import Stop

if TYPE_CHECKING:
    from ..registry.registry import Registry
    from ..server.settings import ServerSettings
    from ..sites.run_file import Run


@click.group("server")
@here_options
def server() -> None:
    """Take tasks over HTTP, and release them onto this site's clusters.

    The server belongs to a registry, and goes on when its clients leave. It listens on
    127.0.0.1:7033 unless told otherwise, speaks TLS with a key of its own, and lets in whoever
    has a key that was added: see hpcbatch keys. You yourself need none here: hpcbatch dashboard
    opens its pages, hb.connect() is its site.

    \b
    Examples:
      hpcbatch server start                     # its log: server/server.log in the registry
      hpcbatch server status                    # where others reach it, and the card for them
      hpcbatch server stop                      # cancels what runs, but for --keep-running
      hpcbatch server sample-settings > server.yaml
      hpcbatch server start --settings server.yaml
      hpcbatch server install-service           # and systemd starts it with the machine
    """


_OPTIONS = (
    click.option("--host", help="The address to listen at [default: 127.0.0.1]."),
    click.option(
        "--port", type=click.IntRange(0, 65535), help="0 takes any that is free [default: 7033]."
    ),
    click.option(
        "--settings",
        metavar="FILE",
        shell_complete=completed("files"),
        help="From hpcbatch server sample-settings.",
    ),
    click.option("--insecure-http", is_flag=True, help="Serve without TLS: tokens can be read."),
    click.option(
        "--i-am-alone",
        is_flag=True,
        help="Nobody else is on this machine: allow settings that let everybody in.",
    ),
)


def _serving(command: Any) -> Any:
    """Gives a command the argument ``asked``, a Serving."""

    @functools.wraps(command)
    def with_options(*args: Any, **values: Any) -> Any:
        names = [each.name for each in fields(Serving)]
        return command(*args, asked=Serving(**{name: values.pop(name) for name in names}), **values)

    for option in reversed(_OPTIONS):
        with_options = option(with_options)
    return with_options


@server.command("run")
@common_here
@_serving
def run(invocation: Invocation, asked: Serving) -> None:
    """Serve in the foreground, until Ctrl-C.

    \b
    Examples:
      hpcbatch server run
      hpcbatch server run --settings server.yaml
    """
    with needs("a server", "server"):
        from ..server.serve import serve
    settings = _settings(asked)
    registry = _registry(invocation, settings)

    def announce(run: Run) -> None:
        say(f"Serving {registry.root} at {run.address}. hpcbatch server stop ends it, or Ctrl-C.")

    serve(registry, settings, asked.insecure_http, asked.i_am_alone, announce)


@server.command("start")
@common_here
@_serving
def start(invocation: Invocation, asked: Serving) -> None:
    """Serve in the background; it survives the logout.

    Its log is server/server.log in the registry: at 10 MiB it is begun anew, and the one before
    stays beside it.

    \b
    Examples:
      hpcbatch server start
      hpcbatch server start --port 7033
    """
    from ..server.lifecycle import start as start_server

    _tell(invocation, start_server(_registry(invocation, _settings(asked)), asked))


_started_with = click.option(
    "--settings",
    "file",
    metavar="FILE",
    shell_complete=completed("files"),
    help="What it was started with, if that names a task_root.",
)


@server.command("status", short_help="Tell whether a server runs, and where.")
@_started_with
@common_here
def status(invocation: Invocation, file: str | None) -> None:
    """Tell whether a server runs, and at which addresses it is reached. Exit status 3: none.

    \b
    Examples:
      hpcbatch server status
      hpcbatch server status --settings server.yaml
    """
    from ..sites.run_file import find_run

    root = _registry(invocation, _settings(Serving(settings=file))).root
    found = find_run(root)
    if found is None:
        raise Stop(str(none_runs(root)), WAITING, "StateError")
    _tell(invocation, found)


@server.command("stop", short_help="End the server, and cancel what it had released.")
@click.option("--keep-running", is_flag=True, help="Do not cancel what was released.")
@_started_with
@common_here
def stop(invocation: Invocation, keep_running: bool, file: str | None) -> None:
    """End the server; what it had released and is unfinished is canceled. What waited in its queue
    waits for the next one, and a resubmit runs again only what has no result.

    A signal to its process ends the server alone: what runs goes on, and the next server finds it.

    \b
    Examples:
      hpcbatch server stop
      hpcbatch server stop --keep-running
    """
    from ..server.lifecycle import stop as stop_server

    stopped = stop_server(_registry(invocation, _settings(Serving(settings=file))), keep_running)
    if invocation.json:
        print_json({"stopped": True, **stopped._asdict()})
    else:
        told = f" Canceled: {', '.join(stopped.canceled)}." if stopped.canceled else ""
        say(f"Stopped.{told}")
    for objection in stopped.objections:
        say(f"hpcbatch: not canceled: {objection}")


@server.command("install-service", short_help="Have systemd start it with the machine.")
@common_here
@_serving
def install_service(invocation: Invocation, asked: Serving) -> None:
    """Have systemd start the server with the machine, as a service of yours.

    \b
    Examples:
      hpcbatch server install-service --settings server.yaml
    """
    from ..server.service import NAME, install_service

    path = install_service(_registry(invocation, _settings(asked)), asked)
    then = (
        "systemctl --user daemon-reload",
        f"systemctl --user enable --now {NAME}",
        "loginctl enable-linger  # it starts without a login of yours",
    )
    if invocation.json:
        print_json({"unit": path, "then": [line.partition("  #")[0] for line in then]})
        return
    click.echo(path)
    say("To begin:")
    for line in then:
        say(f"  {line}")


@server.command("sample-settings")
@common_here
def sample_settings(invocation: Invocation) -> None:
    """Print a settings file with comments.

    \b
    Examples:
      hpcbatch server sample-settings > server.yaml
    """
    from ..server.settings import SAMPLE

    print_json({"text": SAMPLE}) if invocation.json else click.echo(SAMPLE, nl=False)


def _settings(asked: Serving) -> ServerSettings:
    from ..server.settings import read_settings

    return read_settings(asked.settings, asked.host, asked.port)


def _registry(invocation: Invocation, settings: ServerSettings) -> Registry:
    return invocation.registry(settings.options.task_root)


def _tell(invocation: Invocation, run: Run) -> None:
    from ..sites.run_file import UNIX

    if invocation.json:
        print_json({**asdict(run), "addresses": run.addresses, "card": str(run.card)})
        return
    click.echo(f"server  process {run.pid} on {run.host}")
    for address in run.addresses:
        click.echo(f"  {address}")
    if run.address.startswith(UNIX):
        say(f"You alone reach it: hb.connect(), or --site {run.address}")
    else:
        click.echo(f"card    {run.card}")
