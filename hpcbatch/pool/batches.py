"""Tasks for a worker as one message, with the functions that it does not have yet."""

from __future__ import annotations

from typing import Any

from ..worker import wire
from .dispatch import TaskBatch


def pack_batch(batch: TaskBatch) -> tuple[bytes, list[Any]]:
    """The body of the message, and what travels beside it. The worker has its functions then."""
    worker = batch.worker
    functions, orders = [], []
    parts: list[Any] = []
    for number, task in batch.tasks:
        function = task.function
        if function.number not in worker.functions:
            worker.functions.add(function.number)
            how, content = function.packed(parts)
            functions.append((function.number, how, content))
        payload = wire.moved(task.how, task.payload, len(parts))
        parts.extend(task.parts)
        is_chunk = bool(task.size)
        orders.append(
            (number, function.number, task.how, is_chunk, task.number, task.seed, payload)
        )
    forgotten, worker.forgotten = worker.forgotten, []
    return wire.body((functions, forgotten, orders)), parts
