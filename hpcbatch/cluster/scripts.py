"""Templates become scripts: quoted for the shell by default, an error for a missing name."""

from __future__ import annotations

import os
import re
import shlex
from functools import cache, lru_cache
from typing import Any

import jinja2
import jinja2.nodes

from ..words.errors import ConfigError, ResourceError
from ..words.layout import config_folder
from ..words.messages import nearest
from ..words.resources import MEMORY_UNITS, Resources
from ..words.text import plain
from .orders import ArrayOrder, ScriptOrder

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


class _Verbatim(str):
    """Text that goes into a script as it is."""


class _Environment(jinja2.Environment):
    """What templates made is a script already: a block's ``super()``, a macro."""

    concat = staticmethod(lambda parts: _Verbatim("".join(parts)))
    loader: jinja2.BaseLoader


class _Watched:
    """The resources, for a template: it knows which of them were looked at."""

    def __init__(self, resources: Resources):
        # walltime comes to a template as that of the element
        self._seen = {"walltime", "element_walltime"}
        self._resources = resources

    def __getattr__(self, name: str) -> Any:
        self._seen.add(name)
        return getattr(self._resources, name)

    def check(self, template: str) -> None:
        """Raises ResourceError for one that was asked for and that nothing came of."""
        for name in self._resources.__dataclass_fields__:
            value = getattr(self._resources, name)
            if name not in self._seen and value != getattr(Resources(), name):
                raise ResourceError(
                    f"{name}={value!r} was asked for, and the cluster's template {template} has "
                    "no use for it: leave it out, or write it as a directive in 'extra'"
                )


_NAMED = {"ScriptOrder": ScriptOrder, "ArrayOrder": ArrayOrder, "_Watched": Resources}


def render(template: str, order: ScriptOrder) -> str:
    """The script. Raises ConfigError for a missing template, an unknown name, or a template
    that forgets to run anything."""
    environment = _environment()
    try:
        source = _source(environment, template)
        _check_blocks(environment, source)
        names = {name: getattr(order, name) for name in order.__dataclass_fields__}
        watched = _Watched(order.resources)
        text = _compiled(source).render({**names, "resources": watched})
    except ConfigError:
        raise
    except _CANNOT_BE_USED as error:
        raise ConfigError(f"template {template} cannot be used: {_explained(error)}") from error
    if not any(_may_run(line, _quoted(order.runner)) for line in text.split("\n")):
        raise ConfigError(f"template {template} does not run {{{{ runner }}}}: no job would start")
    watched.check(template)
    return text


def _source(environment: _Environment, template: str) -> str:
    """The text of a template, by path or by name."""
    if os.path.isabs(template) or template.startswith(("./", "../", "~")):
        with open(os.path.expanduser(template), encoding="utf-8") as file:
            return file.read()
    return environment.loader.get_source(environment, template)[0]


@lru_cache
def _compiled(text: str) -> jinja2.Template:
    return _environment().from_string(text)


@lru_cache
def _parsed(text: str) -> jinja2.nodes.Template:
    return _environment().parse(text)


def _check_blocks(environment: _Environment, text: str) -> None:
    """Raises ConfigError for a block that no template has which this one extends: nothing would
    come of it."""
    tree = _parsed(text)
    own = [node.name for node in tree.body if isinstance(node, jinja2.nodes.Block)]
    known: set[str] = set()
    extended: set[str] = set()
    while (parent := tree.find(jinja2.nodes.Extends)) is not None:
        if not isinstance(parent.template, jinja2.nodes.Const):
            return  # its name is known at the end only
        if parent.template.value in extended:
            raise RecursionError
        extended.add(parent.template.value)
        tree = _parsed(_source(environment, parent.template.value))
        known.update(block.name for block in tree.find_all(jinja2.nodes.Block))
    for name in own:
        if known and name not in known:
            raise ConfigError(
                f"no template that it extends has a block {name!r}{nearest(name, known)}"
            )


def _may_run(line: str, runner: str) -> bool:
    """Whether the runner is more than spoken of."""
    return runner in line and not line.lstrip().startswith(("#", "echo ", "printf ", ": "))


def template_folders() -> list[str]:
    """Where templates are looked for, first hit wins: the user's, then the shipped ones, which
    are also found as ``shipped/NAME``."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    shipped = f"{package}/templates"  # in a wheel; in a checkout they stand beside the package
    if not os.path.isdir(shipped):
        shipped = f"{os.path.dirname(package)}/templates"
    return [f"{config_folder()}/templates", shipped]


@cache
def _environment() -> _Environment:
    folders = template_folders()
    shipped = jinja2.PrefixLoader({"shipped": jinja2.FileSystemLoader(folders[-1])})
    environment = _Environment(
        loader=jinja2.ChoiceLoader([jinja2.FileSystemLoader(folders), shipped]),
        undefined=jinja2.StrictUndefined,
        finalize=_quoted,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        verbatim=_Verbatim,
        comment=lambda text: _Verbatim(plain(str(text))),
        minutes=lambda seconds: -(-int(seconds) // 60),
        kilobytes=lambda size: int(-(-size // 1024)),
        megabytes=lambda size: int(-(-size // 1048576)),
        in_unit=lambda size, unit: int(-(-size // MEMORY_UNITS[unit])),
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
        folders = ", ".join(template_folders())
        return f"there is none of the name {error.name!r} in {folders} (a path begins with / or ./)"
    if isinstance(error, RecursionError):
        return "it extends itself: write shipped/NAME to extend the shipped one of its name"
    if isinstance(error, jinja2.UndefinedError):
        kinds = (kind for name, kind in _NAMED.items() if f".{name} " in str(error))
        owner: Any = next(kinds, ScriptOrder)
        names = re.findall(r"'([^']*)'", str(error))  # none where a list has no such element
        hint = nearest(names[-1], owner.__dataclass_fields__) if names else ""
        return f"{error}{hint}"
    return str(error)
