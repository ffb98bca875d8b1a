"""The user's own modules, which travel as source in code.zip."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from ..words.assignment import Assignment


@contextlib.contextmanager
def on_path(folder: str, assignment: Assignment) -> Iterator[None]:
    """Put the task's archives of modules on ``sys.path``, behind our own, while entered: the last
    comes first. Those with data are unpacked to a temporary folder, so that a package finds its
    data beside its source."""
    with contextlib.ExitStack() as stack:
        for name in assignment.code:
            archive = f"{folder}/{name}"
            unpacks = name in assignment.unpacked
            sys.path.insert(1, stack.enter_context(_unpacked(archive)) if unpacks else archive)
        yield


@contextlib.contextmanager
def _unpacked(archive: str) -> Iterator[str]:
    import tempfile
    import zipfile

    with tempfile.TemporaryDirectory(prefix="hpcbatch-code-", ignore_cleanup_errors=True) as folder:
        with zipfile.ZipFile(archive) as file:
            file.extractall(folder)
        yield folder
