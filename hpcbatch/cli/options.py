"""The options of everything that submits."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import click

from ..words.errors import ResourceError, UsageError
from ..words.options import SubmitOptions
from .common import cluster_option, completed

RESOURCES = (
    (("--walltime", "-t"), "Time that one job needs: 90s, 10m, 2h, 01:30:00."),
    (("--element-walltime",), "Time of an element, whatever number of jobs it runs."),
    (("--memory", "-m"), "Memory of an element: 500MB, 4GB."),
    (("--cpus",), "Cores of an element."),
    (("--gpus",), "GPUs of an element."),
    (("--nodes",), "Nodes of an element."),
    (("--queue", "-q"), "Queue or partition."),
    (("--account", "-A"), "Account or project that pays."),
    (("--qos",), "Quality of service."),
    (("--constraint",), "Features that a node must have."),
)


def submit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the argument ``options``, a SubmitOptions."""

    @functools.wraps(command)
    def with_options(*args: Any, **values: Any) -> Any:
        return command(*args, options=_taken(values), **values)

    for option in reversed(_all()):
        with_options = option(with_options)
    return with_options


def _all() -> list[Callable[..., Any]]:
    resources = [click.option(*names, help=told) for names, told in RESOURCES]
    last = [
        click.option("--extra", multiple=True, help="A directive as the scheduler reads it."),
        click.option("--chunk", metavar="N", help="Most jobs of an element, or auto."),
        click.option("--throttle", type=int, metavar="N", help="Most elements at once."),
        click.option(
            "--isolate/--no-isolate", default=None, help="A process of its own for each job."
        ),
        click.option("--job-timeout", metavar="TIME", help="End a job after it; isolates."),
        click.option("--retries", type=int, metavar="N", help="Submit expired jobs again."),
        click.option(
            "--retry-on",
            metavar="REASONS",
            shell_complete=completed("reasons"),
            help="Such as timeout,node-failure.",
        ),
        click.option("--retry-scale", metavar="memory=2,…", help="Resources grow with each retry."),
        *(
            click.option(
                name,
                multiple=True,
                metavar="ID",
                shell_complete=completed("task_ids"),
                help=f"Begin when it {told}.",
            )
            for name, told in (("--after", "has ended"), ("--after-ok", "is done"))
        ),
        click.option(
            "--env",
            multiple=True,
            metavar="NAME[=VALUE]",
            help="A variable that jobs get; without a value, that of here.",
        ),
        click.option("--notify", metavar="COMMAND", help="Or URL, called when it has resolved."),
    ]
    return [cluster_option, *resources, *last]


def _taken(values: dict[str, Any]) -> SubmitOptions:
    """Take our options out of ``values``."""
    names = [flags[0].lstrip("-").replace("-", "_") for flags, _ in RESOURCES]
    resources = {name: values.pop(name) for name in names}
    resources["extra"] = values.pop("extra") or None
    # an empty text takes away what the attempt before or the cluster would give
    given = {name: value or None for name, value in resources.items() if value is not None}
    reasons = values.pop("retry_on")
    return SubmitOptions(
        cluster=values.pop("cluster"),
        resources=given,
        chunk=_chunk(values.pop("chunk")),
        retry_on=None if reasons is None else tuple(reasons.replace(" ", "").split(",")),
        retry_scale=_factors(values.pop("retry_scale")),
        env=_variables(values.pop("env")),
        **{name: values.pop(name) for name in _AS_THEY_ARE},
    )


_AS_THEY_ARE = (
    "throttle",
    "isolate",
    "job_timeout",
    "retries",
    "after",
    "after_ok",
    "notify",
)


def _factors(text: str | None) -> dict[str, float] | None:
    if text is None:
        return None
    found = {}
    for part in text.split(","):
        name, _, factor = part.strip().partition("=")
        try:
            found[name] = float(factor)
        except ValueError:
            raise UsageError(f"--retry-scale {text!r} is no list such as memory=2") from None
    return found


def _variables(texts: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, has_value, value = text.partition("=")
        if not has_value and name not in os.environ:
            raise UsageError(f"--env {name} has no value, and there is no such variable here")
        found[name] = value if has_value else os.environ[name]
    return found


def _chunk(text: str | None) -> int | str | None:
    if text is None or text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise ResourceError(
            f"chunk {text!r} is neither 'auto' nor a whole number from 1 up"
        ) from None
