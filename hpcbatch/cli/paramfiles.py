"""Files of parameters become columns: CSV, TSV, JSON, JSON lines."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from ..words.errors import InputError
from ..words.messages import nearest, without_file
from .values import Reader, as_text, as_written, typed

Columns = dict[str, list[Any]]


def read_columns(
    path: str, form: str | None, for_shell: bool, chosen: Sequence[str] | None = None
) -> Columns:
    """What a file holds, or standard input for ``-``, in one of the ``FORMS``; without one its name
    ends in that; of the ``chosen`` ones alone (None: all). Raises InputError, which names the file
    and the line."""
    reader = _READERS[form or _form_of(path)]
    name = "standard input" if path == "-" else path
    columns = reader(name, read_text(path), for_shell, chosen)
    if not columns or not any(columns.values()):
        raise InputError(f"{name} holds no rows: a task needs at least one job")
    return columns


def _form_of(path: str) -> str:
    ending = os.path.splitext(path)[1].lower()
    if ending.removeprefix(".") in _READERS:
        return ending.removeprefix(".")
    name = "standard input" if path == "-" else f"{path}: {ending or 'a name without an ending'}"
    raise InputError(
        f"{name} does not tell the format{nearest(ending, _READERS)}; --args-format does"
    )


def read_text(path: str) -> str:
    """The text of a file, or of standard input for ``-``. Raises InputError."""
    try:
        if path == "-":
            return sys.stdin.read().removeprefix("\ufeff")
        with open(path, encoding="utf-8-sig", newline="") as file:
            return file.read()
    except FileNotFoundError:
        raise InputError(f"there is no file {path}{nearest_file(path)}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no UTF-8 text: {error}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {without_file(error)}") from error


def nearest_file(path: str) -> str:
    """A hint such as ``; did you mean 'sim.py'?``, from what lies in the same folder."""
    import difflib

    folder, name = os.path.split(path)
    try:
        names = os.listdir(folder or ".")
    except FileNotFoundError:
        return f": there is no folder {folder}"
    except OSError as error:
        return f" that can be seen: {folder}: {error.strerror}"
    close = difflib.get_close_matches(name, names, 1, 0.5)
    return f"; did you mean {os.path.join(folder, close[0])!r}?" if close else ""


def _read_tsv(path: str, text: str, for_shell: bool, chosen: Sequence[str] | None) -> Columns:
    return _read_csv(path, text, for_shell, chosen, "\t")


def _read_csv(
    path: str, text: str, for_shell: bool, chosen: Sequence[str] | None, delimiter: str = ","
) -> Columns:
    reader: Reader = as_written if for_shell else typed
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = _csv_rows(path, lines)
    names = [name.strip() for name in next(rows, (0, []))[1]]
    if len(names) == 1 and (other := next(filter(names[0].__contains__, ",;\t"), "")):
        raise InputError(
            f"{path} is divided by {other!r}, it seems, and is read as if by {delimiter!r}: a .csv "
            "has commas, and a .tsv tabs"
        )
    taken = names if chosen is None else _taken(names, chosen)
    _check_names(path, names, taken)
    columns: Columns = {name: [] for name in taken}
    for line, row in rows:
        if len(row) != len(names):
            raise InputError(
                f"{path}, line {line}: {len(row)} values, and the first line names {len(names)} "
                f"columns ({', '.join(names)})"
            )
        for name, cell in zip(names, row, strict=True):
            if name in columns:
                columns[name].append(reader(cell))
    return columns


def _taken(names: Collection[str], chosen: Sequence[str]) -> Sequence[str]:
    for name in chosen:
        if name not in names:
            raise InputError(f"--args-columns: no column {name!r}{nearest(name, names)}")
    return chosen


def _csv_rows(path: str, lines: Any) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, with the number of the line each ends in."""
    while True:
        try:
            row = next(lines)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(f"{path}, line {lines.line_num}: {error}") from error
        if row:
            yield lines.line_num, row


def _check_names(path: str, names: list[str], taken: Sequence[str]) -> None:
    for number, name in enumerate(names):
        if name not in taken:
            continue
        if not name:
            raise InputError(f"{path}: column {number + 1} has no name in the first line")
        if name in names[:number]:
            raise InputError(f"{path}: two columns are named {name!r}")


def _read_json(path: str, text: str, for_shell: bool, chosen: Sequence[str] | None) -> Columns:
    content = _parsed(path, text)
    if isinstance(content, list):
        numbered = ((f"row {k}", row) for k, row in enumerate(content))
        return _from_objects(path, numbered, for_shell, chosen)
    if not isinstance(content, dict):
        raise InputError(f"{path} is neither a list of objects nor an object of lists")
    for name in content if chosen is None else _taken(content, chosen):
        if not isinstance(content[name], list):
            raise InputError(
                f"{path}: {name!r} is no list; a value that is the same for every job goes into "
                "--const"
            )
    return {name: _shaped(content[name], for_shell) for name in chosen or content}


def _read_jsonl(path: str, text: str, for_shell: bool, chosen: Sequence[str] | None) -> Columns:
    lines = ((f"line {k}", line) for k, line in enumerate(text.split("\n"), 1) if line.strip())
    objects = ((where, _parsed(f"{path}, {where}", line)) for where, line in lines)
    return _from_objects(path, objects, for_shell, chosen)


def _from_objects(
    path: str, rows: Iterator[tuple[str, Any]], for_shell: bool, chosen: Sequence[str] | None
) -> Columns:
    columns: Columns | None = None
    for where, row in rows:
        if not isinstance(row, dict):
            raise InputError(f"{path}, {where}: {json.dumps(row)[:60]} is no object of inputs")
        if columns is None:
            columns = {name: [] for name in (row if chosen is None else _taken(row, chosen))}
        known = row.keys() if chosen is None else row.keys() & set(chosen)
        if known != columns.keys():
            odd = sorted(known ^ columns.keys())
            raise InputError(
                f"{path}, {where}: it has {sorted(row)}, and the first one has {sorted(columns)} "
                f"(the difference: {', '.join(odd)})"
            )
        for name in columns:
            columns[name].append(row[name])
    return {name: _shaped(values, for_shell) for name, values in (columns or {}).items()}


def _shaped(values: list[Any], for_shell: bool) -> list[Any]:
    return [as_text(value) for value in values] if for_shell else values


def _parsed(where: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is no JSON: {error}") from error


_READERS: dict[str, Callable[[str, str, bool, Sequence[str] | None], Columns]] = {
    "csv": _read_csv,
    "tsv": _read_tsv,
    "json": _read_json,
    "jsonl": _read_jsonl,
    "ndjson": _read_jsonl,
}
FORMS = tuple(_READERS)
