"""What a launcher starts for a Dask cluster: ``python worker-dask.py FOLDER LAUNCH [ELEMENT]``.

It is copied into the pool's folder and needs ``distributed`` alone, no hpcbatch.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from typing import Any

PATIENCE = 60.0  # seconds in which the scheduler must be found
LONGEST = 5.0  # seconds for an address
PAUSE = 1.0


def main(folder: str, launch: str, element: str = "0") -> int:
    try:
        with open(f"{folder}/door.json", encoding="utf-8") as file:
            door = json.load(file)
    except FileNotFoundError:
        print(f"hpcbatch: the pool {folder} has closed", file=sys.stderr)
        return 0
    found = "{}.{}".format(*sys.version_info[:2])
    if found != door["python"]:
        told = f"this node runs Python {found}, and the Dask scheduler {door['python']}"
        print(f"hpcbatch: {told}", file=sys.stderr)
        return 78
    try:
        from distributed import Security
    except ImportError as error:
        print(
            f"hpcbatch: a worker of a Dask cluster needs distributed, and {sys.executable} on "
            f"{os.uname().nodename} cannot import it ({error}): install distributed there",
            file=sys.stderr,
        )
        return 78
    for path in reversed(door["code"]):
        if path not in sys.path:
            sys.path.insert(1, path)
    roles = ("client", "scheduler", "worker")
    pairs = {f"tls_{role}_key": door["key"] for role in roles}
    pairs.update({f"tls_{role}_cert": door["certificate"] for role in roles})
    security = Security(require_encryption=True, tls_ca_file=door["certificate"], **pairs)
    return asyncio.run(_live(door, f"{launch}-{element}", security))


async def _reach(addresses: list[str], security: Any) -> tuple[str, str] | None:
    """The address that has the scheduler with the right key, and ours as it is seen from there."""
    from distributed.comm import connect, get_address_host

    arguments = security.get_connection_args("worker")
    give_up = time.monotonic() + PATIENCE
    while True:
        for address in addresses:
            try:
                comm = await connect(address, timeout=LONGEST, **arguments)
            except OSError as error:
                print(f"hpcbatch: {address}: {error}", file=sys.stderr)
            else:
                own = get_address_host(comm.local_address)
                await comm.close()
                return address, own
        if time.monotonic() > give_up:
            return None
        await asyncio.sleep(PAUSE)


async def _live(door: dict[str, Any], name: str, security: Any) -> int:
    from distributed import Nanny, Worker

    reached = await _reach(door["addresses"], security)
    if reached is None:
        tried = ", ".join(door["addresses"])
        print(f"hpcbatch: the Dask scheduler was not found at {tried}", file=sys.stderr)
        return 1
    address, own = reached
    kind = Nanny if door["nanny"] else Worker
    options = {"dashboard_address": "127.0.0.1:0", "death_timeout": PATIENCE, **door["options"]}
    server = await kind(address, host=own, name=name, security=security, **options)
    leaving: list[Any] = []

    def leave() -> None:
        leaving.append(asyncio.ensure_future(server.close(reason="hpcbatch: SIGTERM")))

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, leave)
    await server.finished()
    await asyncio.gather(*leaving)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
