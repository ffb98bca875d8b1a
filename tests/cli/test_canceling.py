"""cancel and remove."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from .conftest import Shell


def test_cancel(hb: Shell) -> None:
    hb.fakes.hold()
    task = hb.map("echo")
    assert "canceled" in hb.ok("cancel", task)
    assert hb.json("cancel", task)["objections"] == []
    assert hb.json("status", task, status=1)["counts"]["canceled"] == 6
    assert (hb.fakes.folder / "queue").read_text() == ""


@contextlib.contextmanager
def objecting(hb: Shell) -> Iterator[str]:
    """A task that waits, while scancel refuses."""
    hb.fakes.hold()
    task = hb.map("echo")
    program = hb.fakes.folder / "scancel"
    obeys = program.read_text()
    program.write_text("#!/bin/bash\necho no way >&2; exit 1\n")
    yield task
    program.write_text(obeys)


def test_a_scheduler_that_objects(hb: Shell) -> None:
    with objecting(hb) as task:
        told = hb.fails(4, "cancel", task)
        assert "no way" in told
        assert f"hpcbatch cancel {task}" in told
        (note,) = hb.json("status", task, status=1)["notes"]
        assert note.startswith("attempt 1 was canceled, but")
        assert "no way" in note
        hb("cancel", task, "--jobs", "0")  # of which nothing is asked of the scheduler
        assert hb.json("status", task, status=1)["notes"] == [note]
    hb.ok("cancel", task)
    assert hb.json("status", task, status=1)["notes"] == []


def test_an_objection_is_history_once_all_was_submitted_again(hb: Shell) -> None:
    with objecting(hb) as task:
        hb.fails(4, "cancel", task)
    hb.fakes.obey()
    assert hb("resubmit", task, "--wait").exit_code == 0
    assert hb.json("status", task)["notes"] == []


def test_remove(hb: Shell) -> None:
    first, second = hb.map("echo"), hb.map()
    assert "Removed" in hb("remove", first).stderr
    assert hb.json("remove", second[:8]) == {"removed": second}
    assert hb.tasks() == []
    hb.fails(2, "remove", second)


def test_what_is_alive_is_not_removed(hb: Shell) -> None:
    hb.fakes.hold()
    task = hb.map("echo")
    assert "cancel it first" in hb.fails(3, "remove", task)
    assert hb.tasks() == [task]
