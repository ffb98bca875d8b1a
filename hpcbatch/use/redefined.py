"""Functions of a session that were defined anew since a task was made of them."""

from __future__ import annotations

import sys
import warnings
from types import FunctionType
from typing import Any

from ..words.errors import CodeWarning
from .code_identity import does, plain


def warn_of_redefined(function: Any, stacklevel: int) -> None:
    """Tell where ``function`` has another one of its name in its module by now."""
    if type(function) is not FunctionType or hasattr(function, "__wrapped__"):
        return  # what a decorator made is not what its name in the module tells
    module = sys.modules.get(function.__module__)
    now = None if module is None else vars(module).get(function.__qualname__)
    if type(now) is not FunctionType or _same(now, function):
        return
    name = function.__name__
    warnings.warn(
        f"{name} was defined anew since the task was made, whose jobs call it as it was: "
        f"resubmit(function={name}) sends it as it is now",
        CodeWarning,
        stacklevel=stacklevel + 1,
    )


def _same(one: FunctionType, other: FunctionType) -> bool:
    return does(one.__code__) == does(other.__code__) and (
        plain(one.__defaults__) == plain(other.__defaults__)
    )
