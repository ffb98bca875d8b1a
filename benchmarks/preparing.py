"""Storing jobs: create() beside submitit's map_array, and beside one packed file."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from struct import Struct

from common import (
    Peer,
    Row,
    below,
    count_files,
    faster,
    in_turn,
    output,
    seconds,
    square,
    use_fake_slurm,
    within,
)

import hpcbatch as hb

PLACE = Struct("<Q")


# A script alone, as the peer's is: what lies beside a script, and is imported, travels with it.
PROGRAM = """
import sys
import time

import hpcbatch as hb

def square(i):
    return i * i

print(flush=True)
for _ in sys.stdin:
    began = time.perf_counter()
    hb.create(square, range(int(sys.argv[1])))
    print(time.perf_counter() - began, flush=True)
"""


def prepare(work: Path) -> Iterator[Row]:
    use_fake_slurm(work / "prepare-bin")
    script = work / "alone" / "study.py"
    script.parent.mkdir()
    script.write_text(PROGRAM)
    for jobs, runs in ((10_000, 7), (100_000, 5)):
        with (
            Peer(script, jobs, python=sys.executable) as alone,
            Peer("submitit_prepare.py", work, jobs) as peer,
        ):
            ours, theirs, floor, with_modules = in_turn(
                alone.seconds,
                peer.seconds,
                lambda: seconds(lambda: _packed(work / "floor", jobs)),  # noqa: B023
                lambda: seconds(lambda: hb.create(square, range(jobs))),  # noqa: B023
                runs=runs,
            )
        yield faster(f"prepare {jobs:,} jobs", ours, theirs, "submitit", 100)
        yield within(f"prepare {jobs:,} jobs", ours, floor, "one packed file", 3)
        what = f"prepare {jobs:,} jobs, with the modules of this benchmark"
        yield faster(what, with_modules, theirs, "submitit", 100)
        files = count_files(Path(hb.tasks()[-1].folder))
        yield below(
            f"files of a task of {jobs:,} jobs", files, 17, "files", f"submitit {jobs + 2:,}"
        )


def memory(work: Path) -> Iterator[Row]:
    program = (
        "import hpcbatch as hb, time; t = time.time()\n"
        "task = hb.create(lambda i: i, (i for i in range(1_000_000)))\n"
        "seconds = time.time() - t\n"
        "status = open('/proc/self/status').read()\n"
        "print(int(status.split('VmHWM:')[1].split()[0]) // 1024, seconds)"
    )
    peak, took = output([sys.executable, "-c", program]).split()
    what = "peak memory to prepare 1,000,000 jobs"
    yield below(what, float(peak), 300, "MB", f"in {float(took):.1f} s")


def _packed(folder: Path, jobs: int) -> None:
    """What cannot be done without: one pickler, one file, and where each input lies in it."""
    import cloudpickle

    folder.mkdir(exist_ok=True)
    buffer, places = io.BytesIO(), []
    pickler = cloudpickle.Pickler(buffer)
    for i in range(jobs):
        places.append(PLACE.pack(buffer.tell()))
        pickler.dump(i)
        pickler.clear_memo()
    for name, content in (("inputs", buffer.getvalue()), ("index", b"".join(places))):
        with open(folder / name, "wb") as file:
            file.write(content)
            os.fsync(file.fileno())
