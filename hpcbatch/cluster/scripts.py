"""Templates become scripts: quoted for the shell by default, an error for a missing name."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import jinja2

from ..words.errors import ConfigError, nearest
from ..words.resources import Resources

PASSED_ON = (
    "PATH",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "LANG",
    "LC_ALL",
)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_LINE_ENDS = {"\n": "\\n", "\r": "\\r", "\\": "\\\\", "'": "\\'"}
# a template is its author's code: an expression such as walltime // 60 without a walltime
_CANNOT_BE_USED = (
    jinja2.TemplateError,
    OSError,
    ValueError,
    TypeError,
    ArithmeticError,
    RecursionError,
)


@dataclass(frozen=True)
class ArrayOrder:
    """One array as its script describes it: elements ``first`` to ``first + count - 1`` of the
    attempt, which the scheduler counts from ``base`` to ``last``."""

    name: str
    first: int
    count: int
    base: int

    @property
    def last(self) -> int:
        return self.base + self.count - 1


@dataclass(frozen=True)
class ScriptOrder:
    """All that a template may name. Paths are absolute; ``walltime`` is an element's, seconds."""

    title: str
    array: ArrayOrder
    resources: Resources
    walltime: int | None
    throttle: int | None
    after: tuple[str, ...]  # ids of arrays that must have ended
    env: Mapping[str, str]
    setup: tuple[str, ...]
    folder: str
    log_prefix: str
    python: str
    runner: str
    task: str
    attempt: int


_NAMED = (ScriptOrder, ArrayOrder, Resources)


class _Verbatim(str):
    """Text that goes into a script as it is."""


def render(template: str, order: ScriptOrder) -> str:
    """The script. Raises ConfigError for a missing template, an unknown name, or a template
    that forgets to run anything."""
    environment = _environment()
    try:
        if os.path.isabs(template) or template.startswith(("./", "../", "~")):
            with open(os.path.expanduser(template), encoding="utf-8") as file:
                source = environment.from_string(file.read())
        else:
            source = environment.get_template(template)
        text = source.render({name: getattr(order, name) for name in order.__dataclass_fields__})
    except ConfigError:
        raise
    except _CANNOT_BE_USED as error:
        raise ConfigError(f"template {template} cannot be used: {_explained(error)}") from error
    if _quoted(order.runner) not in text:
        raise ConfigError(f"template {template} does not run {{{{ runner }}}}: no job would start")
    return text


def passed_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The submitter's variables that elements get, and the profile's. Raises ConfigError."""
    for name in extra:
        if not _VARIABLE.match(name):
            raise ConfigError(f"{name!r} is no name of an environment variable")
    own = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {**own, **extra}


def template_folders() -> list[str]:
    """Where templates are looked for, first hit wins: the user's, then the shipped ones."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    shipped = f"{package}/templates"  # in a wheel; in a checkout they stand beside the package
    if not os.path.isdir(shipped):
        shipped = f"{os.path.dirname(package)}/templates"
    return [f"{home}/hpcbatch/templates", shipped]


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template_folders()),
        undefined=jinja2.StrictUndefined,
        finalize=_quoted,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        verbatim=_Verbatim,
        comment=lambda text: _Verbatim("".join(c if c.isprintable() else " " for c in str(text))),
        minutes=lambda seconds: -(-int(seconds) // 60),
        kilobytes=lambda size: -(-size // 1024).__int__(),
        megabytes=lambda size: -(-size // 1048576).__int__(),
    )
    return environment


def _quoted(value: Any) -> str:
    if isinstance(value, (_Verbatim, jinja2.Undefined)):
        return str(value)
    if "\0" in str(value):
        raise ConfigError(f"{value!r} holds a zero byte, which no script can")
    text = str(value)
    if "\n" in text or "\r" in text:
        # qsub takes any line that begins with #$ for a directive, sbatch refuses carriage returns
        return "$'" + "".join(_LINE_ENDS.get(char, char) for char in text) + "'"
    return shlex.quote(text)


def _explained(error: Exception) -> str:
    if isinstance(error, jinja2.TemplateNotFound):
        return f"there is none of the name {error.name!r} in {', '.join(template_folders())}"
    if isinstance(error, jinja2.UndefinedError):
        owner = next((kind for kind in _NAMED if f".{kind.__name__} " in str(error)), ScriptOrder)
        name = re.findall(r"'([^']*)'", str(error))[-1]
        return f"{error}{nearest(name, owner.__dataclass_fields__)}"
    return str(error)
