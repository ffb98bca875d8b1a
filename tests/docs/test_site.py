"""The site is built without a warning, and a browser fetches nothing for it from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core import ROOT

FETCHED = re.compile(
    r"<(?:script|link|img|iframe)\b[^>]*?\b(?:src|href)=[\"']?((?:https?:)?//[^\"' >]+)"
)

LINK = re.compile(r"(?:\]\(|<|href=[\"']?)(https?://[^)> ]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every internal link and anchor is checked, since --strict makes an error of a warning."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return folder


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    pages = list(site.glob("*.html"))
    assert len(pages) > 15
    assert {
        page.name: found for page in pages if (found := FETCHED.findall(page.read_text()))
    } == {}
    styles = "".join(path.read_text() for path in site.rglob("*.css"))
    assert "@import" not in styles
    assert not re.search(r"url\([\"']?(https?:)?//", styles)


def test_programs_of_the_documentation_are_not_published(site: Path) -> None:
    published = {path.name for path in site.rglob("*")}
    assert "layers.svg" in published
    assert not published & {
        path.name for path in (ROOT / "docs").glob("*.*") if path.suffix != ".md"
    }


def test_the_code_tells_of_itself(site: Path) -> None:
    """What docs/hooks.py fills in."""
    commands, names, errors = (
        (site / f"{page}.html").read_text() for page in ("cli", "api", "errors")
    )
    assert "Most jobs of an element, or auto." in commands
    assert "Delete the task and its results." in names
    assert "Another process held a lock of the registry for too long." in errors
    assert "Exit status of a command that it ends: 5." in errors
    assert "└──" in errors
    guide = re.sub(r"<[^>]*>", "", (site / "adding-a-scheduler.html").read_text())
    assert '"hpcbatch.schedulers"]\ntoy = "hpcbatch_toy:Toy"' in guide
    assert "class Toy(Scheduler):" in guide
    assert "{% block index %}${TOY_INDEX}" in guide


def test_no_link_leads_to_where_a_test_cannot_look(site: Path) -> None:
    texts = [*ROOT.glob("*.md"), *(ROOT / "examples").rglob("*.md"), *site.rglob("*.html")]
    assert {path.name: found for path in texts if (found := LINK.findall(path.read_text()))} == {}
