"""A project: a folder that travels as a whole, but for what git ignores."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence

from ..cluster.shell import run
from ..words.errors import InputError, ProgramMissing, SchedulerError
from ..words.text import plain
from .portable import SKIPPED, objection, warn_of_skipped

LARGEST = 100 << 20  # bytes
MOST = 20_000  # files
_MARKS = (".git", "pyproject.toml")
_LIST = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
_COMPILED = ("__pycache__/", ".pyc", ".pyo")
_ENVIRONMENT = ("pyvenv.cfg", "conda-meta/history")  # what lies in one of Python's

WithProject = bool | str | os.PathLike[str]


def find_project(asked: WithProject, starts: Sequence[str]) -> str:
    """The folder ``asked`` for; for True the nearest one above one of ``starts`` that is the top of
    a git repository or has a pyproject.toml. Raises InputError."""
    if asked is not True:
        folder = os.path.realpath(os.path.expanduser(os.fspath(asked or "")))
        if not asked or not os.path.isdir(folder):
            raise InputError(f"the project {asked!r} is no folder")
        return folder
    for start in starts:
        folder = os.path.realpath(start)
        while not any(os.path.exists(f"{folder}/{mark}") for mark in _MARKS):
            if folder == os.path.dirname(folder):
                break
            folder = os.path.dirname(folder)
        else:
            return folder
    raise InputError(
        f"no git repository and no pyproject.toml is above {' or '.join(starts) or 'the function'}:"
        " name the folder of the project"
    )


def below(folder: str, path: str) -> str | None:
    """``path`` as seen from ``folder``, which has no link in it; None where it is elsewhere."""
    real = os.path.realpath(path)
    if real == folder:
        return "."
    inside = folder.rstrip("/") + "/"
    return real[len(inside) :] if real.startswith(inside) else None


def project_files(folder: str) -> dict[str, str]:
    """Name below ``folder`` -> path of each file that travels. Warns of what cannot travel. Raises
    InputError where that is too much, or git fails."""
    skipped: dict[str, str] = {}
    files: dict[str, str] = {}
    links: dict[str, str] = {}
    for name in sorted(set(_listed(folder, skipped))):
        path = f"{folder}/{name}"
        if why := objection(name, path):
            skipped[name] = why
        elif os.path.islink(path):
            links[name] = path
        elif os.path.lexists(path):  # else it was removed since it was listed
            files[name] = path
    _check_size(folder, files)
    for name, path in links.items():
        files.update(_linked(folder, name, path, files, skipped))
    warn_of_skipped(f"the project {folder}", skipped, stacklevel=6)
    _check_size(folder, files)
    return files


def _listed(folder: str, skipped: dict[str, str], before: str = "") -> Iterator[str]:
    """Names below the project's folder; ``before`` is that of a repository within it."""
    if not _is_in_repository(folder):
        yield from _walked(folder)
        return
    try:
        output = run(["git", "-C", folder, *_LIST], variables=("XDG_CONFIG_HOME",))
    except ProgramMissing:
        yield from _walked(folder)
        return
    except SchedulerError as error:
        raise InputError(f"git does not tell what belongs to {folder}: {error}") from error
    if output.status != 0:
        raise InputError(f"git does not tell what belongs to {folder}: {output}")
    names = [name.rstrip("/") for name in output.stdout.split("\0") if name]
    ends = [f"/{mark}" for mark in _ENVIRONMENT]
    marked = {name[: -len(end)] + "/" for name in names for end in ends if name.endswith(end)}
    for name in names:
        path = f"{folder}/{name}"
        if name.startswith(tuple(marked)) or any(end in name for end in _COMPILED):
            continue
        if os.path.islink(path) or not os.path.isdir(path):
            yield f"{before}{name}"
        elif os.path.exists(f"{path}/.git"):
            yield from _listed(path, skipped, f"{before}{name}/")
        else:
            skipped[f"{before}{name}"] = "not checked out: git submodule update --init"


def _is_in_repository(folder: str) -> bool:
    while not os.path.exists(f"{folder}/.git"):
        if folder == os.path.dirname(folder):
            return False
        folder = os.path.dirname(folder)
    return True


def _walked(top: str) -> Iterator[str]:
    """Without git: all but what is hidden, compiled, or an environment of Python."""
    found: dict[str, str] = {}
    for folder, folders, files in os.walk(top):
        linked = [name for name in folders if os.path.islink(f"{folder}/{name}")]
        folders[:] = [name for name in folders if name not in linked and _is_source(folder, name)]
        for name in (*files, *linked):
            if not name.startswith(".") and not name.endswith(_COMPILED):
                path = f"{folder}/{name}"
                found[os.path.relpath(path, top)] = path
        if len(found) > MOST:
            break  # whoever named their home need not wait for all of it
    _check_size(top, found)
    yield from found


def _is_source(parent: str, name: str) -> bool:
    is_environment = any(os.path.exists(f"{parent}/{name}/{mark}") for mark in _ENVIRONMENT)
    return not name.startswith(".") and name not in SKIPPED and not is_environment


def _linked(
    folder: str, name: str, path: str, files: dict[str, str], skipped: dict[str, str]
) -> dict[str, str]:
    """The files that a link stands for, which must be such as travel by themselves."""
    target = below(folder, path)
    if target is None:
        skipped[name] = "a link that leaves the folder"
        return {}
    if target == "." or name.startswith(f"{target}/"):
        skipped[name] = "a link to a folder that it lies in"
        return {}
    start = f"{target}/"
    found = {name + n[len(target) :]: p for n, p in files.items() if n.startswith(start)}
    if target in files:
        found[name] = files[target]
    if not found:
        skipped[name] = "a link to what does not travel"
    return found


def _check_size(folder: str, files: dict[str, str]) -> None:
    """Raises InputError that says what is large."""
    sizes = {name: _size(path) for name, path in files.items()}
    total = sum(sizes.values())
    if total <= LARGEST and len(sizes) <= MOST:
        return
    parts: Counter[str] = Counter()
    for name, size in sizes.items():
        top, slash, _ = name.partition("/")
        parts[f"{top}{slash}"] += size if total > LARGEST else 1
    unit, each = ("MiB", 1 << 20) if total > LARGEST else ("files", 1)
    most = ", ".join(f"{plain(n)} ({count // each:,} {unit})" for n, count in parts.most_common(3))
    largest = max(sizes, key=lambda name: sizes[name])
    raise InputError(
        f"the project {folder} is too large to travel ({total >> 20:,} MiB in {len(sizes):,} "
        f"files, of {LARGEST >> 20} MiB and {MOST:,} at most): {most}; its largest file is "
        f"{plain(largest)} ({sizes[largest] >> 20:,} MiB). Have git ignore what no job needs "
        "(.gitignore), or name a smaller folder"
    )


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0  # removed since it was listed
