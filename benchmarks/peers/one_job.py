"""usage: one_job.py PEER FOLDER: stores one job; prints its command, folder and variables in JSON,
as they are on a node."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def square(i: int) -> int:
    return i * i


def submitit(folder: Path) -> tuple[list[str], dict[str, str]]:
    import submitit

    executor = submitit.AutoExecutor(folder, cluster="slurm")
    executor.update_parameters(timeout_min=5)
    job = executor.submit(square, 3)
    variables = {
        "SLURM_JOB_ID": job.job_id, "SLURM_NTASKS": "1", "SLURM_JOB_NUM_NODES": "1",
        "SLURM_JOB_NODELIST": "localhost", "SLURM_NODEID": "0", "SLURM_PROCID": "0",
        "SLURM_LOCALID": "0", "SUBMITIT_EXECUTOR": "slurm",
    }  # fmt: skip
    return [sys.executable, "-u", "-m", "submitit.core._submit", str(folder)], variables


def clusterfutures(folder: Path) -> tuple[list[str], dict[str, str]]:
    import cloudpickle
    from cfut.util import INFILE_FMT

    path = Path(INFILE_FMT % "1")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cloudpickle.dumps((square, (3,), {})))
    return [sys.executable, "-m", "cfut.remote", "1"], {}


def jug(folder: Path) -> tuple[list[str], dict[str, str]]:
    program = "from jug import TaskGenerator\n@TaskGenerator\ndef square(i):\n    return i * i\n"
    (folder / "jugfile.py").write_text(f"{program}value = square(3)\n")
    folder = folder / "jugfile.jugdata"
    argv = [str(Path(sys.executable).with_name("jug")), "execute", "--aggressive-unload"]
    return ["sh", "-c", f"rm -rf '{folder}'; exec {' '.join(argv)}"], {}


if __name__ == "__main__":
    peer, where = sys.argv[1], Path(sys.argv[2])
    where.mkdir(parents=True)
    os.chdir(where)
    argv, variables = {"submitit": submitit, "clusterfutures": clusterfutures, "jug": jug}[peer](
        where
    )
    print(json.dumps({"argv": argv, "folder": str(where), "variables": variables}))
