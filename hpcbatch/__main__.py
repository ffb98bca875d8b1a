"""``python -m hpcbatch``: the same as the command ``hpcbatch``."""

from .cli.program import run

run()
