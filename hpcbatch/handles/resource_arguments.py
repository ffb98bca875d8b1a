"""Resources that are given as arguments of their own, as other tools have them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from ..words.resources import check_no_resource

P = ParamSpec("P")
R = TypeVar("R")


def takes_resources(method: Callable[P, R]) -> Callable[P, R]:
    """A method with the argument ``resources``; it raises UsageError where one of them is given
    beside that, in place of Python's own error, which does not tell where it belongs."""

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        check_no_resource(kwargs)
        return method(*args, **kwargs)

    return call
