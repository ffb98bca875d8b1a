"""Modules that make tasks while they are imported, and jobs that make tasks."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import hpcbatch as hb
from hpcbatch.cli.main import main
from tests.local import Local, by_value

AT_ONCE = """
import hpcbatch as hb

def simulate(x):
    return x

hb.create(simulate, x=[1, 2], name="unasked")
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "own" / "unguarded.py"
    file.parent.mkdir()
    file.write_text(AT_ONCE)
    monkeypatch.chdir(file.parent)
    monkeypatch.syspath_prepend(str(file.parent))
    return file


def test_the_command_line_makes_one_task_of_a_function(study: Path) -> None:
    done = CliRunner().invoke(
        main, ["map", "unguarded.py:simulate", "--arg", "x=1,2", "-c", "local"]
    )
    assert done.exit_code == 2
    assert "unguarded.py cannot be loaded" in done.output
    assert 'if __name__ == "__main__":' in done.output
    assert hb.tasks() == []


@pytest.mark.usefixtures("local")
def test_an_element_makes_none(study: Path) -> None:
    import unguarded  # type: ignore[import-not-found]

    task = hb.create(unguarded.simulate, [1]).submit("local")
    task.wait(60, progress=False)
    (error,) = task.errors()
    assert "put what makes and submits them under" in error.message
    assert [each.name for each in hb.tasks()] == ["unasked", "simulate"]


@pytest.mark.parametrize("isolate", [False, True])
def test_a_job_makes_none(local: Local, isolate: bool) -> None:
    def nested(x: int) -> int:
        import hpcbatch as hb

        return hb.create(abs, [x]).submit("local").wait().done

    task = local.create(by_value(nested), [1]).submit("local", isolate=isolate)
    task.wait(60, progress=False)
    (error,) = task.errors()
    assert error.message.startswith("a job, or a call of a pool, submits nothing")
    assert len(hb.tasks()) == 1


def test_a_call_of_a_pool_starts_no_workers() -> None:
    def nested() -> None:
        import hpcbatch as hb

        with hb.Controller(workers=1) as pool:
            pool.submit(abs, -1).result(30)

    with hb.Controller(workers=1) as pool:
        failed = pool.submit(by_value(nested)).exception(60)
    assert "submits nothing and starts no workers" in str(failed)
