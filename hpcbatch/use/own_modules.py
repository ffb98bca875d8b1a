"""The user's own modules as source: those beside the script, and beside the function's file.

Found by following imports: from the script, the modules loaded from its folder, and the file of
the function, to every module or package that lies in the same folders. Installed packages and the
standard library stay out: they must be on the nodes.
"""

from __future__ import annotations

import os
import re
import sys
import sysconfig
import warnings
from collections.abc import Iterator, Sequence, Set
from functools import cache, lru_cache, partial
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from ..words.errors import CodeWarning
from .portable import SKIPPED, objection, warn_of_skipped

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # the runner has its own
_IMPORT = re.compile(
    r"(?:^|[;:])[ \t]*(?:from[ \t]+(\w[\w.]*)[ \t]+import\b|import[ \t]+(\w[\w., \t]*))",
    re.MULTILINE,
)
_RUNNERS = {"hpcbatch", "cloudpickle"}  # which it brings along
_WITH_A_HOME = (ModuleType, FunctionType, type)


class OwnModules(NamedTuple):
    """``files`` with data of packages: name below its root -> path. ``imports``: the first parts of
    names, of neither these nor the standard library, that the function or what is loaded of these
    imports."""

    files: dict[str, str]
    imports: frozenset[str]


def own_modules(roots: Sequence[str], named: Set[str]) -> OwnModules:
    """The modules of the folders ``roots`` that the script or the modules loaded from there may
    need; ``named`` are the words that a pickled function holds."""
    main = sys.modules.get("__main__")
    script = _file(main)
    found: dict[str, str] = {}
    waiting = [script] if script else []
    loaded: set[str | None] = set()
    imports = {name.partition(".")[0] for name in _modules_of(named)}
    for module in list(sys.modules.values()):
        root = root_of(module)
        if root is not None and root in roots and module is not main:
            waiting += _add(root, module.__name__.partition(".")[0], found)
            loaded.add(_file(module))
    seen: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            names = imported(path)
            if path in loaded:
                imports |= names
            elif path == script:
                imports |= names & named  # it may do more than its function
            for name in names:
                for root in roots:
                    waiting += _add(root, name, found)
    own = {re.split(r"/|\.py$", name, maxsplit=1)[0] for name in found}
    files = {name: path for name, path in found.items() if not name.endswith("/")}
    return OwnModules(files, frozenset(imports - own - sys.stdlib_module_names - _RUNNERS))


def warn_of_others(function: Any, named: Set[str], roots: Sequence[str]) -> None:
    """Tell of modules that a function ``named`` or that its file has imported, and that neither
    travel, as those of ``roots`` do, nor are installed, as after ``pip install -e``."""
    # a function that travels by value carries the name of its module, and does not need it
    home = getattr(function, "__globals__", {"__name__": type(function).__module__})
    own = f"{home.get('__name__')}."
    for name in sorted(_modules_of(named | _imported_with(function, named))):
        root = root_of(sys.modules.get(name))
        if root is not None and root not in roots and not own.startswith(f"{name}."):
            warnings.warn(
                f"module {name!r} of {root} is neither installed nor beside the script: it does "
                "not travel with the task and must be importable on the nodes",
                CodeWarning,
                stacklevel=5,
            )


def _imported_with(function: Any, named: Set[str]) -> Set[str]:
    """What the file of a function has imported that travels by the name of its module: not what it
    only may import, which is as it is on the nodes."""
    home = _home(function)
    file = _file(home) if home is not None and home.__name__ in named else None
    if file is None or is_installed(file):
        return frozenset()
    names = {
        value.__name__ if issubclass(type(value), ModuleType) else value.__module__
        for value in list(vars(home).values())
        if issubclass(type(value), _WITH_A_HOME)  # a proxy may fail where it is asked for more
    }
    return imported(file) & {str(name).partition(".")[0] for name in names}


def words_of(pickled: bytes) -> set[str]:
    """The strings of a pickle."""
    import pickletools

    return {value for _, value, _ in pickletools.genops(pickled) if isinstance(value, str)}


def _modules_of(named: Set[str]) -> set[str]:
    """Those that are names of loaded modules."""
    return {name for name in named if name in sys.modules and name != "__main__"}


def roots_of(function: Any) -> list[str]:
    """The folders whose modules travel: the script's, and that of the function's file."""
    main = sys.modules.get("__main__")
    roots = list(dict.fromkeys(root for root in map(root_of, (main, _home(function))) if root))
    if _file(main) is None:
        roots.append(os.getcwd())  # a notebook or a prompt imports from there
    return roots


def _home(function: Any) -> ModuleType | None:
    """The module that a function, a partial of one, or a callable object was written in."""
    while isinstance(function, partial):
        function = function.func
    name = getattr(function, "__module__", None) or type(function).__module__
    return sys.modules.get(name)


def root_of(module: ModuleType | None) -> str | None:
    """The folder that a user's module is imported from; None for installed ones."""
    named = getattr(module, "__file__", None)
    if module is None or not isinstance(named, str) or is_installed(named):
        return None  # most modules: decided without asking the disk
    file = _file(module)
    if file is None:
        return None
    if module.__name__ == "__main__":
        return os.path.dirname(file)
    root = os.path.dirname(file)
    depth = module.__name__.count(".") + os.path.basename(file).startswith("__init__.")
    for _ in range(depth):
        root = os.path.dirname(root)
    return root


def _file(module: ModuleType | None) -> str | None:
    file = getattr(module, "__file__", None)
    return os.path.abspath(file) if isinstance(file, str) and os.path.isfile(file) else None


@lru_cache(10_000)
def is_installed(file: str) -> bool:
    parts = file.split(os.sep)
    return (
        "site-packages" in parts
        or "dist-packages" in parts
        or file.startswith(_installed_folders())
    )


@cache
def _installed_folders() -> tuple[str, ...]:
    folders = {sys.prefix, sys.base_prefix, _OURS, *sysconfig.get_paths().values()}
    return tuple(each.rstrip(os.sep) + os.sep for each in folders if each)


def _add(root: str, name: str, found: dict[str, str]) -> list[str]:
    """Add module or package ``name`` of ``root``; returns the new source files."""
    if f"{name}.py" in found or f"{name}/" in found or f"{root}/{name}" == _OURS:
        return []
    path = f"{root}/{name}.py"
    if os.path.isfile(path) and not os.path.isdir(f"{root}/{name}"):
        found[f"{name}.py"] = path
        return [path]
    if not _is_package(f"{root}/{name}"):
        return []
    found[f"{name}/"] = f"{root}/{name}"
    added = dict(_tree(root, name))
    found.update(added)
    return [path for path in added.values() if path.endswith(".py")]


def _is_package(folder: str) -> bool:
    try:
        return any(name.endswith(".py") for name in os.listdir(folder))
    except OSError:
        return False


def _tree(root: str, name: str) -> Iterator[tuple[str, str]]:
    """The files of a package that can travel; warns of the others."""
    skipped = {}
    for folder, folders, files in os.walk(f"{root}/{name}"):
        folders[:] = [f for f in folders if f not in SKIPPED and not f.startswith(".")]
        for file in files:
            path = f"{folder}/{file}"
            if not file.endswith((".pyc", ".pyo")) and os.path.isfile(path):
                below = os.path.relpath(path, root)
                if why := objection(below, path):
                    skipped[below] = why
                else:
                    yield below, path
    warn_of_skipped(f"the package {root}/{name}", skipped, stacklevel=8)


def imported(path: str) -> frozenset[str]:
    """First parts of all names that a source file imports, at its top or in its functions. Found
    by their look: to parse a file takes ten times as long. What a text looks alike adds a module
    too many, if there is one of that name."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return _imported_in(file.read())
    except OSError:
        return frozenset()


@lru_cache(1000)
def _imported_in(source: str) -> frozenset[str]:
    names: set[str] = set()
    for whole, several in _IMPORT.findall(source.replace("\\\n", " ")):
        names.update([whole] if whole else map(str.strip, several.split(",")))
    return frozenset(re.split(r"\W", name, maxsplit=1)[0] for name in names) - {""}
