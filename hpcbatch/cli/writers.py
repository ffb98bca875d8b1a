"""Results become a file: .json, .jsonl, .csv, .pkl. Rows are (job, value or JobError)."""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import json
import os
from collections.abc import Callable, Iterator
from typing import IO, Any

from ..words.errors import JobError, UsageError
from ..words.messages import nearest

Row = tuple[int, Any]
Rows = Callable[[], Iterator[Row]]  # may be walked through more than once


def writer_for(path: str) -> Callable[[IO[bytes], Rows], int]:
    """Raises UsageError for a kind of file that is unknown."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in _WRITERS:
        raise UsageError(
            f"-o {path}: {suffix or 'a name without an ending'} is no kind of file that can be "
            f"written{nearest(suffix, _WRITERS)}"
        )
    return _WRITERS[suffix]


@contextlib.contextmanager
def replacing(path: str) -> Iterator[IO[bytes]]:
    """A new file that takes the place of ``path`` when it is whole; else ``path`` stays."""
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        raise UsageError(f"-o {path} is no ordinary file")
    folder, name = os.path.split(target)
    if not os.path.isdir(folder):
        raise UsageError(f"-o {path}: there is no folder {folder}")
    temporary = f"{folder}/.{name[:100]}.{os.urandom(4).hex()}.tmp"
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "you may not write to this folder", folder)
    try:
        with io.BufferedWriter(_Output(temporary, path)) as file:
            yield file
            file.flush()
            with _named(path):
                os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


class _Output(io.FileIO):
    """The new file ``temporary``, whose errors name the one that was ``asked`` for."""

    def __init__(self, temporary: str, asked: str):
        with _named(asked):
            super().__init__(temporary, "xb")
        self._asked = asked

    def write(self, content: Any, /) -> int:
        with _named(self._asked):
            return super().write(content)


@contextlib.contextmanager
def _named(path: str) -> Iterator[None]:
    """Hazard: errors of writing name no file by themselves, and are then taken for those of
    standard output."""
    try:
        yield
    except OSError as error:
        error.filename = path
        raise


def write_json(file: IO[bytes], rows: Rows) -> int:
    """A list in order; null in the place of a job that failed."""
    return write_list(file, (_dumps(job, None if _failed(v) else v) for job, v in rows()))


def write_list(file: IO[bytes], items: Iterator[str]) -> int:
    count = 0
    for item in items:
        file.write(b",\n" if count else b"[\n")
        file.write(item.encode())
        count += 1
    file.write(b"\n]\n" if count else b"[]\n")
    return count


def write_jsonl(file: IO[bytes], rows: Rows) -> int:
    count = 0
    for job, value in rows():
        file.write(f"{json_row(job, value)}\n".encode())
        count += 1
    return count


def write_pickle(file: IO[bytes], rows: Rows) -> int:
    """The list of results; what is defined in ``__main__`` goes along by value."""
    import cloudpickle

    values = [value for _, value in rows()]
    cloudpickle.dump(values, file)
    return len(values)


def write_csv(file: IO[bytes], rows: Rows) -> int:
    """Results that are dicts become columns; others the column ``result``. The last end of line of
    a text is left out."""
    columns = _columns(rows)
    text = io.TextIOWrapper(file, "utf-8", "backslashreplace", newline="", write_through=True)
    try:
        return _write_cells(text, columns, rows)
    finally:
        text.detach()


def _write_cells(text: IO[str], columns: dict[str, Any], rows: Rows) -> int:
    usual = csv.writer(text, lineterminator="\n")
    quoting = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    usual.writerow(["job", *map(_heading, columns)])
    count = 0
    for job, value in rows():
        fields = _fields(value)
        cells = [str(job), *(_cell(job, fields.get(name)) for name in columns)]
        # older Pythons leave a lone carriage return unquoted, and it then ends the row
        writer = quoting if any("\r" in cell for cell in cells) else usual
        writer.writerow(cells)
        count += 1
    return count


def _columns(rows: Rows) -> dict[str, None]:
    """The names of all columns, in the order in which they first appear."""
    columns: dict[str, None] = {}
    for _, value in rows():
        columns.update(dict.fromkeys(_fields(value)))
    return columns


def _fields(value: Any) -> dict[str, Any]:
    if isinstance(value, JobError):
        return {"error": str(value)}
    if isinstance(value, dict):
        return {str(name): part for name, part in value.items()}
    return {"result": value}


def _heading(name: str) -> str:
    return "result.job" if name == "job" else name


def _cell(job: int, value: Any) -> str:
    """Lists and tables as JSON, but for nan and inf, as Python writes them."""
    value = _plain(value) if hasattr(value, "tolist") else value
    if value is None:
        return ""
    if isinstance(value, str):
        return value.removesuffix("\n")  # which nearly all that programs print ends in
    if isinstance(value, float):
        return str(value)
    return _dumps(job, value, "a cell of CSV")


def json_row(job: int, value: Any) -> str:
    """One job as a JSON object: its result, or its error."""
    if isinstance(value, JobError):
        error = {"state": value.state, "type": value.type, "message": value.message}
        return json.dumps({"job": job, "error": error})
    return f'{{"job": {job}, "result": {_dumps(job, value)}}}'


def _failed(value: Any) -> bool:
    return isinstance(value, JobError)


def _dumps(job: int, value: Any, form: str = "JSON") -> str:
    try:
        return json.dumps(value, allow_nan=form != "JSON", default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        others = ", and CSV has nan and inf" if form == "JSON" and _has_nan(value) else ""
        raise UsageError(
            f"the result of job {job} (of type {type(value).__name__}) cannot be written as "
            f"{form}: {error}. A pickle holds it{others}: collect with -o FILE.pkl"
        ) from error


def _has_nan(value: Any) -> bool:
    """Of a value that is no JSON: whether it would be but for nan and inf."""
    try:
        json.dumps(value, default=_plain)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as numbers and lists."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


_WRITERS: dict[str, Callable[[IO[bytes], Rows], int]] = {
    ".json": write_json,
    ".jsonl": write_jsonl,
    ".ndjson": write_jsonl,
    ".csv": write_csv,
    ".pkl": write_pickle,
    ".pickle": write_pickle,
}
