"""The code that travels with a function: the modules that it may need, or a whole project."""

from __future__ import annotations

import io
import json
import os
import sys
import zipfile
from collections.abc import Mapping, Sequence, Set
from importlib.machinery import all_suffixes
from typing import Any, NamedTuple

from ..runner.code import import_paths
from ..words.errors import InputError
from .edited_modules import warn_of_edited
from .own_modules import (
    is_installed,
    own_modules,
    root_of,
    roots_of,
    warn_of_others,
    words_of,
)
from .project import LARGEST as LARGEST_PROJECT
from .project import WithProject, below, find_project, project_files

LARGEST = 64 << 20  # bytes of source and data
OUTSIDE = ".hpcbatch-outside"  # where modules lie that a project does not have
_TOO_LARGE = (
    "the modules that travel are larger than {} MiB (at {}): install packages on the nodes, and "
    "keep data out of their folders"
)


class Code(NamedTuple):
    """An archive, where there is anything of the user's own; ``roots`` are the folders that the
    modules in it are imported from here; ``imports`` are the first parts of names that it takes
    from elsewhere."""

    archive: bytes | None
    roots: list[str]
    imports: frozenset[str]


def take_code(function: Any, pickled: bytes, with_project: WithProject = False) -> Code:
    """What ``function`` may need; with its project, all of that. Warns of modules that do not
    travel. Raises InputError when it is too large."""
    roots, named = roots_of(function), words_of(pickled)
    if with_project is not False:
        code = _take_project(find_project(with_project, roots), roots, named)
    else:
        files, imports = own_modules(roots, named)
        code = Code(_zip(files, LARGEST) if files else None, roots, imports)
    warn_of_others(function, named, code.roots)
    warn_of_edited(code.roots)
    return code


def loaded_code(places: Sequence[str]) -> Code:
    """The user's modules that are loaded from ``places`` or beside the script, whatever function
    may need them. Raises InputError when they are too large."""
    roots = list(dict.fromkeys([*roots_of(None), *places]))
    files, imports = own_modules(roots, frozenset())
    return Code(_zip(files, LARGEST) if files else None, roots, imports)


def has_data(archive: str) -> bool:
    """Whether an archive must be unpacked: it holds more than modules, or a project."""
    with zipfile.ZipFile(archive) as file:
        is_more = any(not name.endswith(".py") for name in file.namelist())
        return is_more or import_paths(file) != ["."]


def _take_project(folder: str, roots: Sequence[str], named: Set[str]) -> Code:
    files = project_files(folder)
    if not files:
        raise InputError(f"the project {folder} is empty, or git ignores all that is in it")
    inside = _roots_in(folder, roots, files)
    outside = [root for root in roots if below(folder, root) is None]
    ways = [*inside, *outside]
    modules = own_modules(ways, named)
    for name, path in modules.files.items():
        within = below(folder, path)
        if within is None:
            files[f"{OUTSIDE}/{name}"] = path
        elif name.endswith(tuple(all_suffixes())):
            files.setdefault(within, path)  # one that is made, and so ignored, is needed as well
    paths = list(dict.fromkeys(inside.values())) + [OUTSIDE] * bool(outside)
    return Code(_zip(files, LARGEST_PROJECT, paths), ways, modules.imports)


def _roots_in(folder: str, roots: Sequence[str], files: Mapping[str, str]) -> dict[str, str]:
    """The folders of a project that are imported from, as seen here -> as seen from it: those that
    Python imports from here, in its order, then ``src``, and the project itself."""
    loaded = filter(None, map(root_of, list(sys.modules.values())))
    ways = dict.fromkeys([*roots, *map(os.path.abspath, sys.path), *loaded])
    if "src/__init__.py" not in files:
        ways[f"{folder}/src"] = None
    found: dict[str, str] = {}
    for way in (*ways, folder):
        name = None if is_installed(f"{way}/") else below(folder, way)
        if name == "." or (name and any(file.startswith(f"{name}/") for file in files)):
            found[way] = name
    return found


def _zip(found: Mapping[str, str], largest: int, paths: Sequence[str] = (".",)) -> bytes:
    content = io.BytesIO()
    total = 0
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = b"" if list(paths) == ["."] else json.dumps(paths).encode()
        for name, path in sorted(found.items()):
            try:
                with open(path, "rb") as file:
                    told = os.fstat(file.fileno())
                    total += told.st_size
                    if total > largest:
                        raise InputError(_TOO_LARGE.format(largest >> 20, path))
                    member = zipfile.ZipInfo(name)
                    member.external_attr = (0o700 if told.st_mode & 0o100 else 0o600) << 16
                    archive.writestr(member, file.read(), zipfile.ZIP_DEFLATED, 1)
            except FileNotFoundError:
                continue  # removed since it was found
    return content.getvalue()
