"""pool: pools of workers, also those whose controller is dead."""

from __future__ import annotations

import click

from ..disk.files import read
from ..words.errors import UsageError
from ..words.text import counted
from .canceling import ask, yes_option
from .common import Invocation, common, completed, global_options, print_json, say
from .exit_status import SCHEDULER
from .formatting import clock, plain_lines
from .pool_places import done_there, find, login_node
from .stopping import interruptible
from .tables import print_table

pool_argument = click.argument("pool_id", metavar="POOL", shell_complete=completed("pool_ids"))


@click.group("pool")
@global_options
def pool() -> None:
    """Pools of workers: list them, see their logs, end them.

    A Controller in Python keeps them. POOL is an id, a unique beginning of one, or "last".

    \b
    Examples:
      hpcbatch pool list
      hpcbatch pool workers last
      hpcbatch pool logs 3f9a 1-0
      hpcbatch pool list --site login.cluster
      hpcbatch pool terminate 3f9a              # its controller is dead, its workers are not
      hpcbatch pool remove --closed
    """


@pool.command("list")
@common
def list_pools(invocation: Invocation) -> None:
    """List the pools: "open", "closed", "dead" when its controller is gone without a word, or
    "elsewhere" when that runs on another host.

    \b
    Examples:
      hpcbatch pool list
      hpcbatch pool list --site login.cluster
    """
    from ..pool.monitor import pools

    if done_there(login_node(invocation), invocation, "list"):
        return
    found = pools(invocation.registry().root)
    if invocation.json:
        print_json([each.to_json() for each in found])
        return
    rows = [
        [
            each.id,
            each.state,
            each.record.cluster + (each.record.site and f" at {each.record.site}"),
            str(each.record.workers),
            f"{each.record.host}:{each.record.pid}",
            clock(each.record.begun),
        ]
        for each in found
    ]
    headings = ("pool", "state", "cluster", "workers", "controller", "begun")
    print_table(headings, rows, right=("workers",), spare=("begun", "controller"))


@pool.command("workers")
@pool_argument
@common
def list_workers(invocation: Invocation, pool_id: str) -> None:
    """List the workers that are alive: elements that the cluster lists, processes of this host.

    \b
    Examples:
      hpcbatch pool workers last
      hpcbatch pool workers 3f9a --json
    """
    meant = find(invocation, pool_id)
    if done_there(meant.site, invocation, "workers", meant.there):
        return
    found = meant.here.workers() if meant.here else []
    if invocation.json:
        print_json([worker.to_json() for worker in found])
        return
    rows = [
        [f"{w.launch}-{w.element}", w.state, w.array, "" if w.pid is None else str(w.pid), w.log]
        for w in found
    ]
    if not rows:
        say(f"No worker of {meant.there} is alive.")
        return
    print_table(
        ("worker", "state", "array", "pid", "log"), rows, right=("pid",), spare=("array", "pid")
    )


@pool.command("logs")
@pool_argument
@click.argument("worker", required=False, metavar="[WORKER]")
@common
def print_logs(invocation: Invocation, pool_id: str, worker: str | None) -> None:
    """Print the logs of all workers, or that of one, such as 1-0: launch and element. A row of
    the pool tells its worker as 1-0.4be1c0a95f27, which is taken as well.

    \b
    Examples:
      hpcbatch pool logs last
      hpcbatch pool logs 3f9a 1-0
    """
    from ..words.errors import NotFound
    from ..words.messages import nearest

    meant = find(invocation, pool_id)
    if done_there(meant.site, invocation, "logs", meant.there, *filter(None, [worker])):
        return
    logs = meant.here.logs() if meant.here else {}
    if worker is not None:
        name = worker.partition(".")[0]
        if name not in logs:
            raise NotFound(f"{pool_id} has no log {worker!r}{nearest(name, logs)}")
        logs = {name: logs[name]}
    texts = {name: read(path).decode("utf-8", "replace") for name, path in logs.items()}
    if invocation.json:
        print_json(texts)
        return
    for name, text in texts.items():
        if worker is None:
            click.echo(f"==> {name} <==")
        if text:
            click.echo(plain_lines(text.removesuffix("\n")))
        else:
            say(f"{name} has printed nothing.")


@pool.command("terminate")
@pool_argument
@yes_option
@common
def terminate(invocation: Invocation, pool_id: str, yes: bool) -> None:
    """End all workers of a pool, on its cluster and on this host. Safe to repeat. A controller
    that lives launches no others.

    On a terminal it asks first.

    \b
    Examples:
      hpcbatch pool terminate last
      hpcbatch pool terminate 3f9a --yes
    """
    meant = find(invocation, pool_id)
    name = meant.here.id if meant.here else pool_id
    place = f" at {meant.site.place}" if meant.site else ""
    ask(f"End the workers of {name}{place}?", yes)
    with interruptible("some workers may live; the same command goes on"):
        objections = meant.here.terminate() if meant.here else []
        if done_there(meant.site, invocation, "terminate", meant.there, "--yes"):
            return  # it tells its own id
    if invocation.json:
        print_json({"terminated": name, "objections": objections})
    else:
        say(f"What was left of the workers of {name} was told to end.")
    for objection in objections:
        say(f"hpcbatch: {objection}")
    if objections:
        click.get_current_context().exit(SCHEDULER)


@pool.command("remove")
@click.argument("pool_id", required=False, metavar="[POOL]", shell_complete=completed("pool_ids"))
@click.option("--closed", is_flag=True, help="All that are closed.")
@yes_option
@common
def remove(invocation: Invocation, pool_id: str | None, closed: bool, yes: bool) -> None:
    """Delete what is kept of a pool that is over: its record, and the logs of its workers.

    On a terminal it asks first.

    \b
    Examples:
      hpcbatch pool remove 3f9a
      hpcbatch pool remove --closed --yes
    """
    from ..pool.monitor import CLOSED, pools

    if closed == bool(pool_id):
        raise UsageError("name a pool, or give --closed")
    if pool_id is None:
        site, there = login_node(invocation), "--closed"
        known = [] if site else pools(invocation.registry().root)
        over = [each for each in known if each.state == CLOSED]
    else:
        here, site, there = find(invocation, pool_id)
        over = [here] if here else []
    if over or site:
        meant = ", ".join(each.id for each in over) or there.replace("--", "all that are ")
        ask(f"Delete what is kept of {meant}?", yes)
    for each in over:
        each.remove()
    if done_there(site, invocation, "remove", there, "--yes"):
        return
    if invocation.json:
        print_json({"removed": [each.id for each in over]})
    else:
        say(f"Removed {counted(len(over), 'pool')}.")
