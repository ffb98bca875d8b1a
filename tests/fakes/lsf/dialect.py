"""What the fake programs of LSF share. The state lies in the folder LSF_ENVDIR; a file ``dialect``
in it says ``openlava`` or ``ibm``."""

from __future__ import annotations

import os
import pwd
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(__file__)))

from engine import Engine, Order, Refused, Stored, main, read

__all__ = [
    "FAILED",
    "FOLDER",
    "IS_IBM",
    "ME",
    "Order",
    "Refused",
    "Stored",
    "code_of",
    "engine",
    "limit",
    "main",
    "read",
    "status_of",
    "told",
]

FOLDER = os.environ["LSF_ENVDIR"]
IS_IBM = read(f"{FOLDER}/dialect") == "ibm"
ME = pwd.getpwuid(os.getuid())
FAILED = 255
MAX_JOB_ARRAY_SIZE = 1000


def engine() -> Engine:
    if os.path.exists(f"{FOLDER}/down"):
        if "LSB_NTRIES" not in os.environ:
            time.sleep(600)  # the real ones try for ever
        raise Refused(
            "LSF is down. Please wait ..."
            if IS_IBM
            else "batch system daemon not responding ... still trying",
            FAILED,
        )
    return Engine(FOLDER)


def limit() -> int:
    """``MAX_JOB_ARRAY_SIZE``: the content of a file of that name in the state folder."""
    return int(read(f"{FOLDER}/MAX_JOB_ARRAY_SIZE") or MAX_JOB_ARRAY_SIZE)


def status_of(element: Stored) -> str:
    """LSF's word: what was killed still runs until it is gone."""
    if element["ended"]:
        return "EXIT" if element["status"] or element["state"] == "CANCELLED" else "DONE"
    if element["started"]:
        return "RUN"
    if element["state"] == "CANCELLED":
        return "EXIT"
    return "PSUSP" if element["why"] == "held" else "PEND"


def code_of(element: Stored) -> int | None:
    """None for what runs, or never did."""
    if not element["ended"]:
        return None
    status = element["status"]
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def told(number: str, index: str, array: Stored) -> tuple[str, str]:
    """An element's id and name, with the index where there is one."""
    shown = f"[{index}]" if array["is_array"] else ""
    return f"{number}{shown}", f"{array['name']}{shown}"
