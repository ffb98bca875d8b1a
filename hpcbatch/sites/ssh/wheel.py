"""A wheel of this very hpcbatch, made of the files that are installed here: also where they came
without their sources."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution

from ...cluster.scripts import template_folders
from ...words.errors import SiteError
from ...words.version import VERSION

EXTRA = "pool"  # what workers behind a login node need too
NAME = f"hpcbatch-{VERSION}-py3-none-any.whl"
_INFO = f"hpcbatch-{VERSION}.dist-info"
_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_WHEEL = "Wheel-Version: 1.0\nGenerator: hpcbatch\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def make_wheel() -> bytes:
    """Raises SiteError where this hpcbatch was not installed."""
    try:
        own = distribution("hpcbatch")
    except PackageNotFoundError:
        raise SiteError(
            "this hpcbatch was not installed by pip: what it needs is not known"
        ) from None
    files = dict(_sources())
    files[f"{_INFO}/METADATA"] = (own.read_text("METADATA") or "").encode()
    files[f"{_INFO}/WHEEL"] = _WHEEL.encode()
    files[f"{_INFO}/entry_points.txt"] = (own.read_text("entry_points.txt") or "").encode()
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in sorted(files.items()):
            wheel.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
        record = f"{_INFO}/RECORD"
        lines = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in files.items()]
        text = "\n".join([*lines, f"{record},,"]) + "\n"
        wheel.writestr(zipfile.ZipInfo(record), text, zipfile.ZIP_DEFLATED)
    return content.getvalue()


def requirements() -> list[str]:
    """What it needs beside itself there, ``EXTRA`` included."""
    needed = []
    for each in distribution("hpcbatch").requires or ():
        name, _, marker = each.partition(";")
        if "extra ==" not in marker:
            needed.append(each)
        elif marker.split("extra ==")[1].strip(" \"'") == EXTRA:
            needed.append(name.strip())
    return needed


def _sources() -> Iterator[tuple[str, bytes]]:
    yield from _tree(_PACKAGE, "hpcbatch")
    yield from _tree(template_folders()[-1], "hpcbatch/templates")


def _tree(root: str, name: str) -> Iterator[tuple[str, bytes]]:
    for folder, folders, files in os.walk(root):
        folders[:] = [each for each in folders if each != "__pycache__"]
        for file in files:
            path = f"{folder}/{file}"
            if not file.endswith((".pyc", ".tmp")):
                with open(path, "rb") as source:
                    yield f"{name}/{os.path.relpath(path, root)}", source.read()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
