"""usage: submitit_prepare.py FOLDER JOBS: map_array with whatever sbatch is on PATH."""

from __future__ import annotations

import sys
import tempfile

import submitit
from serve import serve, square


def main(folder: str, jobs: str) -> None:
    def prepare() -> None:
        executor = submitit.AutoExecutor(tempfile.mkdtemp(dir=folder), cluster="slurm")
        executor.update_parameters(timeout_min=5, slurm_array_parallelism=100)
        executor.map_array(square, range(int(jobs)))

    serve(prepare)


if __name__ == "__main__":
    main(*sys.argv[1:])
