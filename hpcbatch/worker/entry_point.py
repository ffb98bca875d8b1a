"""What a launcher starts: ``python worker-<hash>.pyz FOLDER LAUNCH [ELEMENT]``, the folder of the
pool, the number of the launch, and where the launcher counts them that of the worker."""

from __future__ import annotations

import gc
import json
import os
import sys

from ..disk.files import read
from ..runner import seeding
from ..words.door import Door
from ..words.version import VERSION

# as each scheduler names the array and the element
_IDS = (
    ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"),
    ("SLURM_JOB_ID", ""),
    ("LSB_JOBID", "LSB_JOBINDEX"),
    ("PBS_JOBID", "PBS_ARRAY_INDEX PBS_ARRAYID"),  # Torque's is the second
    ("HPCBATCH_LOCAL_ID", "HPCBATCH_LOCAL_INDEX"),
    ("JOB_ID", "SGE_TASK_ID"),
)


def main(arguments: list[str]) -> int:
    folder = arguments[0]
    path = f"{folder}/door.json"
    try:
        door = Door.from_json(json.loads(read(path)))
    except FileNotFoundError:
        print(f"hpcbatch: the pool {folder} has closed", file=sys.stderr)
        return 0
    try:
        from . import link
    except ImportError as error:
        print(
            f"hpcbatch: a worker of a pool needs pyzmq, and {sys.executable} on "
            f"{os.uname().nodename} cannot import it ({error}): install pyzmq there",
            file=sys.stderr,
        )
        return 78
    sys.modules.pop("random", None)  # pyzmq's own: a task that imports it has it seeded
    seeding.install(door.seed)
    for entry in reversed(door.code):
        if entry not in sys.path:
            sys.path.insert(1, entry)
    sys.argv = [sys.argv[0]]
    from .calls import TaskCalls
    from .loop import Loop
    from .received_functions import ReceivedFunctions
    from .resets import Resets

    functions = ReceivedFunctions(door.reset_globals)
    resets = Resets(door.reset_packages, door.garbage_collection)
    hello = _hello(door, arguments[1:])
    if door.metrics is not None:
        from .metrics import WorkerMetrics

        WorkerMetrics(door.metrics, str(hello["worker"])).start()
    to_controller = link.Link(door, path, json.dumps(hello).encode())
    gc.freeze()  # the modules, which stay
    gc.enable()  # boot.py has turned it off
    Loop(door, to_controller, TaskCalls(functions, resets), functions).run()


def _hello(door: Door, launch: list[str]) -> dict[str, object]:
    array, index = next(
        (
            (os.environ[array], next(filter(None, map(os.environ.get, names.split())), ""))
            for array, names in _IDS
            if os.environ.get(array)
        ),
        ("", ""),
    )
    own = os.urandom(6).hex()  # an element that is begun again is another worker
    return {
        "worker": ".".join(["-".join(launch), own]) if len(launch) > 1 else own,
        "host": os.uname().nodename,
        "pid": os.getpid(),
        "launch": int(launch[0]) if launch else 0,
        "array": array,
        "element": launch[1] if len(launch) > 1 else index,
        "python": "{}.{}.{}".format(*sys.version_info[:3]),
        "version": VERSION,
        "walltime": door.walltime,
        "max_tasks": door.max_tasks,
    }
