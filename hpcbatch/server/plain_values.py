"""Plain values out of pickles, without unpickling: nothing is imported, called or built.

A pickle is a program for a small machine (its instructions: ``pickletools`` of the standard
library). Those that make numbers, text, lists, tuples and tables are followed here, as protocol 2
and later have them; every other one ends it.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from math import isfinite
from typing import Any

LARGEST = 1 << 20  # bytes of a pickle that is looked at
MOST = 200_000  # values in it, each counted where it stands
DEEPEST = 100
LARGEST_NUMBER = 14_000  # bits; Python writes no longer ones as text
PER_VALUE = 3  # instructions at most: to make it, to remember it, and to mark where it begins


class NotPlain(ValueError):
    """The value has no counterpart in JSON; says what is in it."""


def plain_value(pickled: bytes) -> Any:
    """The value as JSON has it; tuples become lists. Raises NotPlain."""
    if len(pickled) > LARGEST:
        raise NotPlain(f"{len(pickled)} bytes")
    machine = _Machine()
    try:
        for number, (instruction, argument, _) in enumerate(pickletools.genops(pickled)):
            if instruction.name == "STOP":
                break
            if number > PER_VALUE * MOST:
                raise NotPlain(f"more than {MOST} values")
            machine.follow(instruction.name, argument)
        [value] = machine.stack
        _check(value)
    except NotPlain:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, EOFError) as error:
        raise NotPlain("a damaged pickle") from error
    return value


class _Machine:
    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._marks: list[int] = []  # where in the stack
        self._memo: dict[int, Any] = {}

    def follow(self, name: str, argument: Any) -> None:
        step = _STEPS.get(name)
        if step is None:
            raise NotPlain(self._named(name, argument))
        step(self, argument)

    def keep(self, number: int | None) -> None:
        self._memo[len(self._memo) if number is None else number] = self.stack[-1]

    def recall(self, number: int) -> None:
        self.stack.append(self._memo[number])

    def mark(self) -> None:
        self._marks.append(len(self.stack))

    def marked(self) -> list[Any]:
        """What came since the last mark."""
        return self._taken(self._marks.pop())

    def newest(self, count: int) -> list[Any]:
        return self._taken(len(self.stack) - count)

    def _taken(self, begin: int) -> list[Any]:
        if not (self._marks[-1] if self._marks else 0) <= begin <= len(self.stack):
            raise ValueError("it takes what is not there")
        taken = self.stack[begin:]
        del self.stack[begin:]
        return taken

    def extend(self, values: list[Any]) -> None:
        self.stack[-1].extend(values)

    def set(self, values: list[Any]) -> None:
        self.stack[-1].update(zip(values[::2], values[1::2], strict=True))

    def _named(self, name: str, argument: Any) -> str:
        if name == "STACK_GLOBAL":
            return ".".join(map(str, self.stack[-2:]))
        if name == "GLOBAL":
            return str(argument).replace(" ", ".")
        return "bytes" if "BYTES" in name else f"more than plain values ({name})"


def _pushed(value: Any) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(value)


_NUMBERS = ("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT")
_TEXTS = ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8")
_Step = Callable[[_Machine, Any], None]
_STEPS: dict[str, _Step] = {
    "PROTO": lambda machine, _: None,
    "FRAME": lambda machine, _: None,
    "MARK": lambda machine, _: machine.mark(),
    "NONE": _pushed(None),
    "NEWTRUE": _pushed(True),
    "NEWFALSE": _pushed(False),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "EMPTY_TUPLE": lambda machine, _: machine.stack.append([]),
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "APPEND": lambda machine, _: machine.extend(machine.newest(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.marked()),
    "SETITEM": lambda machine, _: machine.set(machine.newest(2)),
    "SETITEMS": lambda machine, _: machine.set(machine.marked()),
    "TUPLE": lambda machine, _: machine.stack.append(machine.marked()),
    "TUPLE1": lambda machine, _: machine.stack.append(machine.newest(1)),
    "TUPLE2": lambda machine, _: machine.stack.append(machine.newest(2)),
    "TUPLE3": lambda machine, _: machine.stack.append(machine.newest(3)),
    "MEMOIZE": lambda machine, _: machine.keep(None),
    "BINPUT": _Machine.keep,
    "LONG_BINPUT": _Machine.keep,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    **dict.fromkeys((*_NUMBERS, *_TEXTS), lambda machine, argument: machine.stack.append(argument)),
}


def _check(value: Any) -> None:
    """Lists may hold each other, and few bytes may stand for a great many values."""
    count, layer = 0, [value]
    for _ in range(DEEPEST):
        inner: list[Any] = []
        for one in layer:
            inner += _inside(one)
            if count + len(layer) + len(inner) > MOST:
                raise NotPlain(f"more than {MOST} values")
        if not inner:
            return
        count, layer = count + len(layer), inner
    raise NotPlain(f"more than {DEEPEST} lists inside each other")


def _inside(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise NotPlain(f"a table with the key {key!r:.50}")
        return list(value.values())
    if isinstance(value, float) and not isfinite(value):
        raise NotPlain(f"the number {value}")
    if isinstance(value, int) and value.bit_length() > LARGEST_NUMBER:
        raise NotPlain(f"a number of {value.bit_length()} bits")
    return []
