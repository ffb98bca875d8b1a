"""A callable that can go on where it was."""

from __future__ import annotations

from typing import Any


def counting(log: str, gate: str) -> Any:
    """It counts until there is a file ``gate``, and appends its steps and checkpoints to ``log``.

    Its class is made here, else all tests would travel as its source.
    """

    class Counting:
        def __init__(self) -> None:
            self.steps = 0

        def __call__(self, job: int) -> int:
            import contextlib
            import os
            import time

            while not os.path.exists(gate):
                self.steps += 1
                with contextlib.suppress(Exception):
                    self.tell(f"step-{self.steps}")
                    time.sleep(0.05)
            return self.steps

        def checkpoint(self) -> None:
            self.tell("checkpoint")

        def tell(self, line: str) -> None:
            with open(log, "a") as file:
                file.write(f"{line}\n")

    Counting.__module__ = "__main__"
    return Counting()
