"""usage: submitit_collect.py FOLDER JOBS WHAT: results of jobs that are done, or their states."""

from __future__ import annotations

import sys

import submitit
from serve import serve, square
from submitit.core.utils import cloudpickle_dump


def main(folder: str, jobs: str, what: str) -> None:
    executor = submitit.AutoExecutor(folder, cluster="slurm")
    executor.update_parameters(timeout_min=5, slurm_array_parallelism=100)
    submitted = executor.map_array(square, range(int(jobs)))
    if what == "results":
        for number, job in enumerate(submitted):
            cloudpickle_dump(("success", number * number), job.paths.result_pickle)

    def collect() -> None:
        if [job.result() for job in submitted] != [i * i for i in range(int(jobs))]:
            raise SystemExit("the results are wrong")

    def ask() -> None:
        for job in submitted:
            job.done(force_check=job is submitted[0])

    serve(collect if what == "results" else ask)


if __name__ == "__main__":
    main(*sys.argv[1:])
