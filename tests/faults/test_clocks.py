"""A clock that is ten minutes off, on one side only: of the client, or of the nodes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.core import run_python

TEN_MINUTES = 600
CLIENT = """
import json, os, sys, time
import hpcbatch as hb

def times(x):
    if x == 3:
        raise ValueError("three")
    return x, time.time()

def dies(x):
    if x == 1:
        os.kill(os.getpid(), 9)
    return x

def waits(x, gate):
    while not os.path.exists(gate):
        time.sleep(0.02)
    return x

def states(task):
    return [job.state for job in task.jobs()]

def until(task, state):
    give_up = time.monotonic() + 60
    while state not in states(task):
        assert time.monotonic() < give_up, states(task)
        time.sleep(0.05)

told = {"client": time.time()}
first = hb.create(times, range(6)).submit("local", chunk=2)
first.wait(60, progress=False)
told["first"] = states(first)
told["values"] = [value for value, _ in first.collect("skip")]
told["nodes"] = [when for _, when in first.collect("skip")]
told["took"] = [job.stats.elapsed for job in first.jobs()]

lost = hb.create(dies, range(3)).submit("local", chunk=1)
lost.wait(60, progress=False)
told["lost"] = states(lost)
told["why"] = [error.message for error in lost.errors()]

gate = sys.argv[1]
held = hb.create(waits, range(2), const={"gate": gate}).submit("local", chunk=1)
until(held, "running")
give_up = time.monotonic() + 60
while "submitted" in states(held):  # the listing at hand is from before the submission
    assert time.monotonic() < give_up, states(held)
    time.sleep(0.05)
seen = set()
while len(seen) < 4:  # listings, each of which must find the elements alive
    seen.add(open(f"{os.environ['HPCBATCH_ROOT']}/polls/local-{os.uname().nodename}.json").read())
    told.setdefault("held", []).extend(states(held))
held.cancel()
told["canceled"] = states(held)
open(gate, "w").close()
held.resubmit()
held.wait(60, progress=False)
told["again"] = held.collect()
print(json.dumps(told))
"""


def life(tmp_path: Path, client: dict[str, str], nodes: dict[str, str]) -> dict[str, Any]:
    """A client's story, with what its own and its elements' environment have besides."""
    setup = [f"export {name}={value}" for name, value in nodes.items()]
    local = {"setup": setup, "poll_seconds": [0.4, 0.8], "grace": 1.0}
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"clusters": {"local": local}}))
    script = tmp_path / "client.py"
    script.write_text(CLIENT)
    own = {"HPCBATCH_CONFIG": str(config), "HPCBATCH_LOCAL_SLOTS": "4", **client}
    ended = run_python([str(script), str(tmp_path / "gate")], cwd=tmp_path, env=own)
    assert ended.returncode == 0, ended.stderr
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("side", "off"),
    [
        pytest.param("client", TEN_MINUTES, id="client ahead"),
        pytest.param("nodes", -TEN_MINUTES, id="nodes behind", marks=pytest.mark.long),
        pytest.param("client", -TEN_MINUTES, id="client behind", marks=pytest.mark.long),
        pytest.param("nodes", TEN_MINUTES, id="nodes ahead"),
    ],
)
def test_a_clock_that_is_off_changes_no_state(
    tmp_path: Path, faketime: str, side: str, off: int
) -> None:
    wrong = {
        "LD_PRELOAD": faketime,
        "FAKETIME": f"{off:+d}s",
        "NO_FAKE_STAT": "1",
    }
    told = life(tmp_path, *((wrong, {}) if side == "client" else ({}, wrong)))
    apart = [when - told["client"] for when in told["nodes"]]
    expected = -off if side == "client" else off
    assert all(abs(one - expected) < TEN_MINUTES / 2 for one in apart), "no clock was off"
    assert told["first"] == ["done"] * 3 + ["error"] + ["done"] * 2
    assert told["values"] == [0, 1, 2, 4, 5]
    assert all(0 <= took < 60 for took in told["took"])
    assert told["lost"] == ["done", "expired", "done"]
    assert "killed by signal 9" in told["why"][0]
    assert set(told["held"]) <= {"queued", "running"}
    assert set(told["canceled"]) == {"canceled"}
    assert told["again"] == [0, 1]


TWO_CLIENTS = """
import json, os, sys
import hpcbatch as hb

def dies(x):
    if x == 1:
        os.kill(os.getpid(), 9)
    return x

if sys.argv[1] == "submit":
    hb.create(dies, range(3)).submit("local", chunk=1)
else:
    task = hb.restore("last")
    task.wait(60, progress=False)
    print(json.dumps([job.state for job in task.jobs()]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("off", [TEN_MINUTES, -TEN_MINUTES], ids=["ahead", "behind"])
def test_a_submission_by_a_host_with_another_clock_is_followed_as_ever(
    tmp_path: Path, faketime: str, off: int
) -> None:
    script = tmp_path / "client.py"
    script.write_text(TWO_CLIENTS)
    wrong = {"LD_PRELOAD": faketime, "FAKETIME": f"{off:+d}s", "NO_FAKE_STAT": "1"}
    submitted = run_python([str(script), "submit"], cwd=tmp_path, env=wrong)
    assert submitted.returncode == 0, submitted.stderr
    followed = run_python([str(script), "follow"], cwd=tmp_path)
    assert followed.returncode == 0, followed.stderr
    assert json.loads(followed.stdout) == ["done", "expired", "done"]
