"""A function and its inputs become the draft of a task."""

from __future__ import annotations

import os
import pickle
import sys
import time
from collections.abc import Mapping
from types import CellType
from typing import Any, NamedTuple

from ..cluster.shell import user_name
from ..registry.draft import Draft
from ..words.errors import InputError
from ..words.messages import nearest
from ..words.model import TaskSpec
from ..words.version import PYTHON
from .code import take_code
from .command_templates import placeholders
from .importing import check_not_importing
from .inputs import pack_inputs
from .project import WithProject

OWN_PLACEHOLDERS = ("index", "seed")  # that a command line may use beside its inputs


def draft_task(
    function: Any,
    positional: tuple[Any, ...],
    named: Mapping[str, Any],
    constants: Mapping[str, Any] | None,
    name: str | None,
    seed: int | None,
    with_project: WithProject = False,
) -> Draft:
    """A task of one job per input. Raises InputError; whoever reads the inputs gets it for one
    that cannot be pickled."""
    check_not_importing()
    constants = _checked_constants(constants, named)
    if not callable(function):
        raise InputError(f"{function!r} cannot be called: the first argument is the function")
    _check_signature(function, len(positional), [*named, *constants])
    shown = getattr(function, "__qualname__", type(function).__name__)
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    file = getattr(module, "__file__", None) or "interactive"
    pickled = _pickle_function(function), _pickle_constants(constants)
    code = take_code(function, pickled[0], with_project)
    name = name or str(getattr(function, "__name__", "task"))
    spec = _spec("python", f"{shown} ({file})", name, seed, len(positional), named, constants)
    return Draft(spec, pickled, pack_inputs(positional, named), code.archive, code.imports)


def draft_program(
    command: str,
    named: Mapping[str, Any],
    constants: Mapping[str, Any] | None,
    name: str | None,
    seed: int | None,
) -> Draft:
    """A task whose jobs run ``command``, a template such as ``./sim --x {x}``.

    Raises InputError for a placeholder without an input, or an input without a placeholder.
    """
    constants = _checked_constants(constants, named)
    if not command.strip():
        raise InputError("the command is empty")
    try:
        used = placeholders(command)
    except ValueError as error:
        raise InputError(f"{command!r}: {error} ({{{{ and }}}} are plain braces)") from error
    given = {*named, *constants}
    for other in sorted(used - given - set(OWN_PLACEHOLDERS)):
        hint = nearest(other, {*given, *OWN_PLACEHOLDERS})
        told = f"names {{{other}}}, which is no input{hint}; {{{{ and }}}} are plain braces"
        raise InputError(f"{command!r} {told}")
    for extra in sorted(given - used):
        raise InputError(f"{command!r} does not use the input {extra!r}: write {{{extra}}} in it")
    pickled = pickle.dumps(command), _pickle_constants(constants)
    name = name or os.path.basename(command.split()[0])
    spec = _spec("shell", command, name, seed, 0, named, constants)
    return Draft(spec, pickled, pack_inputs((), named), None)


class Mended(NamedTuple):
    """Another function for a task that is there: pickled, and the modules beside it."""

    function: bytes
    code: bytes | None

    @classmethod
    def of(cls, spec: TaskSpec, function: Any, with_project: WithProject = False) -> Mended:
        """Raises InputError when it could not be called with the task's inputs."""
        if spec.kind != "python":
            raise InputError(f"{spec.id} runs a program: a function cannot take its place")
        if not callable(function):
            raise InputError(f"{function!r} cannot be called: it is to be the task's function")
        _check_signature(function, spec.positional, [*spec.names, *spec.constants])
        pickled = _pickle_function(function)
        return cls(pickled, take_code(function, pickled, with_project).archive)

    @classmethod
    def chosen(cls, spec: TaskSpec, function: Any, with_project: WithProject) -> Mended | None:
        """``of`` a function; None without one. Raises InputError for a project without one."""
        if function is not None:
            return cls.of(spec, function, with_project)
        if with_project is not False:
            raise InputError("a project goes with a function: name the function as well")
        return None


def _spec(
    kind: str,
    function: str,
    name: str,
    seed: int | None,
    positional: int,
    named: Mapping[str, Any],
    constants: Mapping[str, Any],
) -> TaskSpec:
    """The registry adds the id and the number of jobs."""
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool)):
        raise InputError(f"seed {seed!r} is no whole number")
    return TaskSpec(
        id="",
        name=name,
        created=time.time(),
        user=user_name(),
        host=os.uname().nodename,
        njobs=0,
        seed=int.from_bytes(os.urandom(6), "little") if seed is None else seed,
        kind=kind,
        function=function,
        positional=positional,
        names=list(named),
        constants=list(constants),
        python=PYTHON,
        folder=os.getcwd(),
    )


def _checked_constants(
    constants: Mapping[str, Any] | None, named: Mapping[str, Any]
) -> Mapping[str, Any]:
    if constants is not None and not isinstance(constants, Mapping):
        raise InputError(f"const {constants!r} is no mapping such as {{'y': 3}}")
    for name in constants or {}:
        if not isinstance(name, str) or name in named:
            raise InputError(f"const {name!r} is an input as well, or no name")
    return constants or {}


def _check_signature(function: Any, positional: int, names: list[str]) -> None:
    """Find out now what would fail in every job."""
    import inspect

    for is_kind, kind in (
        (inspect.iscoroutinefunction, "an async function: wrap it in one that calls asyncio.run"),
        (inspect.isasyncgenfunction, "an async generator: wrap it in one that returns a list"),
        (inspect.isgeneratorfunction, "a generator function: return a list instead"),
    ):
        if is_kind(function):
            raise InputError(f"{getattr(function, '__name__', function)} is {kind}")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # some callables of C code cannot be asked
    try:
        signature.bind(*[None] * positional, **dict.fromkeys(names))
    except TypeError as error:
        known = signature.parameters
        takes_any = any(one.kind is one.VAR_KEYWORD for one in known.values())
        unknown = [] if takes_any else [name for name in names if name not in known]
        why = f"it has no argument {unknown[0]!r}" if unknown else error
        shown = getattr(function, "__name__", function)
        raise InputError(f"{shown}{signature} does not take these inputs: {why}") from error


def _pickle_constants(constants: Mapping[str, Any]) -> bytes:
    from .pickling import dumps

    try:
        return dumps(dict(constants))
    except Exception as error:
        part = _first_unpicklable({f"const {name!r}": v for name, v in constants.items()})
        raise InputError(f"{part or 'const'} cannot be pickled: {error}") from error


def _pickle_function(function: Any) -> bytes:
    from .pickling import dumps

    try:
        return dumps(function)
    except Exception as error:
        part = _first_unpicklable(_parts(function))
        because = f" because of {part}" if part else ""
        raise InputError(f"the function cannot be pickled{because}: {error}") from error


def _parts(function: Any) -> dict[str, Any]:
    """What a function drags along, by a name that its author understands."""
    target = getattr(function, "__func__", function)
    code = getattr(target, "__code__", None)
    cells = getattr(target, "__closure__", None) or ()
    named = dict(zip(getattr(code, "co_freevars", ()), cells, strict=False))
    filled = {name: cell for name, cell in named.items() if cell != CellType()}
    parts = {f"its variable {name!r}": cell.cell_contents for name, cell in filled.items()}
    outer = getattr(target, "__globals__", {})
    for name in getattr(code, "co_names", ()):
        if name in outer:
            parts[f"the global {name!r} it uses"] = outer[name]
    for name, value in getattr(function, "__dict__", {}).items():
        parts[f"its attribute {name!r}"] = value
    owner = getattr(function, "__self__", None)
    if owner is not None:
        parts[f"the {type(owner).__name__} it is a method of"] = owner
    return parts


def _first_unpicklable(parts: Mapping[str, Any]) -> str:
    from .pickling import dumps

    for told, value in parts.items():
        try:
            dumps(value)
        except Exception:  # whatever a user's object raises, it is the culprit
            return f"{told} ({type(value).__name__})"
    return ""
