"""usage: submitit_wait.py FOLDER JOBS: waits for the results of an array, all of which are there as
soon as a line comes on standard input."""

from __future__ import annotations

import sys
import threading

import submitit
from serve import LINES, TOLD, square
from submitit.core.utils import cloudpickle_dump


def main(folder: str, jobs: str) -> None:
    executor = submitit.AutoExecutor(folder, cluster="slurm")
    executor.update_parameters(timeout_min=60, slurm_array_parallelism=int(jobs))
    submitted = executor.map_array(square, range(int(jobs)))
    print("ready", file=TOLD, flush=True)

    def end() -> None:
        LINES.readline()
        for number, job in enumerate(submitted):
            cloudpickle_dump(("success", number * number), job.paths.result_pickle)

    threading.Thread(target=end, daemon=True).start()
    if [job.result() for job in submitted] != [square(i) for i in range(int(jobs))]:
        raise SystemExit("the results are wrong")
    print(0, file=TOLD, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
