"""What is where on the login node, from its user's home on."""

from __future__ import annotations

from collections.abc import Iterable

from ...words.version import PYTHON, VERSION

FOLDER = ".hpcbatch/remote"
RELEASE = f"{VERSION}-py{PYTHON}"  # others are beside it, so that several clients get along
ENVIRONMENT = f"{FOLDER}/venv-{RELEASE}"
_ENTER = "enter-"


def entrance(release: str = RELEASE) -> str:
    """A script that sets the environment and runs what answers."""
    return f"{_ENTER}{release}"


def releases(names: Iterable[str]) -> list[str]:
    """Those whose entrance is among the ``names`` in the folder."""
    return [name.removeprefix(_ENTER) for name in names if name.startswith(_ENTER)]


def command(module: str = "") -> str:
    """What is run there: ``module``, or what answers requests. Every login shell understands it,
    and nothing of a user is in it."""
    return f'sh "$HOME/{FOLDER}/{entrance()}" {module}'.rstrip()
