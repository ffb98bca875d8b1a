"""usage: pool.py PEER CALLS: squares, submitted one by one to two workers on this machine."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from serve import serve

Submit = Callable[[int], Any]


def square(i: int) -> int:
    return i * i


@contextmanager
def dask() -> Iterator[Submit]:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield lambda i: client.submit(square, i, pure=False)


@contextmanager
def parsl() -> Iterator[Submit]:
    import parsl

    executor = parsl.HighThroughputExecutor(
        label="htex",
        address="127.0.0.1",
        max_workers_per_node=2,
        cores_per_worker=1e-6,
        provider=parsl.providers.LocalProvider(init_blocks=1, max_blocks=1),
    )
    with parsl.load(parsl.Config(executors=[executor], strategy="none")):
        yield parsl.python_app(square)


@contextmanager
def executorlib() -> Iterator[Submit]:
    from executorlib import SingleNodeExecutor

    with SingleNodeExecutor(max_workers=2, block_allocation=True) as executor:
        yield lambda i: executor.submit(square, i)


def main(peer: str, calls: str) -> None:
    wanted = range(int(calls))
    here = os.path.dirname(sys.executable)
    os.environ["PATH"] = f"{here}:{os.environ['PATH']}"  # parsl starts programs by their names
    os.chdir(tempfile.mkdtemp(dir=os.environ["HPCBATCH_LOCAL_SPOOL"]))
    with {"dask": dask, "parsl": parsl, "executorlib": executorlib}[peer]() as submit:

        def run() -> None:
            futures = [submit(i) for i in wanted]
            if [future.result() for future in futures] != [i * i for i in wanted]:
                raise SystemExit("the results are wrong")

        submit(1).result()
        serve(run)


if __name__ == "__main__":
    main(*sys.argv[1:])
