"""A pool as a backend of joblib, so that ``n_jobs`` of scikit-learn runs on a cluster."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from operator import methodcaller
from queue import SimpleQueue
from threading import Thread
from typing import Any

from ..words.errors import UsageError
from ..words.extras import needs

with needs("a backend of joblib", "joblib"):
    import joblib
    from joblib.parallel import AutoBatchingMixin, ParallelBackendBase, SequentialBackend

from .controller import Controller
from .sharing import Sharing

log = logging.getLogger("hpcbatch.pool")

IDLE = 60.0  # seconds after which workers of a pool of the backend's own leave
_CALL = methodcaller("__call__")  # of a batch; pickled by names of the standard library


def register_joblib(name: str = "hpcbatch", **settings: Any) -> None:
    """Make ``joblib.parallel_config(name)`` run on a pool: on ``controller``, or on one of its own,
    for which ``cluster``, ``workers`` and whatever else a Controller takes can be given, here or to
    ``parallel_config``, which overrides."""
    joblib.register_parallel_backend(name, partial(JoblibBackend, **settings))


class JoblibBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]  # without types
    """What a call calls in parallel runs there one after the other. A pool of its own is opened
    with the first task, and closed when nobody has the backend any more."""

    MIN_IDEAL_BATCH_DURATION = 0.05  # seconds: a pool's own share in a task is small
    MAX_IDEAL_BATCH_DURATION = 1.0
    supports_retrieve_callback = True
    default_n_jobs = -1

    def __init__(
        self,
        nesting_level: int | None = None,
        controller: Controller | None = None,
        **settings: Any,
    ):
        super().__init__(nesting_level=nesting_level)
        if controller is None:
            controller = Controller(**{"idle": IDLE, **settings})
            weakref.finalize(self, controller.terminate)
        elif not isinstance(controller, Controller):
            raise UsageError(f"controller={controller!r} is no hpcbatch.Controller")
        elif settings:
            raise UsageError(
                f"the controller is given, which has its {', '.join(settings)} already"
            )
        self.controller = controller
        self._waiting: set[Future[Any]] = set()
        self._sharing = Sharing()
        self._answers = _Answers()
        self._seconds = 0.0

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """-1 is all workers, -2 all but one. 1 means here, without the pool, as everywhere."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        workers = max(self.controller.workers, 2)  # one alone would not be used
        if n_jobs is None:
            return workers
        return max(workers + 1 + n_jobs, 1) if n_jobs < 0 else min(n_jobs, workers)

    def start_call(self) -> None:
        self._answers = _Answers()
        self._answers.start()

    def stop_call(self) -> None:
        self._answers.stop()
        for call in self._sharing.calls.values():
            self.controller.forget(call)
        self._sharing = Sharing()

    def submit(self, func: Any, callback: Callable[[Any], None]) -> Future[Any]:
        future = self._submit(func)
        answers = self._answers
        self._waiting.add(future)
        future.add_done_callback(self._waiting.discard)
        future.add_done_callback(lambda future: answers.put(callback, future))
        return future

    apply_async = submit  # its name before joblib 1.5

    def retrieve_result_callback(self, out: Any) -> Any:
        result = out.result()
        self._seconds = getattr(out, "seconds", 0.0)
        return result

    def batch_completed(self, batch_size: int, duration: float) -> None:
        """By what the calls took: they may have waited for workers that were in a queue."""
        super().batch_completed(batch_size, self._seconds)

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """What no worker has yet is canceled."""
        for future in list(self._waiting):
            future.cancel()

    def terminate(self) -> None:
        self.parallel = None  # which has this backend: else both are found by gc alone

    def get_nested_backend(self) -> tuple[Any, None]:
        return SequentialBackend(nesting_level=(self.nesting_level or 0) + 1), None

    def _submit(self, batch: Any) -> Future[Any]:
        try:
            shared = self._sharing.split(batch)
            if shared is None:
                return self.controller.submit(_CALL, batch)
            call, left, places = shared
            return self.controller.submit(call, left, places)
        except Exception as error:  # joblib hears of failures from futures alone
            failed: Future[Any] = Future()
            failed.set_exception(error)
            return failed


class _Answers(Thread):
    """Tells joblib, which then makes the next batch from what its caller generates: that may take
    its time or wait for the pool itself, whose thread must not be kept."""

    def __init__(self) -> None:
        super().__init__(name="hpcbatch-joblib", daemon=True)
        self._queue: SimpleQueue[tuple[Callable[[Any], None], Any] | None] = SimpleQueue()

    def put(self, callback: Callable[[Any], None], future: Any) -> None:
        self._queue.put((callback, future))

    def stop(self) -> None:
        self._queue.put(None)

    def run(self) -> None:
        while (told := self._queue.get()) is not None:
            callback, future = told
            try:
                callback(future)
            except Exception:  # else joblib would wait for ever for those that come after it
                log.exception("joblib could not take a result")
