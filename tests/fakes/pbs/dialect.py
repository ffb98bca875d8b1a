"""What the fake programs of OpenPBS share, as 23.06 speaks. The state lies beside the file that
PBS_CONF_FILE names."""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(__file__)))

from engine import ALIVE, Engine, Order, Refused, Stored, main, parse_options, read

__all__ = [
    "ALIVE",
    "Order",
    "Refused",
    "Stored",
    "engine",
    "letter",
    "limit",
    "main",
    "operand",
    "parse_options",
    "shown",
]

FOLDER = os.path.dirname(os.environ["PBS_CONF_FILE"])
PROGRAM = os.path.basename(sys.argv[0])
HOST = "pbshost"
MAX_ARRAY_SIZE = 10000
UNKNOWN, FINISHED, BAD_STATE = 153, 35, 168


def engine() -> Engine:
    if os.path.exists(f"{FOLDER}/down"):
        raise Refused(
            f"Connection refused\n{PROGRAM}: cannot connect to server {HOST} (errno=15010)", 255
        )
    return Engine(FOLDER)


def limit() -> int:
    """``max_array_size``: the content of a file of that name in the state folder."""
    return int(read(f"{FOLDER}/max_array_size") or MAX_ARRAY_SIZE)


def operand(text: str) -> tuple[str, list[int] | None]:
    """The job of ``1``, ``1[]``, ``1[3]``, ``1[3-5]``, and the elements that are meant."""
    import re  # long to load, and a listing needs none

    found = re.fullmatch(r"(\d+)(\[(\d*)(?:-(\d+))?\])?(?:\.[\w.-]+)?", text)
    if found is None:
        raise Refused(f"{PROGRAM}: illegally formed job identifier: {text}", 1)
    number, brackets, first, last = found.groups()
    known = engine()
    if not known.exists(number) or known.array(number)["is_array"] != bool(brackets):
        raise Refused(f"{PROGRAM}: Unknown Job Id {shown(text)}", UNKNOWN)
    return number, list(range(int(first), int(last or first) + 1)) if first else None


def shown(text: str) -> str:
    return text if "." in text else f"{text}.{HOST}"


def letter(number: str, array: Stored, index: str | None) -> str:
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
