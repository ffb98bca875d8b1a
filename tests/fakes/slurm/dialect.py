"""What the fake programs of Slurm share. The state lies beside the file that SLURM_CONF names."""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(__file__)))

from engine import Engine, Order, Refused, Stored, main, read, runs

__all__ = ["Order", "Refused", "engine", "fields", "limit", "main", "members", "runs"]

CONF = os.environ["SLURM_CONF"]
FOLDER = os.path.dirname(CONF)
MAX_ARRAY_SIZE = 1001


def engine() -> Engine:
    if os.path.exists(f"{FOLDER}/down"):
        raise Refused("slurm_load_jobs error: Unable to contact slurm controller (connect failure)")
    return Engine(FOLDER)


def limit() -> int:
    """Of the configuration file, as ``MaxArraySize=11``."""
    _, found, rest = read(CONF).partition("MaxArraySize=")
    return int(rest.split()[0]) if found else MAX_ARRAY_SIZE


def members(text: str) -> list[int]:
    """The indices of ``3,7-9``."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def fields(number: str, index: str | None, array: Stored, state: str, shown: str) -> str:
    """One line of ``scontrol -o show job``, as Slurm 22.05 prints it, shortened."""
    task = f"ArrayJobId={number} ArrayTaskId={shown} " if index is not None else ""
    element = array["elements"][index if index is not None else "0"]
    status = element["status"]
    code = f"{os.WEXITSTATUS(status)}:{os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0}"
    reason = "NonZeroExitCode" if state == "FAILED" else element["why"] or "None"
    host = f" NodeList={os.uname().nodename} BatchHost={os.uname().nodename}"
    return (
        f"JobId={number} {task}JobName={array['name']} UserId=user(1001) GroupId=user(1001) "
        f"MCS_label=N/A Priority=4294901758 Nice=0 Account=(null) QOS=(null) JobState={state} "
        f"Reason={reason} Dependency=(null) Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 "
        f"ExitCode={code} RunTime=00:00:01 TimeLimit=01:00:00 TimeMin=N/A "
        f"Partition=debug AllocNode:Sid=localhost:22690 ReqNodeList=(null) ExcNodeList=(null)"
        f"{host if element['started'] else ' NodeList='} NumNodes=1 NumCPUs=1 NumTasks=1 "
        "CPUs/Task=1 ReqB:S:C:T=0:0:*:* Command=(null) WorkDir=/ Power= "
    )
