"""Tasks that wait for others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.sites.here import Here
from hpcbatch.sites.ssh.verbs import VERBS
from tests.core import eventually
from tests.local import Local, reasons, states


def telling(log: str, word: str, gate: str = "", fails: str = "") -> Callable[[int], int]:
    def job(k: int) -> int:
        import os
        import time

        while gate and not os.path.exists(gate):
            time.sleep(0.02)
        with open(log, "a") as file:
            file.write(f"{word}{k}\n")
        if fails and not os.path.exists(fails):
            raise ValueError(k)
        return k

    return job


@pytest.mark.parametrize("how", ["after", "after_ok"])
def test_in_the_order_of_the_chain(local: Local, how: str) -> None:
    first = local.create(telling(local.log, "a", local.gate), range(4))
    second = local.create(telling(local.log, "b"), range(2))
    third = local.create(telling(local.log, "c"), range(2))
    first.submit("local", chunk=2)
    second.submit("local", **{how: first})  # type: ignore[arg-type]
    third.submit("local", **{how: [first.id, second]})  # type: ignore[arg-type]
    status = eventually(lambda: (s := third.status()).queued and s, "the third to be queued")
    assert status.stuck == 0
    assert any("waits for" in note for note in status.notes)
    assert local.lines() == []
    local.open_gate()
    assert local.wait(third).done == 2
    assert [line[0] for line in local.lines()] == list("aaaabbcc")
    ended = max(job.stats.ended or 0 for job in first.jobs())
    assert min(job.stats.started or 0 for job in second.jobs()) >= ended


def test_after_begins_whatever_became_of_the_other(local: Local) -> None:
    first = local.create(telling(local.log, "a", local.gate, "/no/such/file"), range(2))
    second = local.create(telling(local.log, "b"), range(2))
    first.submit("local")
    second.submit("local", after=first)
    local.open_gate()
    assert local.wait(second).done == 2
    assert states(first) == ["error", "error"]


def test_after_ok_of_one_that_fails_meanwhile_expires_and_says_why(local: Local) -> None:
    first = local.create(telling(local.log, "a", local.gate, "/no/such/file"), range(2))
    second = local.create(telling(local.log, "b"), range(3))
    first.submit("local")
    second.submit("local", after_ok=first, retries=3)
    local.open_gate()
    status = local.wait(second)
    assert reasons(second) == dict.fromkeys(range(3), "dependency")
    assert status.reasons == {"dependency": 3}
    assert len(local.attempts(second)) == 1
    assert f": it was to wait for {first.id} to end well" in second.errors()[0].message
    with pytest.raises(hb.StateError, match="cannot end well"):
        second.resubmit(after_ok=first)
    second.resubmit()
    assert local.wait(second).done == 3


def test_after_ok_of_one_whose_failures_run_again(local: Local) -> None:
    mended = str(local.folder / "mended")
    first = local.create(telling(local.log, "a", fails=mended), range(3))
    second = local.create(telling(local.log, "b"), range(1))
    local.run(first, chunk=1)
    with pytest.raises(hb.StateError, match="without a result, and cannot end well"):
        second.submit("local", after_ok=first)
    gated = local.create(telling(local.log, "c", local.gate), range(1))
    open(mended, "w").close()
    gated.submit("local")
    first.resubmit(after=gated)
    second.submit("local", after_ok=first)
    local.open_gate()
    assert local.wait(second).done == 1
    assert local.lines()[-1] == "b0"


@pytest.mark.parametrize("how", ["after", "after_ok"])
def test_of_one_that_is_finished(local: Local, how: str) -> None:
    first = local.create(telling(local.log, "a"), range(2))
    local.run(first)
    second = local.create(telling(local.log, "b"), range(1))
    second.submit("local", **{how: [first]})  # type: ignore[arg-type]
    assert local.wait(second).done == 1


def test_what_can_never_be_met_is_refused_and_nothing_is_submitted(local: Local) -> None:
    first, second = (local.create(telling(local.log, "x"), range(2)) for _ in range(2))
    wrong: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"after": "nowhere"}, hb.NotFound, "there is no task 'nowhere'"),
        ({"after_ok": ""}, hb.UsageError, "no text"),
        ({"after": second}, hb.UsageError, "cannot wait for itself"),
        ({"after_ok": first}, hb.StateError, "was not submitted yet"),
        ({"after": first.id}, hb.StateError, "was not submitted yet"),
        ({"after": 3}, hb.UsageError, "neither a task nor a task's id"),
        ({"after": [None]}, hb.UsageError, "no text"),
    ]
    for asked, error, told in wrong:
        with pytest.raises(error) as caught:
            second.submit("local", **asked)
        assert told in str(caught.value)
    assert second.status().defined == 2
    assert local.attempts(second) == []


def test_the_last_is_never_the_task_itself(local: Local) -> None:
    alone = local.create(telling(local.log, "x"), range(1))
    with pytest.raises(hb.NotFound, match="'last': there is no other yet in "):
        alone.submit("local", after="last")
    first, second = (local.create(telling(local.log, word), range(1)) for word in "ab")
    first.submit("local")
    ask = {"id": second.id, "request": "0" * 32, "options": {"after_ok": ["last"]}}
    made = VERBS["submit"](Here(), ask, None)  # type: ignore[arg-type]  # as over SSH
    assert list(made["options"]["after_ok"]) == [first.id]
    assert local.wait(second).done == 1
    assert local.lines() == ["a0", "b0"]


def test_of_one_that_is_cancelled(local: Local) -> None:
    first = local.create(telling(local.log, "a", local.gate), range(2))
    after, after_ok = (local.create(telling(local.log, word), range(1)) for word in "bc")
    first.submit("local")
    after.submit("local", after=first)
    after_ok.submit("local", after_ok=first)
    first.cancel()
    assert local.wait(after).done == 1
    assert local.wait(after_ok).reasons == {"dependency": 1}
    assert local.lines() == ["b0"]


def test_one_that_waits_can_be_cancelled_and_submitted_again(local: Local) -> None:
    first = local.create(telling(local.log, "a", local.gate), range(1))
    second = local.create(telling(local.log, "b"), range(2))
    first.submit("local")
    second.submit("local", after=first)
    second.cancel()
    assert states(second) == ["canceled"] * 2
    second.resubmit()
    assert local.wait(second).done == 2
    assert set(local.lines()) == {"b0", "b1"}
    assert first.status().done == 0


def test_after_a_task_with_retries_that_are_due(local: Local) -> None:
    """What is due is not alive: ``after`` says that it has ended."""
    log = local.log

    def job(k: int) -> None:
        import os

        with open(log, "a") as file:
            file.write("a\n")
        os._exit(1)

    first = local.create(job, range(1))
    first.submit("local", retries=1)
    eventually(lambda: first.status().retrying, "a retry to be due")
    second = local.create(telling(log, "b"), range(1))
    second.submit("local", after=first)
    assert local.wait(second).done == 1
