"""Pools as others see them: listed, looked into and ended, when their controller is dead."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import hpcbatch as hb
from hpcbatch.cli.main import main
from hpcbatch.pool.folder import make_pool, read_record
from hpcbatch.pool.launch_records import read_launches
from hpcbatch.pool.monitor import find_pool
from hpcbatch.sites import known_sites
from hpcbatch.sites.known_sites import Card
from tests.core import ROOT, eventually
from tests.pool.conftest import is_alive

CONTROLLER = """
import hpcbatch as hb, subprocess, time
pool = hb.Controller(workers=2, heartbeat=60.0)
pool.start()
child = pool.submit(lambda: __import__("subprocess").Popen(["sleep", "600"]).pid).result(60)
while len(pool.summary()) < 2:
    time.sleep(0.01)
print(child, *(each["pid"] for each in pool.summary()), flush=True)
time.sleep(600)
"""


def ask(*argv: str) -> Any:
    done = CliRunner().invoke(main, ["--json", "pool", *argv])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_workers_of_a_dead_controller_are_found_and_ended(own_registry: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    controller = subprocess.Popen(
        [sys.executable, "-c", CONTROLLER], stdout=subprocess.PIPE, env=env, text=True
    )
    pids: list[int] = []
    try:
        with controller:
            assert controller.stdout is not None
            child, *pids = map(int, controller.stdout.readline().split())
            (pool,) = hb.pools()
            assert pool.state == "open"
            for pid in pids:  # so that they cannot know that the controller is gone
                os.kill(pid, signal.SIGSTOP)
            controller.kill()
        assert pool.state == "dead"
        (row,) = ask("list")
        assert (row["id"], row["state"], row["cluster"]) == (pool.id, "dead", "local")
        with pytest.raises(hb.StateError, match="2 workers alive: hpcbatch pool terminate"):
            pool.remove()
        for text in ("", "!"):
            with pytest.raises(hb.NotFound, match="there is no pool"):
                find_pool(text)
        workers = ask("workers", "last")
        assert sorted(each["pid"] for each in workers) == sorted(pids)
        assert sorted((each["launch"], each["element"]) for each in workers) == [(1, 0), (1, 1)]
        assert ask("logs", pool.id[:6]).keys() == {"1-0", "1-1"}
        assert ask("terminate", pool.id, "--yes")["objections"] == []
        eventually(lambda: not any(map(is_alive, [*pids, child])), "all to end")
        assert ask("workers", "last") == []
        assert ask("list")[0]["state"] == "closed"
        assert ask("remove", "--closed", "--yes") == {"removed": [pool.id]}
        assert ask("list") == []
        assert not os.path.exists(pool.layout.folder)
    finally:
        for pid in pids:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)


def waits(began: str) -> None:
    Path(began).touch()
    time.sleep(60)


@pytest.mark.parametrize("launches", [True, False])
def test_a_controller_learns_that_its_pool_was_ended(
    make_pool: Callable[..., hb.Controller], tmp_path: Path, launches: bool
) -> None:
    pool = make_pool(workers=1, heartbeat=0.2)
    began = str(tmp_path / "began")
    future = pool.submit(waits, began)
    pool.push(abs, -2, name="two")
    eventually(lambda: os.path.exists(began), "the call to begin")
    if not launches:
        pool.descale()
    assert ask("terminate", "last", "--yes")["objections"] == []
    with pytest.raises(hb.PoolClosed, match="ended by somebody else"):
        future.result(60)
    assert pool.wait(timeout=60)
    (row,) = pool.collect()
    assert (row.name, row.status) == ("two", "error")
    assert "ended by somebody else" in str(row.error)
    for ask_more in (lambda: pool.submit(abs, 1), lambda: pool.map(abs, [-1, -2])):
        with pytest.raises(hb.PoolClosed, match="ended by somebody else"):
            ask_more()
    assert pool.summary().launches["pauses_for"] == 0, "nothing is tried again"


def dies() -> None:
    os.write(1, b"famous last words\n")
    os._exit(3)


def crashes() -> None:
    import ctypes

    ctypes.string_at(0)


def test_the_log_of_a_worker_tells_where_it_crashed(
    make_pool: Callable[..., hb.Controller],
) -> None:
    pool = make_pool(workers=1, crashes_max=0)
    with pytest.raises(hb.WorkerLost):
        pool.submit(crashes).result(60)
    assert pool.map(abs, [-1]) == [1]  # another worker was launched since
    (told, _) = ask("logs", "last").values()
    assert "Segmentation fault" in told
    assert "in crashes" in told
    assert told.splitlines()[-1] == "hpcbatch: this worker ended by signal 11 (Segmentation fault)"


def test_a_lost_worker_is_told_with_the_command_for_its_log(
    make_pool: Callable[..., hb.Controller],
) -> None:
    pool = make_pool(workers=1, crashes_max=0)
    with pytest.raises(hb.WorkerLost) as lost:
        pool.submit(dies).result(60)
    found = re.search(r"hpcbatch pool logs (\S+) (\S+) tells", str(lost.value))
    assert found is not None, lost.value
    told = ask("logs", *found.groups())
    assert list(told) == [found[2]]
    assert "famous last words" in told[found[2]]
    pool.push(abs, -1)
    (row,) = pool.collect()
    ends = ask("logs", *found.groups())[found[2]].splitlines()[-1]
    assert ends == "hpcbatch: this worker ended with exit status 3"
    assert list(ask("logs", "last", row.worker)) == [row.worker.partition(".")[0]]


def test_a_server_keeps_no_pools(
    own_registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(folder, str(tmp_path / folder))
    known_sites.add(Card("https://lab:7033", "a" * 52), "lab")  # its key is not needed
    layout, _ = make_pool("p", "local", 1, "0")
    monkeypatch.setenv("HPCBATCH_SITE", "lab")
    assert [row["id"] for row in ask("list")] == [layout.id], "those of this machine are meant"
    asked = CliRunner().invoke(main, ["pool", "list", "--site", "lab"])
    assert "https://lab:7033 keeps no pools" in asked.output


def test_what_can_be_told_of_a_controller(own_registry: Path) -> None:
    layout, record = make_pool("p", "local", 1, "0")
    record_file = Path(layout.record)

    def state_of(**told: Any) -> str:
        record_file.write_text(json.dumps({**record.to_json(), **told}))
        (row,) = ask("list")
        return str(row["state"])

    assert state_of() == "open"
    with pytest.raises(hb.StateError, match="is open: its controller, process"):
        find_pool("last").remove()
    assert state_of(ended=record.begun + 1) == "closed"
    assert state_of(host="other") == "elsewhere"
    with pytest.raises(hb.StateError, match=r"is elsewhere: its controller, .* on other, has"):
        find_pool("last").remove()
    assert state_of(boot="another") == "dead"
    assert state_of(begun=record.begun - 1e6) == "dead"  # a later process has its pid
    state_of(begun=1e300)  # by a clock that is nowhere
    asked = CliRunner().invoke(main, ["pool", "list"])
    assert asked.exit_code == 0, asked.output
    record_file.write_text("{")
    assert ask("list") == []
    with pytest.raises(hb.DamagedFile, match=f"then remove {layout.folder}$"):
        read_record(layout.root, layout.id)


def test_a_launch_that_is_damaged_is_told_with_what_to_do(own_registry: Path) -> None:
    layout, _ = make_pool("p", "local", 1, "0")
    launch = Path(layout.launch(1).record)
    launch.parent.mkdir()
    launch.write_text("{}")
    with pytest.raises(hb.DamagedFile, match=f"then remove {launch.parent}$"):
        read_launches(layout)


@pytest.mark.parametrize("argv", [("workers", "nothing"), ("logs", "last")])
def test_a_pool_that_is_not_there(argv: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, ["pool", *argv])
    assert done.exit_code != 0
    assert "there is no pool" in done.output
