"""The user's own modules, which travel as source in code.zip."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def on_path(archive: str) -> Iterator[None]:
    """Put the modules of ``archive`` on ``sys.path``, behind our own, while entered.

    An archive with other files than Python's is unpacked to a temporary folder, so that a
    package finds its data beside its source.
    """
    if not os.path.exists(archive):
        yield
        return
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(_unpacked(archive)) if _has_data(archive) else archive
        sys.path.insert(1, place)
        yield


def _has_data(archive: str) -> bool:
    import zipfile

    with zipfile.ZipFile(archive) as file:
        return any(not name.endswith(".py") for name in file.namelist())


@contextlib.contextmanager
def _unpacked(archive: str) -> Iterator[str]:
    import tempfile
    import zipfile

    with tempfile.TemporaryDirectory(prefix="hpcbatch-code-", ignore_cleanup_errors=True) as folder:
        with zipfile.ZipFile(archive) as file:
            file.extractall(folder)
        yield folder
