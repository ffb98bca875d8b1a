"""What the fake programs of OpenPBS share, as 23.06 speaks. The state lies beside the file that
PBS_CONF_FILE names."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from engine import ALIVE, Engine, Order, Refused, main

__all__ = ["ALIVE", "Order", "Refused", "engine", "letter", "limit", "main", "operand", "shown"]

FOLDER = Path(os.environ["PBS_CONF_FILE"]).parent
HOST = "pbshost"
MAX_ARRAY_SIZE = 10000
UNKNOWN, FINISHED, BAD_STATE = 153, 35, 168
_ID = re.compile(r"(\d+)(\[(\d*)(?:-(\d+))?\])?(?:\.[\w.-]+)?\Z")


def engine() -> Engine:
    if (FOLDER / "down").exists():
        program = Path(sys.argv[0]).name
        raise Refused(
            f"Connection refused\n{program}: cannot connect to server {HOST} (errno=15010)",
            255,
        )
    return Engine(FOLDER)


def limit() -> int:
    """``max_array_size``: the content of a file of that name in the state folder."""
    path = FOLDER / "max_array_size"
    return int(path.read_text()) if path.exists() else MAX_ARRAY_SIZE


def operand(text: str) -> tuple[str, list[int] | None]:
    """The job of ``1``, ``1[]``, ``1[3]``, ``1[3-5]``, and the elements that are meant."""
    found = _ID.match(text)
    program = Path(sys.argv[0]).name
    if found is None:
        raise Refused(f"{program}: illegally formed job identifier: {text}", 1)
    number, brackets, first, last = found.groups()
    known = engine()
    if not known.exists(number) or known.array(number)["is_array"] != bool(brackets):
        raise Refused(f"{program}: Unknown Job Id {shown(text)}", UNKNOWN)
    return number, list(range(int(first), int(last or first) + 1)) if first else None


def shown(text: str) -> str:
    return text if "." in text else f"{text}.{HOST}"


def letter(number: str, array: dict[str, Any], index: str | None) -> str:
    """The state of an element, of a plain job, or of an array as a whole (no index)."""
    elements = array["elements"]
    is_alive = any(element["state"] in ALIVE for element in elements.values())
    waits = any(map(engine().is_alive, array["after"]))
    if index is None:
        begun = any(element["started"] or element["ended"] for element in elements.values())
        return "F" if not is_alive else "B" if begun else "H" if waits else "Q"
    state = elements[index]["state"]
    if state == "PENDING":
        return "H" if waits and not array["is_array"] else "Q"
    if state == "RUNNING":
        return "R"
    return "X" if is_alive else "F"
