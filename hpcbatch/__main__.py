"""``python -m hpcbatch``: the same as the command ``hpcbatch``."""

from .cli.main import run

run()
