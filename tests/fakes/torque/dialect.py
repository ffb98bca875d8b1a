"""What the fake programs of Torque share, as its sources print it. The state lies in the folder
that PBS_DEFAULT names."""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(__file__)))

from engine import ALIVE, Engine, Order, Refused, Stored, main, parse_options, read

__all__ = [
    "ALIVE",
    "HOST",
    "Order",
    "Refused",
    "Stored",
    "engine",
    "limit",
    "main",
    "members",
    "number_of",
    "parse_options",
]

FOLDER = os.environ["PBS_DEFAULT"]
HOST = "torqhost"
PROGRAM = os.path.basename(sys.argv[0])
UNKNOWN, BAD_STATE = 153, 168


def engine() -> Engine:
    if os.path.exists(f"{FOLDER}/down"):
        raise Refused(
            f"{PROGRAM}: cannot connect to server {HOST} (errno=111) Connection refused", 111
        )
    return Engine(FOLDER)


def limit() -> int | None:
    """``max_job_array_size``: the content of a file of that name in the state folder."""
    told = read(f"{FOLDER}/max_job_array_size")
    return int(told) if told else None


def members(text: str) -> list[int]:
    """The indices of ``3,7-9``."""
    import re  # long to load, and a listing needs none

    if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", text):
        raise Refused(f"{PROGRAM}: submit error (Bad Job Array Request)", 2)
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def number_of(text: str) -> str:
    """The array of ``1[]`` or ``1[].torqhost``."""
    import re

    found = re.fullmatch(r"(\d+)\[\](\.[\w.-]+)?", text)
    if found is None or not engine().exists(found[1]):
        raise Refused(f"{PROGRAM}: Unknown Job Id Error {text}", UNKNOWN)
    return found[1]
