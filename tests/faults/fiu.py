"""Failing system calls, by libfiu: for a process that fiu-run has begun.

The calls fail inside libc, so what fails is what really reaches the disk: nothing of ours and
nothing of Python's is replaced. The same seed fails the same calls.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
from collections.abc import Iterator

FAILING = ("rw/write", "rw/pwrite", "rw/ftruncate", "sync/fsync", "dir/rename", "dir/unlink")
READING = ("rw/read", "rw/pread")
SHORT = ("rw/write", "rw/pwrite", "rw/pread")  # rw/read/reduce divides by zero at a file's end


@contextlib.contextmanager
def faults(seed: int, probability: float, points: tuple[str, ...]) -> Iterator[None]:
    """EIO from each of ``points``, and short counts, by chance."""
    fiu = ctypes.CDLL("libfiu.so.0")
    enable = fiu.fiu_enable_random
    enable.argtypes = [
        ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_float,
    ]  # fmt: skip
    fiu.fiu_init(0)
    fiu.fiu_set_prng_seed(seed)
    names = [(point, probability) for point in points]
    names += [(f"{point}/reduce", 4 * probability) for point in SHORT]
    for name, chance in names:
        if enable(f"posix/io/{name}".encode(), 1, errno.EIO, 0, chance) != 0:
            raise RuntimeError(f"libfiu does not know {name}")
    try:
        yield
    finally:
        for name, _ in names:
            fiu.fiu_disable(f"posix/io/{name}".encode())
