"""``python -m hpcbatch``: the same as the command ``hpcbatch``."""

from .cli.entry_point import run

run()
