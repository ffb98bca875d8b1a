"""--arg, --args-file and --const become columns of inputs and constants.

``x=range:0:100[:step]``, ``x=1,2,3``, ``x=["a,b", null]``, ``x=@file`` with a value a line.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from typing import Any

from ..words.errors import InputError
from .paramfiles import read_columns, read_text
from .values import Reader, as_text, as_written, typed

FORMS = "x=range:0:100, x=1,2,3, x=@FILE with a value a line, or x=[…] in JSON"
_N = r"-?\d+(?:\.\d+)?"
_ALMOST_A_RANGE = re.compile(
    rf"(?:range *\([^()]*\)|-?\d+\.\.\.?-?\d+|{_N}:{_N}(?::{_N})?|\d+-\d+)\Z", re.ASCII
)
_FROM_TO = re.compile(r"\d+-\d+\Z", re.ASCII)  # as in lists of jobs
_RANGE = re.compile(r"range:(-?\d{1,18}):(-?\d{1,18})(?::(-?\d{1,18}))?\Z", re.ASCII)


def read_inputs(
    args: Sequence[str],
    file: str | None = None,
    form: str | None = None,
    chosen: str | None = None,
    *,
    for_shell: bool,
    grid: bool = False,
) -> dict[str, Sequence[Any]]:
    """The columns of inputs by name; ``form`` is that of the ``file``, and ``chosen`` are those of
    its columns that are taken, divided by commas. Raises InputError."""
    columns: dict[str, Sequence[Any]] = {}
    for arg in args:
        name, text = _pair("--arg", arg, FORMS)
        _check_new("--arg", name, columns)
        columns[name] = _series(name, text, for_shell)
    if grid:
        columns = _grid(columns)
    for option, value in (("--args-format", form), ("--args-columns", chosen)):
        if value is not None and file is None:
            raise InputError(f"{option} goes with --args-file, which is not given")
    names = None if chosen is None else [name.strip() for name in chosen.split(",")]
    found = {} if file is None else read_columns(file, form, for_shell, names)
    for name, values in found.items():
        _check_new("--args-file", name, columns)
        columns[name] = values
    if not columns:
        raise InputError("there are no inputs: give --arg or --args-file")
    return columns


def read_constants(pairs: Sequence[str], *, for_shell: bool) -> dict[str, Any]:
    """The constants by name. Raises InputError."""
    reader: Reader = as_written if for_shell else typed
    constants: dict[str, Any] = {}
    for pair in pairs:
        name, text = _pair("--const", pair, "y=3 or y=some text")
        _check_new("--const", name, constants)
        constants[name] = value = reader(text)
        if value == text and text.startswith(("[", "{")) and not for_shell:
            quoted = shlex.quote(f"{name}={json.dumps(text)}")
            raise InputError(f"--const {pair} is no JSON; where a text is meant: --const {quoted}")
    return constants


def _pair(option: str, text: str, forms: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise InputError(f"{option} {text!r} is no NAME=VALUE: write {forms}")
    return name, value


def _check_new(option: str, name: str, known: dict[str, Any]) -> None:
    if name in known:
        raise InputError(f"{option} gives the input {name!r} a second time")


def _series(name: str, text: str, for_shell: bool) -> Sequence[Any]:
    values = _values(name, text, for_shell)
    if len(values) == 0:
        raise InputError(f"--arg {name}={text} has no values: write {FORMS}")
    return values


def _values(name: str, text: str, for_shell: bool) -> Sequence[Any]:
    reader: Reader = as_written if for_shell else typed
    if text.startswith("range:"):
        return _range(name, text)
    if text.startswith("@"):
        return [reader(line) for line in read_text(text[1:]).splitlines() if line.strip()]
    if text.startswith("["):
        return _json_list(name, text, for_shell)
    is_one = _ALMOST_A_RANGE.match(text) is not None
    parts = [text] if is_one else text.split(",")
    for part in parts if is_one else filter(_FROM_TO.match, parts):
        raise InputError(
            f"--arg {name}={text}: {part} would be one text. Write range:START:STOP in whole "
            f"numbers, where STOP is no part of it, or {shlex.quote(json.dumps(parts))} for texts"
        )
    return [reader(part) for part in parts] if text else []


def _range(name: str, text: str) -> range:
    found = _RANGE.match(text)
    step = int(found[3] or 1) if found else 0
    if found is None or step == 0:
        raise InputError(
            f"--arg {name}={text} is no range: write range:START:STOP or range:START:STOP:STEP in "
            "whole numbers; STOP is not part of it, STEP is not 0"
        )
    return range(int(found[1]), int(found[2]), step)


def _json_list(name: str, text: str, for_shell: bool) -> list[Any]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"--arg {name}={text} is no JSON list: {error}") from error
    return [as_text(value) for value in values] if for_shell else list(values)


def _grid(columns: dict[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
    from ..use.inputs import grid

    return dict(grid(**columns))
