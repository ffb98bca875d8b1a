"""The same task over HTTP: a real server, a client that knows nothing but its card."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner

import hpcbatch as hb
from hpcbatch.cli.main import main
from hpcbatch.server.listening import listening
from hpcbatch.server.settings import ServerSettings
from hpcbatch.sites.connect import connect
from hpcbatch.sites.keys import load_private
from hpcbatch.sites.rest.client import Client
from hpcbatch.words.server_layout import ServerLayout
from tests.core import eventually
from tests.local import by_value, flaky

from .conftest import Server

pytestmark = pytest.mark.slow


def test_the_whole_way(shared: Server, tmp_path: Path) -> None:
    gate, site = str(tmp_path / "gate"), shared.site()
    task = hb.create(flaky(gate), range(10), name="Over HTTP", site=site)
    assert task.folder.startswith(str(shared.root))
    with pytest.raises(hb.NotSubmitted):
        task.wait(1)
    task.submit("local", chunk=2)
    assert task.wait(60, progress=False).counts["error"] == 1
    with pytest.raises(hb.TaskFailed, match="no gate for 3"):
        task.collect()
    assert [failure.index for failure in task.errors()] == [3]
    assert "job 3" in task.job(3).log()
    assert "ValueError" in task.job(3).traceback
    assert task.collect("skip") == [k * k for k in range(10) if k != 3]
    with pytest.raises(hb.AlreadySubmitted):
        task.submit("local")
    open(gate, "w").close()
    hb.restore("last", site=site).resubmit()
    assert task.wait(60, progress=False).done == 10
    assert task.collect() == [k * k for k in range(10)]
    assert task.collect(jobs=[7, 2]) == [49, 4]
    with pytest.raises(hb.NotFound, match="there is no job 10"):
        task.collect(jobs=[10])
    assert task.id in [one.id for one in hb.tasks(site=site)]
    task.remove()
    assert task.id not in [one.id for one in hb.tasks(site=site)]
    with pytest.raises(hb.NotFound):
        task.status()


def test_what_is_wrong_is_told_at_once_and_nothing_waits(shared: Server) -> None:
    task = hb.create(abs, [1], site=shared.site())
    with pytest.raises(hb.ConfigError, match="'local'"):
        task.submit("locl")
    with pytest.raises(hb.ResourceError):
        task.submit("local", resources={"memory": "much"})
    assert task.status().counts["defined"] == 1
    with pytest.raises(hb.NotFound, match="there is no task '0123abcd' on this server"):
        hb.restore("0123abcd", site=shared.site())


def test_a_cancelled_task_goes_on_later(shared: Server, tmp_path: Path) -> None:
    gate = str(tmp_path / "gate")

    def job(k: int) -> int:
        import os
        import time

        while not os.path.exists(gate):
            time.sleep(0.05)
        return k

    by_value(job)
    task = hb.create(job, range(4), site=shared.site())
    task.submit("local", chunk=1)
    eventually(lambda: task.status().running, "it to run")
    assert task.cancel().counts["canceled"] == 4
    open(gate, "w").close()
    task.resubmit()
    assert task.wait(60, progress=False).done == 4


def test_a_killed_server_comes_back_with_its_queue(server: Server, tmp_path: Path) -> None:
    server.stop()
    settings = tmp_path / "settings.yaml"
    settings.write_text("options: {max_concurrent_tasks: 1, task_queue_interval: 0.2}")
    started = server.run("server", "start", "--port", "0", "--settings", str(settings), "--json")
    assert json.loads(started.stdout)["pid"] == server.pid
    gate, log = str(tmp_path / "gate"), str(tmp_path / "log")

    def job(k: int) -> int:
        import os
        import time

        with open(log, "a") as file:
            file.write(f"{k}\n")
        while not os.path.exists(gate):
            time.sleep(0.05)
        return k

    by_value(job)
    made = [hb.create(job, [number], site=server.site()) for number in range(3)]
    for task in made:
        task.submit("local")
    eventually(lambda: os.path.exists(log), "the first to run")
    eventually(lambda: "1 other submission before it" in made[2].status().notes[-1], "its release")
    told = made[2].status()
    assert (told.submitted, told.unreleased) == (1, True)
    server.kill()
    open(gate, "w").close()
    server.start("--settings", str(settings))
    for task in made:
        back = hb.restore(task.id, site=server.site())
        assert back.wait(60, progress=False).done == 1
    assert sorted(Path(log).read_text().split()) == ["0", "1", "2"]


def test_another_user_sees_nothing_and_a_revoked_one_is_out(
    shared: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "alice"))
    assert shared.run("keys", "new").returncode == 0
    public = str(tmp_path / "alice/hpcbatch/key.pub")
    added = shared.run("keys", "add", public, "--name", "alice")
    assert added.returncode == 0, added.stderr
    assert shared.run("site", "add", added.stdout.strip(), "--name", "lab").returncode == 0
    own = hb.create(abs, [-1], site=shared.site())
    alices = hb.create(abs, [-2], site=connect("lab"))
    alices.submit("local")
    assert alices.wait(60, progress=False).done == 1
    assert alices.collect() == [2]
    assert [task.id for task in hb.tasks(site=connect("lab"))] == [alices.id]
    with pytest.raises(hb.NotFound):
        hb.restore(own.id, site=connect("lab"))
    assert {own.id, alices.id} <= {task.id for task in hb.tasks(site=shared.site())}
    assert shared.run("keys", "revoke", "alice").returncode == 0
    with pytest.raises(hb.HpcbatchError, match="not known here"):
        alices.status()
    with pytest.raises(hb.HpcbatchError, match="not known here"):
        hb.tasks(site=connect("lab"))


def test_another_server_at_the_address_gets_nothing(server: Server, tmp_path: Path) -> None:
    run = server.root / "server" / "run.json"
    real = server.told()["key"]
    run.write_text(run.read_text().replace(real, "a" * 52))
    with pytest.raises(hb.HpcbatchError, match="not the one that is known"):
        hb.tasks(site=server.site())
    run.write_text(run.read_text().replace("a" * 52, real))


def test_the_command_line(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    address = server.told()["address"]
    monkeypatch.setenv("HPCBATCH_ROOT", str(server.root))

    def hpcbatch(*argv: str, status: int = 0) -> str:
        done = CliRunner().invoke(main, [*argv, "--site", address])
        assert done.exit_code == status, (argv, done.output)
        return str(done.stdout)

    task = hpcbatch(
        "map", "--shell", "echo {x}", "--arg", "x=1,2,3", "--cluster", "local", "--wait"
    )
    task = task.split()[0]
    assert task in hpcbatch("list")
    assert "done" in hpcbatch("status", "last")
    refused = ("map", "--shell", "echo {x}", "--arg", "x=1", "--cluster", "local", "--cpus", "9999")
    hpcbatch(*refused, "--wait", status=4)  # the scheduler refused it, at its release
    hpcbatch("remove", "last", "--yes")
    assert hpcbatch("logs", "last", "1") == "2\n"
    assert hpcbatch("collect", "last").count("result") == 3
    assert "3 done" in hpcbatch("watch", task)
    hpcbatch("resubmit", "last")
    hpcbatch("cancel", "last", "--yes")
    hpcbatch("remove", "last", "--yes")
    hpcbatch("status", "last", status=2)
    hpcbatch("tend", "--once", status=2)  # the server tends its tasks itself
    assert server.run("server", "stop").returncode == 0
    hpcbatch("list", status=2)  # there is no such server any more


def test_a_token_that_is_not_taken_is_renewed(shared: Server) -> None:
    site = shared.site()
    task = hb.create(abs, [-1], site=site).submit("local")
    task.wait(60, progress=False)
    site._client._token = "of another secret"
    assert task.collect(jobs=[0]) == [1]


def test_a_newer_client_learns_what_the_server_does_not_know(shared: Server) -> None:
    with pytest.raises(hb.HpcbatchError, match="/task/renew: Not Found"):
        shared.site()._client.ask("/task/renew", {})


def test_a_server_of_another_key_gets_nothing(shared: Server) -> None:
    key = load_private(ServerLayout(str(shared.root)).local_key, None)
    with pytest.raises(hb.ServerChanged, match="Nothing was sent"):
        Client(shared.told()["address"], "a" * 52, key).ask("/validate/ping")


def test_proxies_of_the_environment_are_not_asked(shared: Server, dead_proxy: None) -> None:
    hb.tasks(site=shared.site())
    port = int(shared.told()["address"].rpartition(":")[2])
    with pytest.raises(hb.ConfigError, match=r"a server of hpcbatch .* listens there"):
        listening(ServerSettings(port=port), str(shared.root)).__enter__()


def test_one_server_for_a_registry(shared: Server) -> None:
    again = shared.run("server", "start", "--port", "0")
    assert again.returncode == 3
    assert f"process {shared.pid}" in again.stderr
    port = shared.told()["address"].rpartition(":")[2]
    other = Server(shared.root.parent / "other")
    started = other.run("server", "start", "--port", port)
    assert started.returncode != 0
    assert "(key " in started.stderr


def test_what_was_released_is_canceled_with_the_server_and_resumed_later(
    server: Server, tmp_path: Path
) -> None:
    gate, log = tmp_path / "gate", tmp_path / "log"
    gate_path, log_path = str(gate), str(log)

    def job(k: int) -> int:
        import os
        import time

        with open(log_path, "a") as file:
            file.write(f"{k}\n")
        while k and not os.path.exists(gate_path):
            time.sleep(0.05)
        return k

    by_value(job)
    task = hb.create(job, range(2), site=server.site()).submit("local", chunk=1)
    eventually(lambda: task.status().done == task.status().running == 1, "one to be done")
    server.stop()
    here = hb.restore(task.id, root=str(server.root))
    assert (here.status().done, here.status().canceled) == (1, 1)
    gate.touch()
    server.start()
    again = hb.restore(task.id, site=server.site())
    again.resubmit()
    assert again.wait(60, progress=False).done == 2
    assert sorted(log.read_text().split()) == ["0", "1", "1"]


def test_a_server_that_comes_back_is_waited_for(server: Server, tmp_path: Path) -> None:
    """A client that had an answer before goes on when there is none for a while."""
    port = server.told()["address"].rpartition(":")[2]
    task = hb.create(abs, [-1], site=server.site())
    server.kill()
    waiting = ThreadPoolExecutor(1).submit(task.status)
    server.start("--port", port)
    assert waiting.result(60).counts["defined"] == 1
