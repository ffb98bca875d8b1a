"""What is where on the login node, from its user's home on."""

from __future__ import annotations

from ...words.version import PYTHON, VERSION

FOLDER = ".hpcbatch/remote"


def entrance(version: str = VERSION, python: str = PYTHON) -> str:
    """A script that sets the environment and runs what answers: of one version, for one minor
    version of Python, so that several clients get along."""
    return f"enter-{version}-py{python}"


def command(module: str = "") -> str:
    """What is run there: ``module``, or what answers requests. Every login shell understands it,
    and nothing of a user is in it."""
    return f'sh "$HOME/{FOLDER}/{entrance()}" {module}'.rstrip()
