"""Several controllers with one face."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from typing import Any

from ..words.errors import UsageError
from ..words.messages import nearest
from .controller import Controller
from .display import Displayed
from .future import PoolFuture
from .pushed import check_until
from .rows import Row
from .summary import Summary


class ControllerGroup(Displayed, Executor):
    """Each call goes to the controller that is named, or to the one with the fewest unresolved
    tasks for each of its workers. Methods are those of a Controller, over all of them, and raise
    what its do; UsageError for a controller that is none. It has no ``start``, ``check``,
    ``scale``, ``autoscale``, ``descale``, ``forget``, ``crashes``, ``push_backlog`` and
    ``pop_backlog``: ask one of its ``controllers``."""

    def __init__(self, *controllers: Controller):
        names = [each.name for each in controllers]
        if not names or len(set(names)) < len(names):
            raise UsageError(f"a group needs controllers with names of their own, not {names}")
        self.controllers = {each.name: each for each in controllers}
        self.name = " + ".join(names)

    def __enter__(self) -> ControllerGroup:
        for each in self.controllers.values():
            each.start()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.shutdown(wait=kind is None, cancel_futures=kind is not None)

    def push(
        self,
        function: Callable[..., Any],
        /,
        *args: Any,
        controller: str | None = None,
        **more: Any,
    ) -> str:
        return self._choose(controller).push(function, *args, **more)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> PoolFuture:
        return self._choose(None).submit(fn, *args, **kwargs)

    def map(  # type: ignore[override]
        self,
        fn: Callable[..., Any],
        *iterables: Iterable[Any],
        controller: str | None = None,
        **more: Any,
    ) -> list[Any]:
        return self._choose(controller).map(fn, *iterables, **more)

    def walk(
        self,
        function: Callable[..., Any],
        /,
        *iterables: Iterable[Any],
        controller: str | None = None,
        const: Mapping[str, Any] | None = None,
    ) -> list[str]:
        return self._choose(controller).walk(function, *iterables, const=const)

    def wait(self, until: str = "all", timeout: float | None = None) -> bool:
        """Like that of a controller, over all of them."""
        check_until(until)
        if until == "all":
            ends = None if timeout is None else time.monotonic() + timeout
            return all(
                each.wait("all", None if ends is None else max(ends - time.monotonic(), 0.0))
                for each in self.controllers.values()
            )
        return self._wait_for_one(timeout)

    def pop(self) -> Row | None:
        rows = (each.pop() for each in self.controllers.values())
        return next((row for row in rows if row is not None), None)

    def collect(self, wait: bool = True) -> list[Row]:
        return [row for each in self.controllers.values() for row in each.collect(wait)]

    def cancel(self, names: str | Iterable[str] | None = None) -> list[str]:
        chosen = names if names is None or isinstance(names, str) else list(names)
        return [name for each in self.controllers.values() for name in each.cancel(chosen)]

    def summary(self) -> Summary:
        """Of all controllers; ``launches`` are those of each, by its name."""
        found = {name: each.summary() for name, each in self.controllers.items()}
        workers = [
            {"controller": name, **worker} for name, each in found.items() for worker in each
        ]
        return Summary(workers, {name: each.launches for name, each in found.items()})

    @property
    def size(self) -> int:
        return sum(each.size for each in self.controllers.values())

    @property
    def unresolved(self) -> int:
        return sum(each.unresolved for each in self.controllers.values())

    @property
    def resolved(self) -> int:
        return sum(each.resolved for each in self.controllers.values())

    @property
    def saturated(self) -> bool:
        return all(each.saturated for each in self.controllers.values())

    @property
    def is_closed(self) -> bool:
        return all(each.is_closed for each in self.controllers.values())

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        for each in self.controllers.values():
            each.shutdown(wait, cancel_futures=cancel_futures)

    def terminate(self) -> None:
        self.shutdown(wait=False, cancel_futures=True)

    def _choose(self, name: str | None) -> Controller:
        if name is None:
            return min(self.controllers.values(), key=lambda each: each.unresolved / each.workers)
        if name not in self.controllers:
            hint = nearest(name, self.controllers)
            raise UsageError(f"the group has no controller {name!r}{hint}")
        return self.controllers[name]

    def _has_one(self) -> bool:
        """Also where no task is left to wait for."""
        left = self.unresolved  # first: what is resolved meanwhile is a row
        return any(each.has_row() for each in self.controllers.values()) or not left

    def _wait_for_one(self, timeout: float | None) -> bool:
        changed = threading.Event()
        listeners = [each.listen(changed.set) for each in self.controllers.values()]
        ends = None if timeout is None else time.monotonic() + timeout
        try:
            while not self._has_one():
                changed.clear()
                if self._has_one():
                    break
                if not changed.wait(None if ends is None else max(ends - time.monotonic(), 0.0)):
                    return False
            return True
        finally:
            for stop in listeners:
                stop()
