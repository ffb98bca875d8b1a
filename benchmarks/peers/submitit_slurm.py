"""usage: submitit_slurm.py FOLDER JOBS CHUNK PARALLELISM: map_array on a real Slurm, to the end."""

from __future__ import annotations

import sys
import tempfile

import submitit
from serve import serve


def squares(numbers: list[int]) -> list[int]:
    return [i * i for i in numbers]  # without this folder's modules, which no node finds


def main(folder: str, jobs: str, chunk: str, parallelism: str) -> None:
    import os

    os.makedirs(folder)
    numbers, size = list(range(int(jobs))), int(chunk)
    chunks = [numbers[first : first + size] for first in range(0, len(numbers), size)]

    def run() -> None:
        executor = submitit.AutoExecutor(tempfile.mkdtemp(dir=folder), cluster="slurm")
        executor.update_parameters(timeout_min=5, slurm_array_parallelism=int(parallelism))
        found = [job.result() for job in executor.map_array(squares, chunks)]
        if found != [squares(some) for some in chunks]:
            raise SystemExit("the results are wrong")

    serve(run)


if __name__ == "__main__":
    main(*sys.argv[1:])
