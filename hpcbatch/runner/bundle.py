"""Makes ``runner-<hash>.pyz``: what a compute node needs, in one file that it opens once.

Our runner goes under a name of its own, so that the user's ``hpcbatch`` stays importable there,
beside the client's own cloudpickle. Both are byte code of this Python's minor version, stored
without compression: both make a start cheaper. The name carries a hash of the sources, so a
queued task runs the code that it was submitted with.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import marshal
import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from struct import pack

from ..disk.files import publish, read
from ..words.errors import UsageError
from ..words.layout import node_program
from ..words.version import PYTHON

NODE_PACKAGE = "hpcbatch_on_node"
PARTS = {
    "words": ("assignment", "errors", "events", "layout", "plain_types", "plan", "ranges"),
    "disk": ("boot_id", "files", "index", "packed", "process_tree", "records"),
    "runner": (
        "calls",
        "checkpoints",
        "child",
        "code",
        "console",
        "descendants",
        "done_before",
        "element",
        "exceptions",
        "isolated",
        "job",
        "leaving",
        "markers",
        "outcome",
        "program",
        "seeding",
        "segment",
    ),
}
WORKER_PARTS = {
    "words": ("door", "errors", "formats", "plain_types", "version"),
    "disk": ("files", "process_tree"),
    "runner": ("console", "descendants", "exceptions", "seeding"),
    "worker": (
        "calls",
        "entry_point",
        "exchange",
        "link",
        "loop",
        "metrics",
        "received_functions",
        "resets",
        "wire",
    ),
}


def check_not_on_node() -> None:
    """Raises UsageError in what runs there."""
    if NODE_PACKAGE in sys.modules:
        raise UsageError(
            "a job, or a call of a pool, submits nothing and starts no workers by itself: let the "
            "script that has its result do so"
        )


def ensure_runner(root: str) -> str:
    """The path of this version's runner file in the registry ``root``; made when absent."""
    return _ensure(root, "runner", PARTS, "runner.element")


def ensure_worker(root: str) -> str:
    """Like ``ensure_runner``, of what a pool's worker runs."""
    return _ensure(root, "worker", WORKER_PARTS, "worker.entry_point")


def _ensure(root: str, kind: str, parts: Mapping[str, Sequence[str]], entry: str) -> str:
    check_not_on_node()
    boot, ours, cloudpickle = _boot(entry), _ours(parts), _cloudpickle()
    digest = hashlib.sha256(sys.version.encode() + boot)
    for name, source in sorted({**ours, **cloudpickle}.items()):
        digest.update(name.encode() + b"\0" + source)
    path = node_program(root, kind, digest.hexdigest()[:12])
    if not os.path.exists(path):
        publish(path, _archive(boot, ours, cloudpickle))
    return path


def _package() -> str:
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _boot(entry: str) -> bytes:
    source = read(f"{_package()}/runner/boot.py").replace(b"@PYTHON@", PYTHON.encode())
    return source.replace(b"@ENTRY@", f"{NODE_PACKAGE}.{entry}".encode())


def _ours(parts: Mapping[str, Sequence[str]]) -> dict[str, bytes]:
    """Sources by file name, as they are called on the node."""
    sources = {f"{NODE_PACKAGE}/__init__.py": b""}
    for folder, modules in parts.items():
        for module in ("__init__", *modules):
            file = f"{folder}/{module}.py"
            sources[f"{NODE_PACKAGE}/{file}"] = read(f"{_package()}/{file}")
    return sources


def _cloudpickle() -> dict[str, bytes]:
    import cloudpickle

    folder = os.path.dirname(os.path.abspath(cloudpickle.__file__))
    names = sorted(name for name in os.listdir(folder) if name.endswith(".py"))
    return {f"cloudpickle/{name}": read(f"{folder}/{name}") for name in names}


def _archive(boot: bytes, ours: dict[str, bytes], cloudpickle: dict[str, bytes]) -> bytes:
    import zipfile

    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("__main__.py"), boot)
        archive.writestr(zipfile.ZipInfo("modules.bin"), _table(ours))
        for name, source in cloudpickle.items():
            header = importlib.util.MAGIC_NUMBER + pack("<III", 0, 0, len(source))
            archive.writestr(zipfile.ZipInfo(f"{name}c"), header + _byte_code(name, source))
    return content.getvalue()


def _table(sources: dict[str, bytes]) -> bytes:
    """Module name -> (is it a package, its byte code), for the importer of ``boot``."""
    table = {}
    for file, source in sources.items():
        is_package = file.endswith("/__init__.py")
        name = file[: -len("/__init__.py")] if is_package else file[: -len(".py")]
        table[name.replace("/", ".")] = (is_package, _byte_code(file, source))
    return marshal.dumps(table)


@cache
def _byte_code(file: str, source: bytes) -> bytes:
    return marshal.dumps(compile(source, file, "exec", dont_inherit=True))
