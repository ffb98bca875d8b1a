"""The status in a notebook."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from hpcbatch.handles.html import status_html
from hpcbatch.words.model import STATES
from hpcbatch.words.status import COLOURS, TaskStatus

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;"


class Page(HTMLParser):
    """The elements of a piece of HTML, and its text."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def status(counts: dict[str, int], **more: object) -> TaskStatus:
    whole = {state: counts.get(state, 0) for state in STATES}
    fields = {"id": "3f9a12c4__x", "name": "x", "njobs": sum(whole.values()), "started": 0}
    return TaskStatus(counts=whole, **{**fields, **more})  # type: ignore[arg-type]


def test_it_tells_what_a_status_tells() -> None:
    page = Page(
        status_html(
            status(
                {"running": 4, "done": 984, "expired": 12},
                name="Lotka",
                clusters=("slurm", "gpu"),
                attempts=2,
                reasons={"timeout": 12},
                rate=12.34,
                seconds_left=250.0,
                notes=("37 elements wait",),
            )
        )
    )
    for told in (
        *("Lotka", "3f9a12c4__x", "1,000 jobs", "slurm, gpu", "2 attempts", "running 4"),
        *("done 984 (98.4 %)", "expired 12 (1.2 %): timeout 12", "12.3 jobs/s, about 4 min left"),
        "37 elements wait",
    ):
        assert told in page.text
    assert "queued" not in page.text


def test_hostile_text_stays_text() -> None:
    html = status_html(
        status(
            {"expired": 1},
            id=HOSTILE,
            name=HOSTILE,
            clusters=(HOSTILE,),
            notes=(HOSTILE,),
            reasons={HOSTILE: 1},
        )
    )
    page = Page(html)
    assert set(page.tags) <= {"div", "span", "b"}
    assert {name for name, _ in page.attributes} <= {"style", "title", "role", "aria-label"}
    assert page.text.count(HOSTILE) == 5
    assert page.open == []


@pytest.mark.parametrize("state", STATES)
def test_each_state_has_its_colour(state: str) -> None:
    html = status_html(status({state: 1}))
    assert f"width:100%;background:{COLOURS[state]}" in html
    assert not any(COLOURS[other] in html for other in STATES if other != state)


def test_it_fits_light_and_dark_pages() -> None:
    html = status_html(status({"done": 1, "queued": 3}, notes=("a",)))
    assert ";color:" not in html
    assert '"color:' not in html
