"""Arguments that a method does not have: resources, which other tools take beside each other, and
misspelt ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from ..words.errors import UsageError
from ..words.messages import nearest
from ..words.resources import check_no_resource

CO_VARKEYWORDS = 8  # as the module inspect has it, which takes long to import

P = ParamSpec("P")
R = TypeVar("R")


def takes_resources(method: Callable[P, R]) -> Callable[P, R]:
    """A method with the argument ``resources``; it raises UsageError where one of them is given
    beside that, or an argument that it does not have, in place of Python's own error, which does
    not tell what is meant."""
    code = method.__code__
    known = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    takes_all = bool(code.co_flags & CO_VARKEYWORDS)

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        check_no_resource(kwargs)
        for name in kwargs if not takes_all else ():
            if name not in known:
                raise UsageError(f"unknown option {name!r}{nearest(name, known)}")
        return method(*args, **kwargs)

    return call
