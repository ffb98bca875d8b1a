"""A pool as people look at it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.pool.display import html_of, text_of
from hpcbatch.pool.summary import Summary

from ..core import eventually


class Looks:
    """A pool that is closed when nobody expects more of it."""

    def __init__(self, name: str, *summaries: Summary):
        self.name, self._summaries = name, list(summaries)
        self.unresolved, self.resolved = 3, 4

    @property
    def is_closed(self) -> bool:
        return len(self._summaries) == 1

    def summary(self) -> Summary:
        return self._summaries.pop(0) if len(self._summaries) > 1 else self._summaries[0]


def workers(count: int, host: str = "node") -> Summary:
    told = [{"worker": f"w{n}", "host": host, "seconds": 1.25} for n in range(count)]
    return Summary(told, {"launching": 2, "lost": 1, "why": "<no> room\n"})


def test_text_and_html_say_the_same_and_cannot_be_broken(hostile_name: str) -> None:
    pool = Looks(hostile_name, workers(30, hostile_name + "<script>"))
    text, html = text_of(pool), html_of(pool)
    assert "2 to come, 1 never came; pushed tasks: 3 unresolved, 4 resolved" in text
    assert text.count("\n") == 3 + 20
    assert html.count("<tr>") == 1 + 20
    assert "<script>" not in html
    assert "&lt;no&gt; room" in html
    assert "\x1b" not in text + html
    assert "w19" in text
    assert "w20" not in text


def test_one_worker_is_no_workers() -> None:
    assert text_of(Looks("p", *[workers(1)] * 3)).startswith("p: 1 worker, ")


def test_a_pool_in_a_terminal(shared: hb.Controller, capsys: pytest.CaptureFixture[str]) -> None:
    shared.submit(abs, -1).result(60)
    shared.show()
    told = capsys.readouterr().out
    assert told.startswith("local: ")
    assert str(shared.summary()[0]["pid"]) in told
    assert f"<td>{shared.summary()[0]['pid']}</td>" in shared._repr_html_()
    hb.ControllerGroup(shared, hb.SequentialController()).show()
    assert capsys.readouterr().out.startswith("local + sequential: ")


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What a notebook displays: IPython's part is played."""
    seen: list[Any] = []
    ipython, its_display = ModuleType("IPython"), ModuleType("IPython.display")

    def display(view: Any, display_id: bool) -> Any:
        seen.append(view)
        return SimpleNamespace(update=seen.append)

    vars(ipython).update(get_ipython=lambda: SimpleNamespace(kernel=object()))
    vars(its_display).update(display=display)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", its_display)
    return seen


def test_a_table_in_a_notebook_follows_until_the_pool_closes(
    notebook: list[Any], make_pool: Callable[..., hb.Controller]
) -> None:
    pool = make_pool(name="mine")
    pool.show(seconds=0.01)
    with pool:
        pool.submit(abs, -1).result(60)
        eventually(lambda: "<tr>" in notebook[-1]._repr_html_())
    eventually(lambda: "mine: closed" in repr(notebook[-1]))
    told = len(notebook)
    assert len({view.html for view in notebook[1:]}) == told - 1  # only what is new
