"""Where a worker fails to come is told; what workers log of themselves."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
import zmq

import hpcbatch as hb
from hpcbatch.pool.check import Check
from tests.core import eventually

Make = Callable[..., hb.Controller]


def broken(pool: hb.Controller, **door: Any) -> Check:
    """What is told where a worker finds another door than that of the pool."""
    pool.start()
    path = Path(pool._running.layout.door)
    eventually(lambda: len(pool.summary()) == 1, "the first worker")
    path.write_text(json.dumps({**json.loads(path.read_text()), **door}))
    return pool.check(timeout=30)


def test_a_worker_that_comes(make_pool: Make) -> None:
    told = make_pool(workers=1).check()
    assert told.is_ok, told
    assert told.worker is not None
    assert told.worker["version"] == hb.__version__
    assert str(told).startswith("ok: a worker came after ")


def test_a_port_where_nobody_listens(make_pool: Make) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{unused.getsockname()[1]}"
        told = broken(make_pool(workers=1), addresses=[address])
    assert told.step == "port"
    assert f"{address}: Connection refused" in told.why


def test_another_key(make_pool: Make) -> None:
    key, secret = (half.decode() for half in zmq.curve_keypair())
    told = broken(make_pool(workers=1), client_key=key, client_secret=secret)
    assert told.step == "keys"
    assert "does not take the pool's keys" in told.why


def test_another_version(make_pool: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = make_pool(workers=1)
    pool.start()
    eventually(lambda: len(pool.summary()) == 1, "the first worker")
    monkeypatch.setattr("hpcbatch.pool.receiver.VERSION", "99.0")
    told = pool.check(timeout=30)
    assert told.step == "versions"
    assert "99.0" in told.why


def test_another_python(make_pool: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpcbatch.runner.bundle.PYTHON", "3.99")
    told = make_pool(workers=1).check(timeout=30)
    assert told.step == "Python"
    assert "made with Python 3.99" in told.why


def test_a_launch_that_fails_and_a_start_that_does(
    make_pool: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config.yaml"
    monkeypatch.setenv("HPCBATCH_CONFIG", str(config))
    bad = {"scheduler": "local", "setup": ["module load nothing-of-the-kind"]}
    config.write_text(yaml.safe_dump({"clusters": {"bad": bad}}))
    told = make_pool(cluster="bad", workers=1, seconds_launch=20).check(timeout=30)
    assert told.step == "start"
    assert "a setup line of the cluster failed" in told.why

    class Refuses:
        def launch_worker(self, call: hb.Call) -> None:
            raise hb.LaunchError("no more credit")

    told = make_pool(launcher=Refuses(), workers=1).check(timeout=30)
    assert (told.step, told.why) == ("launch", "no more credit")
    assert "no more credit" in str(told)


@pytest.mark.parametrize("form", ["csv", "prometheus"])
def test_metrics_of_a_worker(make_pool: Make, form: str) -> None:
    pool = make_pool(workers=1, options_metrics={"form": form, "seconds": 0.1})
    assert pool.submit(pow, 2, 3).result(60) == 8
    (worker,) = pool.summary()
    folder = Path(pool._running.layout.metrics)
    path = folder / f"{worker['worker']}.{'csv' if form == 'csv' else 'prom'}"
    if form == "csv":
        rows = eventually(lambda: (r := path.read_text().splitlines())[3:] and r)
        first = dict(zip(rows[0].split(","), rows[1].split(","), strict=True))
        assert first["pid"] == str(worker["pid"])
        assert int(first["peak_bytes"]) >= int(first["resident_bytes"]) > 1 << 20
    else:
        text = eventually(lambda: path.exists() and path.read_text())
        assert "# TYPE hpcbatch_worker_cpu_seconds_total counter" in text
        assert f'pid="{worker["pid"]}"' in text
    assert path.stat().st_mode & 0o777 == 0o600


def test_metrics_are_checked() -> None:
    with pytest.raises(hb.UsageError, match="did you mean 'seconds'"):
        hb.Controller(options_metrics={"second": 1})
    with pytest.raises(hb.UsageError, match="csv, prometheus"):
        hb.Controller(options_metrics={"form": "xml"})


def test_a_controller_without_workers_launches_none() -> None:
    with hb.SequentialController() as pool, pytest.raises(hb.UsageError, match="no workers"):
        pool.check()
