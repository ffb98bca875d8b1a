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
import zipfile
from struct import pack

from ..disk.files import publish, read

NODE_PACKAGE = "hpcbatch_on_node"
PARTS = {
    "words": ("errors", "events", "layout", "plan", "ranges"),
    "disk": ("files", "index", "packed", "records"),
    "runner": (
        "code",
        "element",
        "job",
        "leave",
        "outcome",
        "program",
        "seeding",
        "segment",
    ),
}


def ensure_runner(root: str) -> str:
    """The path of this version's runner file in the registry ``root``; made when absent."""
    sources = _sources()
    digest = hashlib.sha256(sys.version.encode())
    for name, source in sorted(sources.items()):
        digest.update(name.encode() + b"\0" + source)
    path = f"{root}/runner-{digest.hexdigest()[:12]}.pyz"
    if not os.path.exists(path):
        publish(path, _archive(sources))
    return path


def _sources() -> dict[str, bytes]:
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sources = {f"{NODE_PACKAGE}/__init__.py": b""}
    for folder, modules in PARTS.items():
        for module in ("__init__", *modules):
            file = f"{folder}/{module}.py"
            sources[f"{NODE_PACKAGE}/{file}"] = read(f"{package}/{file}")
    minor = "{}.{}".format(*sys.version_info[:2])
    boot = read(f"{package}/runner/boot.py").replace(b"@PYTHON@", minor.encode())
    sources["__main__.py"] = boot
    sources.update(_cloudpickle())
    return sources


def _cloudpickle() -> dict[str, bytes]:
    import cloudpickle

    folder = os.path.dirname(os.path.abspath(cloudpickle.__file__))
    names = sorted(name for name in os.listdir(folder) if name.endswith(".py"))
    return {f"cloudpickle/{name}": read(f"{folder}/{name}") for name in names}


def _archive(sources: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name, source in sources.items():
            if name == "__main__.py":
                archive.writestr(zipfile.ZipInfo(name), source)
            else:
                archive.writestr(zipfile.ZipInfo(f"{name}c"), _byte_code(name, source))
    return content.getvalue()


def _byte_code(name: str, source: bytes) -> bytes:
    compiled = compile(source, name, "exec", dont_inherit=True)
    header = importlib.util.MAGIC_NUMBER + pack("<III", 0, 0, len(source))
    return header + marshal.dumps(compiled)
