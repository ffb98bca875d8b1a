"""Every scheduler launches a pool's workers: by the arrays, templates and words of a task's
elements. Stand-ins say who they are, and wait."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.cluster.cluster import Cluster
from hpcbatch.pool.folder import make_pool
from hpcbatch.pool.launch_records import read_launches, write_launch
from hpcbatch.pool.launchers.base import Call, Standing
from hpcbatch.pool.launchers.cluster import ClusterLauncher
from hpcbatch.words.layout import PoolLayout
from hpcbatch.words.resources import Resources

from .conftest import Harness, eventually

STAND_IN = """
import os, sys, time
folder, launch, element = sys.argv[1:]
with open(f"{folder}/came-{launch}-{element}", "w") as file:
    file.write(os.environ["HPCBATCH_POOL"] + os.environ["OF_SITE"] + os.environ["OF_SETUP"])
print("said by", element)
sys.stdout.flush()
give_up = time.monotonic() + 120
while not os.path.exists(f"{folder}/go") and time.monotonic() < give_up:
    time.sleep(0.1)
"""


class Site:
    """A pool of stand-ins on the scheduler under test."""

    def __init__(self, harness: Harness):
        self.layout, _ = make_pool("stand-ins", harness.name, 3, "0")
        self.worker = harness.folder / "worker-stand-in.py"
        self.worker.write_text(STAND_IN)
        self.launcher = ClusterLauncher(harness.cluster, self.layout, Resources.parse({}))

    def launch(self, number: int, n: int) -> int:
        layout = self.layout
        argv = (sys.executable, str(self.worker), layout.folder, str(number))
        call = Call(argv, layout.folder, layout.id, number, "unused", layout.logs)
        return self.launcher.launch_workers(call, n)

    def came(self) -> list[str]:
        return sorted(path.name for path in Path(self.layout.folder).glob("came-*"))


@pytest.fixture
def site(harness: Harness) -> Any:
    harness.configure(
        array_limit=2, env={"OF_SITE": "-'site'"}, setup=["export OF_SETUP=-setup"], patience=0
    )
    made = Site(harness)
    yield made
    Path(made.layout.folder, "go").touch()
    made.launcher.terminate_workers()


def test_workers_start_as_arrays_and_end(site: Site, harness: Harness) -> None:
    assert site.launch(1, 3) == 3
    assert site.launch(2, 1) == 1
    wanted = ["came-1-0", "came-1-1", "came-1-2", "came-2-0"]
    eventually(lambda: site.came() == wanted, "all to come")
    said = Path(site.layout.folder, "came-1-2").read_text()
    assert said == f"{site.layout.id}-'site'-setup"
    eventually(lambda: "said by 2" in Path(site.layout.log(1, 2)).read_text())
    first, second = read_launches(site.layout)
    assert [array.count for array in first.arrays] == [2, 1]
    assert [array.count for array in second.arrays] == [1]
    names = {array.name for launch in (first, second) for array in launch.arrays}
    assert len(names) == 3
    script = Path(site.layout.launch(1).script(0)).read_text()
    assert first.arrays[0].name in script
    assert site.launcher.standing(1) == Standing(0, 3)
    _forget_ids(site.layout)
    (pool,) = hb.pools()
    workers = {(worker.launch, worker.element) for worker in pool.workers()}
    assert workers == {(1, 0), (1, 1), (1, 2), (2, 0)}
    assert pool.terminate() == []
    ids = {array.id for launch in (first, second) for array in launch.arrays}
    eventually(
        lambda: not [s for s in harness.cluster.listing().alive if s.array in ids], "all to end"
    )
    assert pool.workers() == []
    assert [launch.is_in_doubt for launch in read_launches(site.layout)] == [False, False]


def _forget_ids(layout: PoolLayout) -> None:
    """As a controller leaves them that is killed while it submits."""
    for launch in read_launches(layout):
        arrays = tuple(replace(array, id=None, time=None) for array in launch.arrays)
        write_launch(layout, replace(launch, arrays=arrays))


@pytest.mark.stand_in
def test_a_refused_launch_says_what_the_scheduler_said(site: Site, harness: Harness) -> None:
    if harness.name in ("local", "drmaa"):
        pytest.skip("it refuses in other words")
    harness.configure(resources={"extra": "--no-such-directive"}, env={"OF_SITE": ""})
    site.launcher = ClusterLauncher(
        Cluster.named(harness.name), site.layout, Resources(extra=("--no-such-directive",))
    )
    with pytest.raises(hb.SchedulerError, match=r"did not take the script .*/0001/script.sh"):
        site.launch(1, 1)
    (launch,) = read_launches(site.layout)
    assert launch.given_up
    assert not launch.is_in_doubt
    assert json.loads(Path(site.layout.launch(1).record).read_text())["workers"] == 1
    assert os.stat(site.layout.launch(1).record).st_mode & 0o777 == 0o600
