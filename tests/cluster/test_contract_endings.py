"""What every scheduler tells of waiting, of being stuck and of endings."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from hpcbatch.cluster.schedulers import get_scheduler, scheduler_names

from .conftest import Harness, eventually

WAITS = 'until [ -e "$PWD/gate" ]; do sleep 0.05; done'
TELLS = 'echo "$element" >>"$PWD/log"'


def indices(harness: Harness, count: int) -> set[int]:
    return set(range(harness.scheduler.base, harness.scheduler.base + count))


@pytest.mark.parametrize("how", ["after", "after_ok"])
def test_array_waits_for_others(harness: Harness, how: str) -> None:
    first = harness.array(f"{WAITS}; {TELLS}", 2)
    second = harness.array(TELLS)
    third = harness.array('echo last >>"$PWD/log"', 2, **{how: (first, second)})
    eventually(lambda: harness.lines() == ["0"], "the second array to run")
    listed = eventually(
        lambda: len(harness.alive(third)) == 2 and harness.alive(third), "the third to be listed"
    )
    assert not any(sighting.running or sighting.stuck for sighting in listed.values())
    harness.open_gate()
    eventually(lambda: len(harness.lines()) == 5, "all arrays to run")
    assert harness.lines()[-2:] == ["last", "last"]
    assert {ending.reason for ending in harness.endings(third, 2).values()} == {"ended"}


def test_waits_for_both_kinds(harness: Harness) -> None:
    failing = harness.array("exit 3")
    good = harness.array(WAITS)
    last = harness.array(TELLS, after=(failing,), after_ok=(good,))
    assert harness.endings(failing, 1).popitem()[1].reason == "exit-code 3"
    assert not any(sighting.running for sighting in harness.alive(last).values())
    harness.open_gate()
    assert {ending.reason for ending in harness.endings(last, 1).values()} == {"ended"}


def test_what_waited_for_a_failed_array_does_not_run(harness: Harness) -> None:
    first = harness.array('exit "$element"', 2)
    last = harness.array(TELLS, 2, after_ok=(first,))
    reasons = {ending.reason for ending in harness.endings(last, 2).values()}
    if harness.scheduler.checks_after_ok:
        assert reasons == {"dependency"}
        assert harness.lines() == []
        assert harness.alive(last) == {}
    else:
        assert reasons == {"ended"}
        assert sorted(harness.lines()) == ["0", "1"]


def test_waits_for_what_has_ended(harness: Harness) -> None:
    first = harness.array("true", 2)
    harness.endings(first, 2)
    eventually(lambda: not harness.alive(first), "the first to leave the listing")
    last = harness.array(TELLS, after=(first,), after_ok=(first,))
    assert harness.endings(last, 1).popitem()[1].reason == "ended"


def test_what_waits_can_be_cancelled(harness: Harness) -> None:
    first = harness.array(WAITS)
    last = harness.array(TELLS, 3, after=(first,))
    eventually(lambda: len(harness.alive(last)) == 3, "the last to be listed")
    harness.cluster.cancel(last)
    eventually(lambda: not harness.alive(last), "the last to leave the listing")
    harness.open_gate()
    eventually(lambda: not harness.alive(first), "the first to end")
    assert harness.lines() == []


STUCK: dict[str, tuple[dict[str, Any], str]] = {
    "slurm": ({"cpus": 999}, "PartitionConfig: it asks for more"),
    "sge": ({"extra": ["-o /no/such/folder/file"]}, "/no/such/folder/file"),
    "lsf": ({"extra": ["-H"]}, "lets it run"),
    "pbs": ({"cpus": 999}, "Can Never Run: Insufficient amount of resource: ncpus"),
}


def test_stuck_elements_are_told(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    if harness.name not in STUCK:
        pytest.skip("nothing gets stuck here, as far as is known")
    asked, why = STUCK[harness.name]
    array = harness.array(TELLS, 2, resources=asked)

    def stuck() -> dict[int | None, Any]:
        found = harness.alive(array)
        return found if found and all(s.stuck for s in found.values()) else {}

    found = eventually(stuck, "elements to be stuck")
    assert found.keys() == indices(harness, 2)
    for sighting in found.values():
        assert why in sighting.why
        assert "\n" not in sighting.why
        assert not sighting.running
    listing = harness.cluster.listing()
    monkeypatch.setattr(type(harness.scheduler), "explain_argv", lambda *_: ["/no/such/program"])
    assert harness.alive(array, listing) == found  # not asked again
    assert all(s.stuck for s in harness.alive(array).values())  # a failed explanation
    harness.cluster.cancel(array)
    eventually(lambda: not harness.alive(array), "the array to leave the listing")


SILENT = {"openlava"}  # schedulers and dialects that tell no memory after the end


@pytest.mark.stand_in
@pytest.mark.parametrize("accounting", [False, True])
def test_endings_are_told_in_full(harness: Harness, accounting: bool) -> None:
    if accounting and harness.kind != "fake":
        pytest.skip("accounting is turned on in a fake only")
    if accounting:
        (harness.state / "accounting").touch()
    body = f'[ "$element" = 1 ] && exit 3; [ "$element" = 2 ] && kill -9 $$; {TELLS}'
    base = harness.scheduler.base
    endings = harness.endings(harness.array(body, 3), 3)
    good, failed, killed = (endings[base + element] for element in range(3))
    assert (good.reason, good.code, good.signal) == ("ended", 0, None)
    assert (failed.reason, failed.code, failed.signal) == ("exit-code 3", 3, None)
    assert (killed.reason, killed.code, killed.signal) == ("killed", None, signal.SIGKILL)
    for ending in endings.values():
        assert ending.host == os.uname().nodename or harness.kind == "real"
        assert ending.host
        assert ending.elapsed is not None
        assert 0 <= ending.elapsed < 60
        tells_memory = accounting or harness.name != "slurm"
        tells_memory = tells_memory and not {harness.name, harness.dialect} & SILENT
        assert (ending.memory is not None) == tells_memory, "see SILENT"
        assert not tells_memory or 1e5 < ending.memory < 1e9


def test_every_scheduler_says_whether_it_checks() -> None:
    checking = {name for name in scheduler_names() if get_scheduler(name).checks_after_ok}
    assert {"slurm", "local"} <= checking
    assert not checking & {"sge", "lsf", "drmaa"}
