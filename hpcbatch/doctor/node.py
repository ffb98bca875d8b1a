"""What an element does for the doctor: it answers through files of a folder on the shared disk.

Travels by value, since nodes have no hpcbatch: standard library only, imported inside.
"""

from __future__ import annotations

from typing import Any


def answer(
    folder: str, patience: float, addresses: list[tuple[str, int]], word: str
) -> dict[str, Any]:
    """Say what is here, hold a lock, answer each *ping*, at *dial* try each of ``addresses``, and
    end at *bye* or after ``patience`` seconds without any."""
    import fcntl
    import json
    import os
    import socket
    import sys
    import time

    ends = time.monotonic() + patience

    def tell(name: str, **told: Any) -> None:
        path = f"{folder}/{name}"
        with open(f"{path}.new", "w") as file:
            json.dump(told, file)
        os.rename(f"{path}.new", path)

    def dial(address: tuple[str, int]) -> str:
        """Why it was not reached; empty where it was."""
        try:
            with socket.create_connection(address, 3) as there:
                there.sendall(word.encode())
                answers = there.recv(len(word)) == word[::-1].encode()
                return "" if answers else "somebody else answers"
        except OSError as error:
            return error.strerror or str(error)

    def names() -> set[str]:
        return set(os.listdir(folder))

    with open(f"{folder}/lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked = "held"
        except OSError as error:
            locked = str(error)
        about = {
            "host": os.uname().nodename,
            "pid": os.getpid(),
            "python": list(sys.version_info[:3]),
            "executable": sys.executable,
            "cpus": len(os.sched_getaffinity(0)),
            "lock": locked,
            "user": os.getuid(),
        }
        tell("hello", **about)
        answered = 0
        while time.monotonic() < ends and "bye" not in (seen := names()):
            if f"ping-{answered}" in seen:
                tell(f"pong-{answered}", time=time.time())
                answered += 1
            if "dial" in seen and "dialled" not in seen:
                tell("dialled", reached={host: dial((host, port)) for host, port in addresses})
            time.sleep(0.02)
    return about
