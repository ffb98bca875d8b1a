"""Workers that are killed, stopped, cut off, or leave; controllers that close or die."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import hpcbatch as hb
from tests.core import ROOT, eventually
from tests.pool.conftest import is_alive
from tests.pool.havoc import Havoc, await_workers, cut_connection

Make = Callable[..., hb.Controller]


def identity(x: int) -> int:
    return x


def pid() -> int:
    return os.getpid()


def mark_and_sleep(path: str, seconds: float) -> int:
    with open(path, "a") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(seconds)
    return os.getpid()


def pushed(pool: hb.Controller, path: Path, seconds: float) -> tuple[str, int]:
    """The name of a task that runs, and the process that it runs in."""
    name = pool.push(mark_and_sleep, str(path), seconds)
    return name, int(eventually(lambda: path.exists() and path.read_text()))


def test_the_task_of_a_worker_that_is_killed_is_tried_again(
    make_pool: Make, tmp_path: Path
) -> None:
    pool, path = make_pool(workers=2), tmp_path / "began"
    name, first = pushed(pool, path, 1.0)
    os.kill(first, signal.SIGKILL)
    assert pool.wait(timeout=60)
    assert pool.crashes(name) == 1
    (row,) = pool.collect()
    assert row.status == "done"
    assert row.result != first


def test_a_worker_that_stands_still_is_given_up_and_its_late_result_dropped(
    make_pool: Make, tmp_path: Path
) -> None:
    pool, path = make_pool(workers=2), tmp_path / "began"
    name, first = pushed(pool, path, 0.5)
    os.kill(first, signal.SIGSTOP)
    assert pool.wait(timeout=60)
    os.kill(first, signal.SIGCONT)
    eventually(lambda: first in [each["pid"] for each in pool.summary()], "it comes back")
    assert pool.submit(identity, 1).result(60) == 1
    assert pool.crashes(name) == 1
    (row,) = pool.collect()
    assert row.result != first


def test_a_connection_that_is_cut_is_made_again(make_pool: Make) -> None:
    pool = make_pool(workers=1)
    (one,) = await_workers(pool, 1)
    before = pool.summary()[0]
    cut_connection(pool, one)
    assert pool.submit(pid).result(60) == one
    assert pool.summary()[0]["worker"] == before["worker"]


def test_a_task_that_crashes_too_often_goes_to_the_backup(make_pool: Make) -> None:
    def needs_backup() -> int:
        import os

        if not os.environ["HPCBATCH_POOL"].endswith("__backup"):
            os._exit(1)
        return 5

    backup = make_pool(workers=1, name="backup")
    pool = make_pool(workers=1, crashes_max=0, backup=backup)
    pool.push(needs_backup)
    assert pool.submit(needs_backup).result(60) == 5
    (row,) = pool.collect()
    assert (row.result, row.controller) == (5, "backup")


def test_workers_retire_after_their_last_task_or_when_idle(make_pool: Make) -> None:
    pool = make_pool(workers=1, max_tasks=2, idle=0.3)
    pids = pool.map(lambda x: __import__("os").getpid(), range(1))
    pids += [pool.submit(pid).result(60) for _ in range(3)]
    assert len(set(pids)) >= 2
    eventually(lambda: not any(map(is_alive, pids)), "all have retired")
    assert pool.submit(pid).result(60) not in pids


def test_a_worker_that_is_asked_to_leave_gives_its_task_back_without_a_count(
    make_pool: Make, tmp_path: Path
) -> None:
    pool, path = make_pool(workers=1, crashes_max=0), tmp_path / "began"
    _, first = pushed(pool, path, 0.5)
    os.kill(first, signal.SIGTERM)
    (row,) = pool.collect()
    assert row.status == "done"
    assert row.result != first


def test_workers_go_when_the_pool_closes_in_the_middle_of_a_task(
    make_pool: Make, tmp_path: Path
) -> None:
    pool, path = make_pool(workers=1), tmp_path / "began"

    def with_a_child(path: str) -> None:
        import subprocess
        import time

        child = subprocess.Popen(["sleep", "1000"])
        with open(path, "w") as file:
            file.write(f"{os.getpid()} {child.pid}\n")
        time.sleep(1000)

    future = pool.submit(with_a_child, str(path))
    told = eventually(lambda: path.exists() and path.read_text().endswith("\n"))
    assert told
    pids = [int(each) for each in path.read_text().split()]
    pool.terminate()
    assert future.cancelled()
    eventually(lambda: not any(map(is_alive, pids)), "worker and child are gone")
    with pytest.raises(hb.PoolClosed, match="has closed"):
        pool.submit(identity, 1)


@pytest.mark.slow
def test_workers_go_when_the_controller_is_killed(tmp_path: Path) -> None:
    source = (
        "import hpcbatch as hb, time\n"
        "pool = hb.Controller(workers=1, heartbeat=0.5)\n"
        "pool.start()\n"
        "f = pool.submit(time.sleep, 1000)\n"
        "while not pool.summary(): time.sleep(0.05)\n"
        "print(pool.summary()[0]['pid'], flush=True)\n"
        "time.sleep(1000)\n"
    )
    controller = subprocess.Popen(
        [sys.executable, "-c", source],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with controller:
        assert controller.stdout is not None
        worker = int(controller.stdout.readline())
        controller.kill()
    eventually(lambda: not is_alive(worker), "its worker is gone")


def chaos(pool: hb.Controller, count: int, pause: float) -> Havoc:
    def work(x: int) -> int:
        import time

        time.sleep(0.02 if x % 100 == 0 else 0)
        return x

    with Havoc(pool, seed=count, pause=pause) as havoc:
        pool.walk(work, range(count))
        assert pool.wait(timeout=count / 50 + 120)
        rows = pool.collect()
    pids = [int(each["pid"]) for each in pool.summary()]
    pool.shutdown()
    assert sorted(row.result for row in rows if row.status == "done") == list(range(count))
    assert len(rows) == count
    eventually(lambda: not any(map(is_alive, pids)), "all workers are gone")
    return havoc


def test_every_result_once_whatever_happens_to_workers(make_pool: Make) -> None:
    chaos(make_pool(workers=2, crashes_max=50), 2000, 0.2)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_every_result_once_for_long(make_pool: Make) -> None:
    havoc = chaos(make_pool(workers=3, crashes_max=1000), 50_000, 0.3)
    assert all(havoc.done[what] for what in ("kill", "stop", "cut"))


class Unloadable:
    """Cannot be unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return (int, ("no number",))


def test_an_argument_that_cannot_be_unpickled_is_the_failure_of_its_call(make_pool: Make) -> None:
    pool = make_pool(workers=2)
    given: list[object] = [*range(100), Unloadable(), *range(100)]
    values = pool.map(identity, given, on_error="return")
    assert values[:100] == values[101:] == list(range(100))
    assert isinstance(values[100], ValueError)
    assert pool._running.broker.live == {}


class Deadly:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[Callable[[int], None], tuple[int]]:
        return (os._exit, (3,))


def test_an_argument_that_ends_whoever_unpickles_it(make_pool: Make) -> None:
    pool = make_pool(workers=1, crashes_max=0)
    values = pool.map(identity, [1, Deadly(), 3], on_error="return")
    assert values[::2] == [1, 3]
    assert isinstance(values[1], hb.WorkerLost)


def test_a_callback_may_end_the_pool(make_pool: Make) -> None:
    pool = make_pool(workers=1)
    future, waiting = pool.submit(identity, 1), pool.submit(time.sleep, 600)
    future.add_done_callback(lambda _: pool.terminate())
    assert future.result(60) == 1
    with pytest.raises(concurrent.futures.CancelledError):
        waiting.result(60)
    assert pool.is_closed


COLLECTS = """
import os, signal, time
import hpcbatch as hb

class Ctrl:
    \"\"\"Sends it from another process: at any moment, not only between two threads.\"\"\"
    def __enter__(self):
        main = os.getpid()
        self.child = os.fork()
        if self.child == 0:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            while os.getppid() == main:
                time.sleep(0.002)
                os.kill(main, signal.SIGINT)
            os._exit(0)
    def __exit__(self, *_):
        os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)

def pause(x):
    time.sleep(0.0005)
    return x

def names():
    return {worker["worker"] for worker in pool.summary()}

armed, interrupts = False, 0

def interrupt(number, frame):
    global armed
    if armed:
        armed = False
        raise KeyboardInterrupt

signal.signal(signal.SIGINT, interrupt)
with hb.Controller(workers=2) as pool:
    while len(workers := names()) < 2:
        time.sleep(0.05)
    for x in range(3000):
        pool.push(pause, x)
    with Ctrl():
        while pool.unresolved:
            try:
                armed = True
                pool.wait(timeout=60)
                armed = False
            except KeyboardInterrupt:
                interrupts += 1
    assert pool.size == 3000, pool.size
    rows = pool.collect()
    assert interrupts > 3, interrupts
    assert sorted(row.result for row in rows) == list(range(3000))
    assert {row.worker for row in rows} == workers == names(), "they were sent away"
    print("all")
"""


def test_a_collect_that_is_interrupted_sends_no_worker_away(own_registry: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COLLECTS], capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.returncode) == ("all\n", 0), done.stderr


def test_a_push_that_is_interrupted_was_none(
    make_pool: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make_pool(workers=1)
    assert pool.submit(identity, 1).result(60) == 1

    def interrupted() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pool._running.broker, "_check_open", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pool.push(identity, 2)
        with pytest.raises(KeyboardInterrupt):
            pool.submit(identity, 2)
    assert (pool.unresolved, pool.collect()) == (0, [])
    assert pool._running.broker.live == {}


def test_a_port_that_is_taken_is_told(make_pool: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(hb.UsageError, match=f"cannot listen at 127.0.0.1:{port}"):
            make_pool(port=port).start()
    assert [pool.state for pool in hb.pools()] == ["closed"]


class Unkillable(hb.Launcher):
    """Its author's program fails at the end."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []

    def launch_worker(self, call: hb.Call) -> None:
        self.processes.append(subprocess.Popen(call.argv))

    def terminate_workers(self) -> None:
        raise subprocess.CalledProcessError(1, "scancel")


def test_a_launcher_that_fails_at_the_end_keeps_nobody_waiting(
    make_pool: Make, told: Callable[[], str]
) -> None:
    launcher = Unkillable()
    pool = make_pool(workers=1, launcher=launcher)
    assert pool.submit(identity, 1).result(60) == 1
    waiting = pool.submit(time.sleep, 600)
    pool.terminate()
    with pytest.raises(concurrent.futures.CancelledError):
        waiting.result(60)
    assert "scancel" in told()
    for process in launcher.processes:
        process.wait(60)


def test_whoever_waits_is_told_when_the_pool_itself_fails(
    make_pool: Make, monkeypatch: pytest.MonkeyPatch, told: Callable[[], str]
) -> None:
    pool = make_pool(workers=1)
    assert pool.submit(identity, 1).result(60) == 1
    waiting = pool.submit(time.sleep, 600)

    def fails(kind: bytes) -> None:
        raise RuntimeError("no memory is left")

    with monkeypatch.context() as patch:
        patch.setattr(pool._running.broker, "tell_all", fails)
        with pytest.raises(hb.HpcbatchError, match="the pool has failed"):
            waiting.result(60)
    assert "no memory is left" in told()
    with pytest.raises(hb.PoolClosed):
        pool.submit(identity, 2)
    pool.shutdown()  # as at the end of a block, with nobody left to drain it
