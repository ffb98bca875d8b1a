"""The same task over SSH: a real sshd, another user, a client that has nothing but a key."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.server.users import Users
from hpcbatch.sites import known_sites
from hpcbatch.sites.connect import connect
from hpcbatch.sites.keys import new_key, public_pem, store_private
from hpcbatch.sites.ssh.site import Ssh
from hpcbatch.words.options import SubmitOptions
from hpcbatch.words.server_layout import ServerLayout
from tests.conftest import DEBIANS_DRMAA, HOSTILE_NAMES
from tests.core import eventually, install
from tests.local import by_value, flaky
from tests.server.conftest import running

from .conftest import Client
from .sshd import Host, Sshd

pytestmark = [pytest.mark.slow, pytest.mark.sshd]


def test_the_whole_way(site: Ssh, host: Host) -> None:
    gate = str(host.home / "gate")
    task = hb.create(flaky(gate), range(10), name="Over SSH", site=site)
    assert task.folder.startswith(str(host.home))
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
    Path(gate).touch()
    assert hb.restore("last", site=site).resubmit() is not None
    assert task.wait(60, progress=False).done == 10
    assert task.collect() == [k * k for k in range(10)]
    assert task.collect(jobs=[7, 2]) == [49, 4]
    assert task.id in [one.id for one in hb.tasks(site=site)]
    task.remove()
    assert task.id not in [one.id for one in hb.tasks(site=site)]
    with pytest.raises(hb.NotFound):
        task.status()
    with pytest.raises(
        hb.NotFound, match=rf"no task '0123abcd'.* in /\S+ on {os.uname().nodename}"
    ):
        hb.restore("0123abcd", site=site)


def commands(site: Ssh, verb: Callable[[], Any]) -> int:
    """How many commands there a verb takes."""
    before = site.line.counts["commands"]
    verb()
    return int(site.line.counts["commands"] - before)


def test_each_verb_is_one_command(site: Ssh) -> None:
    made: list[hb.Task] = []
    function = by_value(lambda k: k + 1)
    assert commands(site, lambda: made.append(hb.create(function, range(3), site=site))) == 1
    task = made[0]
    assert commands(site, lambda: task.submit("local", chunk=3)) == 1
    assert task.wait(60, progress=False).done == 3
    assert commands(site, task.status) == 1
    before = site.line.counts["received"]
    assert task.status().done == 3
    assert site.line.counts["received"] - before < 200, "the same again travels as a word for it"
    assert commands(site, lambda: site.statuses([task.id] * 20, tracks=True)) == 1
    assert commands(site, lambda: task.collect(jobs=[1])) == 1
    received = site.line.counts["received"]
    assert commands(site, lambda: task.collect(jobs=[1])) == 0, "it has come here before"
    assert site.line.counts["received"] == received
    assert commands(site, task.collect) == 1
    assert commands(site, task.collect) == 0
    assert task.collect() == [1, 2, 3]
    script = site.preview(task.spec, SubmitOptions("local")).script
    assert f"HPCBATCH_TASK={task.id}" in script
    assert os.path.dirname(task.folder) in script
    assert commands(site, task.remove) == 1


def test_a_task_is_cancelled_and_goes_on_later(site: Ssh, host: Host) -> None:
    gate, log = str(host.home / "gate-cancel"), host.home / "log-cancel"

    def job(k: int, log: str) -> int:
        import os
        import time

        with open(log, "a") as file:
            file.write(f"{k}\n")
        while not os.path.exists(gate):
            time.sleep(0.05)
        return k

    task = hb.create(by_value(job), range(2), const={"log": str(log)}, site=site)
    task.submit("local", chunk=1)
    eventually(lambda: log.exists() and len(log.read_text().split()) == 2, "both to begin")
    assert task.status().running == 2
    assert task.cancel().canceled == 2
    Path(gate).touch()
    eventually(lambda: task.status().running == 0, "the elements to leave")
    assert task.resubmit(jobs=[1]) is not None
    assert task.wait(60, progress=False).done == 1
    with pytest.raises(hb.UsageError):
        task.resubmit(only="nonsense")
    with pytest.raises(hb.ConfigError, match="'local'"):
        hb.create(abs, [1], site=site).submit("locl")


def test_hostile_names_and_values(site: Ssh) -> None:
    program = by_value(lambda text: text[::-1])
    task = hb.create(program, HOSTILE_NAMES, name=HOSTILE_NAMES[3], site=site)
    task.submit("local", chunk=100).wait(60, progress=False)
    assert task.collect() == [name[::-1] for name in HOSTILE_NAMES]
    for name in HOSTILE_NAMES[1:9:2]:
        made = hb.create(abs, [1], name=name, site=site)
        assert made.name == name
        assert os.path.basename(made.folder) == made.id
    for text in ("../../etc", "x'; touch pwned; '"):
        with pytest.raises(hb.NotFound):
            hb.restore(text, site=site)


def test_a_project_goes_along(site: Ssh, tmp_path: Path) -> None:
    (tmp_path / "src" / "lab").mkdir(parents=True)
    (tmp_path / "src" / "lab" / "__init__.py").write_text("import top\ndef f(k): return k + top.n")
    read = "from pathlib import Path\nn = int(Path(__file__).with_name('n.txt').read_text())\n"
    (tmp_path / "top.py").write_text(read)
    (tmp_path / "n.txt").write_text("10")

    def job(k: int) -> Any:
        import lab  # type: ignore[import-not-found]

        return lab.f(k)

    task = hb.create(by_value(job), [1, 2], site=site, with_project=tmp_path)
    task.submit("local", chunk=2).wait(60, progress=False)
    assert task.collect() == [11, 12]


def test_packages_that_are_otherwise_there_are_told(
    site: Ssh, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "site-packages"
    install(here, "lab-old", "1.2.3", "lab_old")
    install(here, "lab-absent", "4.5", "lab_absent")
    install(host.code, "lab-old", "1.1.0", "lab_old")
    monkeypatch.syspath_prepend(here)
    import lab_absent  # type: ignore[import-not-found]
    import lab_old  # type: ignore[import-not-found]

    function = by_value(lambda k: (lab_absent, lab_old) and k)
    with pytest.warns(hb.CodeWarning) as told:
        assert commands(site, lambda: hb.create(function, [1], site=site)) == 1
    text = str(told[0].message)
    assert "lab_absent 4.5 is absent there, lab_old 1.2.3 is 1.1.0 there" in text
    assert f"{host.python} -m pip install lab_absent==4.5 lab_old==1.2.3" in text
    hb.create(function, [1], site=site)  # a warning would be an error


def test_a_registry_elsewhere_there(site: Ssh, host: Host) -> None:
    site = connect("ssh://login/~/two%20words")
    task = hb.create(abs, [1], site=site)
    assert task.folder == f"{host.home}/two words/{task.id}"
    assert [one.id for one in hb.tasks(site=site)] == [task.id]


def test_the_command_line(site: Ssh) -> None:
    known_sites.add(known_sites.Card.read("ssh://login"), "lab")

    def run(*argv: str) -> str:
        command = [sys.executable, "-X", "importtime", "-m", "hpcbatch", *argv, "--site", "lab"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "keeper_client" in done.stderr
        assert "fabric" not in done.stderr, "it is the keeper's"
        return done.stdout

    program = ["--shell", "echo {x}", "--arg", "x=range:0:3", "--cluster", "local"]
    task_id = run("map", *program, "--wait").split()[0]
    assert task_id in run("list")
    assert '"done": 3' in run("status", task_id, "--json")
    assert "echo" in run("tend", task_id, "--once")
    run("remove", task_id, "--yes")


def test_a_server_behind_the_login_node(client: Client, tmp_path: Path) -> None:
    host = Host(as_self=True)
    sshd = Sshd(host.folder / "sshd", host)
    served = host.home / ".hpcbatch"
    served.chmod(0o700)
    try:
        client.knows(sshd)
        client.configure(sshd.config("login"))
        with running(served), pytest.MonkeyPatch.context() as patch:
            patch.setenv("HPCBATCH_LOCAL_SPOOL", host.env["HPCBATCH_LOCAL_SPOOL"])
            key = new_key()
            store_private(known_sites.key_file(), key, None)
            with pytest.raises(hb.AccessDenied):
                connect("ssh+http://login").specs()
            Users(ServerLayout(str(served)).users).add(public_pem(key), "me", False)
            site = connect("ssh+http://login")
            task = hb.create(by_value(lambda k: k * k), range(3), site=site).submit("local")
            task.wait(60, progress=False)
            assert task.collect() == [0, 1, 4]
            sshd.cut()
            assert task.status().done == 3
        with pytest.raises(hb.NotFound, match="server start"):
            connect("ssh+http://login")
    finally:
        sshd.stop()
        host.remove()


@pytest.mark.parametrize(
    "cluster",
    [pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("slurm", "sge")],
)
def test_in_front_of_a_real_cluster(site: Ssh, host: Host, cluster: str) -> None:
    root = DEBIANS_DRMAA["SGE_ROOT"]
    path = f"export SGE_ROOT={root} PATH=/usr/lib/gridengine:$PATH"
    host.write_entrance(path if cluster == "sge" else ":")
    try:
        gate = str(host.home / f"gate-{cluster}")
        task = hb.create(flaky(gate), range(6), name=f"Over SSH on {cluster}", site=site)
        resources = {"walltime": "5m", "memory": "200MB"}
        task.submit(cluster, resources=resources, chunk=3)
        status = task.wait(120, progress=False)
        assert (status.done, status.counts["error"]) == (5, 1), str(status)
        assert task.collect("skip", jobs=[0, 5]) == [0, 25]
        assert "job 4" in task.job(4).log()
        Path(gate).touch()
        assert task.resubmit() is not None
        assert task.wait(120, progress=False).done == 6
        assert task.collect() == [k * k for k in range(6)]
        held = hb.create(time.sleep, [120], site=site)
        held.submit(cluster, resources=resources)
        assert held.cancel().canceled == 1
    finally:
        with contextlib.suppress(hb.HpcbatchError):
            task.cancel()
        host.write_entrance()
