"""Functions that a worker keeps, and what is put back between tasks."""

from __future__ import annotations

import sys
from typing import Any

from hpcbatch.use.pickling import dumps
from hpcbatch.worker.received_functions import ReceivedFunctions
from hpcbatch.worker.resets import Resets, globals_of


def by_value(source: str) -> Any:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(source, namespace)  # noqa: S102
    return namespace["f"]


def test_constants_come_with_the_function() -> None:
    functions = ReceivedFunctions(resets=True)
    functions.take(1, dumps((by_value("def f(x, y): return x + y"), {"y": 2})))
    assert functions.load(1).call(3) == 5
    assert functions.load(1) is functions.load(1)
    functions.forget(1)
    functions.forget(1)


def test_globals_of_a_function_by_value_are_put_back() -> None:
    function = by_value("def f():\n global n\n n = globals().get('n', 0) + 1\n return n")
    put_back = globals_of(function)
    assert put_back is not None
    assert (function(), function()) == (1, 2)
    put_back()
    assert function() == 1


def test_those_of_a_module_are_the_modules() -> None:
    assert globals_of(dumps) is None
    assert globals_of(len) is None


def test_packages_that_a_task_imported_are_taken_out_again() -> None:
    resets = Resets(packages=True, garbage=True)
    assert resets.is_needed
    sys.modules["of_a_task"] = sys
    resets()
    assert "of_a_task" not in sys.modules
    assert not Resets(packages=False, garbage=False).is_needed
