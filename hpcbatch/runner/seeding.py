"""Random numbers that depend on the task's seed and the job's index alone.

Not on chunks, clusters or attempts. ``random`` is seeded before each job, and the legacy state
of NumPy as well, as soon as the job's process has imported them.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15
_task_seed = 0
_job = 0
_own: int | None = None  # of a task that brings its seed along


def install(task_seed: int) -> None:
    """Remember the task's seed, and watch for a later import of ``random`` or NumPy."""
    global _task_seed
    _task_seed = task_seed
    sys.meta_path.insert(0, _Watcher())


def seed_job(job: int, own: int | None = None) -> None:
    """``own`` is a seed that does not come from the job's index."""
    global _job, _own
    _job, _own = job, own
    for name, seed in _SEEDERS.items():
        module = sys.modules.get(name)
        if module is not None:
            seed(module)


def current_job() -> int:
    return _job


def current_seed() -> int:
    """The seed of the job that runs now: 0 to 2**63 - 1."""
    return job_seed(_task_seed, _job) if _own is None else _own


def job_seed(task_seed: int, job: int) -> int:
    """Two rounds of SplitMix64 (Steele, Lea and Flood 2014) over seed and index."""
    first = _mixed(task_seed + (job + 1) * _STEP)
    return _mixed(first + _STEP) >> 1


def _mixed(value: int) -> int:
    value &= _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def _seed_random(module: ModuleType) -> None:
    module.seed(current_seed())


def _seed_numpy(module: ModuleType) -> None:
    seed = current_seed()
    if hasattr(module, "seed"):
        module.seed([seed & 0xFFFFFFFF, seed >> 32])


_SEEDERS = {"random": _seed_random, "numpy.random": _seed_numpy}


class _Watcher:
    """A finder that finds nothing itself: it seeds a module right after its first import."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name not in _SEEDERS:
            return None
        for finder in sys.meta_path:
            if finder is not self:
                spec = finder.find_spec(name, path, target)
                if spec is not None and spec.loader is not None:
                    _seed_after(spec.loader, name, _SEEDERS[name])
                    return spec
        return None


def _seed_after(loader: Any, name: str, seed: Any) -> None:
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        execute(module)
        if module.__name__ == name:  # a loader may serve other modules too
            seed(module)

    loader.exec_module = exec_module
