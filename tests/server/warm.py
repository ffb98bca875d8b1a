"""Servers forked from a process that has loaded what they need, which takes a second of CPU each
time: ``hpcbatch server run`` in all but that."""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["hpcbatch.cli.main", "hpcbatch.cli.serving", "hpcbatch.server.serve"]
)


def begin(argv: list[str], log: Path) -> ForkServerProcess:
    """The process of ``hpcbatch ARGV``."""
    told = (argv, log, dict(os.environ), os.getcwd())
    process = _context.Process(target=_run, args=told, daemon=True)
    process.start()
    return process


def _run(argv: list[str], log: Path, environment: dict[str, str], folder: str) -> None:
    from hpcbatch.cli.main import run

    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.argv = ["hpcbatch", *argv]
    run()
