"""One array on disk. Elements are numbered from 1 (GFD.133: the first index of a bulk job).

asked.json        what was asked; written before the scheduler is
script.sh         what the elements run
ids               the scheduler's, a line per element; written right after it told them
<index>.begun     its id, from an element that found no ids
<index>.ended     how it ended, in its own words
<index>.limit     what holds if it ends without a word: it had come near its time limit
canceled-*        elements that were to be ended
endings.json      the words of all elements, once none is alive; their files are then gone
lock              held while that is written
gone.json         elements that were not alive when a listing had no time for all
over              nothing of it is alive; since when, by the file's own time
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from ..disk import files
from ..words.errors import RegistryBusy
from ..words.ranges import Ranges
from .directives import Directives
from .systems import cell

Fields = dict[str, Any]


class DrmaaArray:
    def __init__(self, folder: str, name: str):
        self.folder, self.name = folder, name

    def path(self, name: str) -> str:
        return f"{self.folder}/{name}"

    def intend(self, asked: Directives, script: bytes, drms: str) -> bool:
        """Written before the scheduler is asked; False when there is such an array already.

        Raises RegistryUnwritable.
        """
        try:
            os.mkdir(self.folder, 0o700)
        except FileExistsError:
            return False
        except OSError as error:
            raise files.unwritable(self.folder, error) from error
        about = {
            "cell": cell(drms),
            "drms": drms,
            "host": os.uname().nodename,
            "time": round(time.time(), 3),
        }
        files.publish(self.path("script.sh"), script)
        files.publish(self.path("asked.json"), json.dumps({**asked._asdict(), **about}).encode())
        return True

    def keep_ids(self, ids: list[str]) -> None:
        files.publish(self.path("ids"), "".join(f"{id}\n" for id in ids).encode())

    def has_ids(self) -> bool:
        return os.path.exists(self.path("ids"))

    def asked(self) -> Fields | None:
        """None when there is no such array."""
        return files.read_json(self.path("asked.json"))

    def names(self) -> frozenset[str]:
        try:
            return frozenset(os.listdir(self.folder))
        except (FileNotFoundError, NotADirectoryError):
            return frozenset()

    def ids(self, names: frozenset[str]) -> dict[int, str]:
        """By index. Those who announced themselves ran last."""
        found: dict[int, str] = {}
        if "ids" in names:
            lines = files.read(self.path("ids")).decode().split()
            found = dict(enumerate(lines, 1))
        for index in indices_of("begun", names):
            told = files.read_json(self.path(f"{index}.begun"))
            if told is not None:
                found[index] = told["job"]
        return found

    def cancel(self, indices: Ranges | None) -> None:
        """Leave word of it. Raises RegistryUnwritable."""
        name = "canceled-all" if indices is None else f"canceled-{os.urandom(6).hex()}"
        files.publish(self.path(name), str(indices or "").encode())

    def canceled(self, names: frozenset[str], elements: int) -> Ranges:
        found = [(1, elements + 1)] if "canceled-all" in names else []
        for name in names:
            if name.startswith("canceled-") and name != "canceled-all" and "." not in name:
                found += Ranges.parse(files.read(self.path(name)).decode()).runs
        return Ranges.merged(found)

    def endings(self, names: frozenset[str]) -> dict[int, Fields]:
        """By index, as elements told them."""
        folded = files.read_json(self.path("endings.json")) if "endings.json" in names else None
        found = {int(index): fields for index, fields in (folded or {}).items()}
        for index in indices_of("begun", names):
            found.pop(index, None)  # it ran again
        for kind in ("limit", "ended"):
            for index in indices_of(kind, names):
                told = files.read_json(self.path(f"{index}.{kind}"))
                if told is not None:
                    found[index] = told
        return found

    def gone(self, names: frozenset[str]) -> Ranges:
        """What an earlier listing did not find; only a hint."""
        told = files.read_json(self.path("gone.json")) if "gone.json" in names else None
        return Ranges.of((told or {}).get("indices", ()))

    def mark_gone(self, indices: list[int]) -> None:
        files.publish(self.path("gone.json"), json.dumps({"indices": indices}).encode())

    def open_elements(self, names: frozenset[str], elements: int) -> list[int]:
        """Those that have not told how they ended."""
        ended = indices_of("ended", names)
        folded = "endings.json" in names
        mine = indices_of("begun", names) if folded else range(1, elements + 1)
        return [index for index in mine if index not in ended]

    def fold(self, names: frozenset[str]) -> None:
        """Put the words of all elements, of which none is alive, into one file."""
        if not any(map(_of_an_element, names)):
            return
        from ..disk.locks import held

        try:
            with held(self.path("lock"), 0.0):
                names = self.names()
                told = {str(index): fields for index, fields in self.endings(names).items()}
                files.publish(self.path("endings.json"), json.dumps(told).encode())
                for name in filter(_of_an_element, names):
                    files.unlink_quietly(self.path(name))
        except RegistryBusy:
            return  # another does it

    def over_for(self, names: frozenset[str]) -> float | None:
        """Seconds since it was noticed that nothing of it is alive."""
        if "over" not in names:
            return None
        try:
            return max(time.time() - os.stat(self.path("over")).st_mtime, 0.0)
        except FileNotFoundError:
            return None

    def mark_over(self, names: frozenset[str], is_over: bool) -> None:
        if is_over and "over" not in names:
            files.publish(self.path("over"), b"")
        elif "over" in names and not is_over:
            files.unlink_quietly(self.path("over"))

    def remove(self) -> None:
        for name in self.names() - {"asked.json"}:
            files.unlink_quietly(self.path(name))
        files.unlink_quietly(self.path("asked.json"))
        try:
            os.rmdir(self.folder)
        except OSError:
            return  # another removes it as well


def indices_of(kind: str, names: frozenset[str]) -> set[int]:
    ending = f".{kind}"
    found = (name.removesuffix(ending) for name in names if name.endswith(ending))
    return {int(index) for index in found if index.isdigit()}


def _of_an_element(name: str) -> bool:
    return name[0].isdigit()
