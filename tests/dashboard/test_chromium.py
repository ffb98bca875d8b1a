"""The pages in a real browser, in front of a real server and this machine's cluster."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import hpcbatch as hb
from hpcbatch.use.state_runs import LETTERS, run_lengths
from hpcbatch.words.model import STATES
from tests.core import ROOT, eventually
from tests.local import by_value
from tests.server.conftest import Server, running

pytestmark = [pytest.mark.slow, pytest.mark.chromium]

IMAGES = ROOT / "docs/images"
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("dashboard")
    (folder / "spool").mkdir(mode=0o700)
    quick = {"scheduler": "local", "poll_seconds": [0.3, 0.6], "grace": 0.2}
    config = folder / "hpcbatch.yaml"
    config.write_text(yaml.safe_dump({"default": "local", "clusters": {"local": quick}}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HPCBATCH_LOCAL_SPOOL", str(folder / "spool"))
        patch.setenv("HPCBATCH_LOCAL_SLOTS", "4")
        patch.setenv("HPCBATCH_CONFIG", str(config))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        with running(folder / "served") as server:
            yield server


@pytest.fixture(scope="module")
def browser(server: Server) -> Iterator[Any]:
    from .chromium import chromium

    with chromium(server) as browser:
        yield browser


@pytest.fixture
def tab(browser: Any, server: Server) -> Iterator[Any]:
    from .chromium import Tab

    tab = Tab(browser, viewport=DESK, reduced_motion="reduce")
    tab.log_in(server)
    yield tab
    tab.page.context.close()


def waiting(gate: str) -> Any:
    def job(k: int) -> int:
        import os
        import time

        ticks = 0
        while not os.path.exists(gate):
            if k == 3:
                raise ValueError("there is no gate yet")
            print(f"job {k} tick {ticks}", flush=True)
            ticks += 1
            time.sleep(0.1)
        return k

    return by_value(job)


def check_access(page: Any) -> None:
    """By axe, in both themes."""
    from axe_playwright_python.sync_playwright import Axe

    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page)
        assert len(found.response["passes"]) > 10
        assert found.violations_count == 0, found.generate_report()


def test_the_whole_way(browser: Any, server: Server, tmp_path: Path) -> None:
    from .chromium import Tab

    tab, gate = Tab(browser, viewport=DESK), tmp_path / "gate"
    tab.log_in_by_file(server)
    page = tab.page
    page.evaluate("window.isTheSame = true")
    task = hb.create(waiting(str(gate)), range(4), name="the <b>whole</b> way", site=server.site())
    row = page.get_by_role("link", name=task.name)
    row.get_by_text("4 defined").wait_for()
    task.submit("local", chunk=1)
    row.get_by_text("3 running").wait_for()
    row.get_by_text("1 error").wait_for()
    check_access(page)

    page.keyboard.press("/")
    page.keyboard.type("WHOLE nothing")
    page.get_by_text("No task is like that.").wait_for()
    for _ in " nothing":
        page.keyboard.press("Backspace")
    row.focus()
    page.keyboard.press("Enter")

    tab.count("running", 3)
    page.get_by_role("heading", name="Job 3 error").wait_for()
    page.locator(".trace").get_by_text("ValueError: there is no gate yet").wait_for()
    page.locator(".failures summary").click()
    page.locator(".failures").get_by_text("Traceback").wait_for()
    page.locator("canvas.grid").focus()
    page.keyboard.press("Home")
    page.get_by_role("heading", name="Job 0 running").wait_for()
    page.locator(".job .log").get_by_text("job 0 tick 5").wait_for()
    page.get_by_role("button", name="Script of attempt 1").click()
    page.locator(".script").get_by_text("#!/bin").wait_for()
    check_access(page)

    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Keep running").click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").wait_for()
    check_access(page)
    page.get_by_role("button", name="Cancel jobs").click()
    tab.count("canceled", 3)
    eventually(lambda: task.status().counts["canceled"] == 3, "the server to say so")

    gate.touch()
    page.get_by_role("button", name="Resubmit unfinished").click()
    page.get_by_role("button", name="Resubmit", exact=True).click()
    tab.count("done", 4)
    page.get_by_role("button", name="Script of attempt 2").wait_for()
    page.locator(".failures").wait_for(state="hidden")
    assert task.collect() == [0, 1, 2, 3]
    assert page.evaluate("window.isTheSame")
    assert tab.complaints == []

    page.get_by_role("button", name="Log out").click()
    page.get_by_role("heading", name="Not logged in").wait_for()
    page.reload()
    page.get_by_role("heading", name="Not logged in").wait_for()
    assert tab.complaints == []


def test_a_logout_while_answers_are_awaited(tab: Any, server: Server) -> None:
    page, held = tab.page, []
    task = hb.create(abs, range(3), name="to be left", site=server.site())
    page.route("**/view/grid", lambda route: held.append(route))
    page.get_by_role("link", name=task.name).click()
    eventually(lambda: page.wait_for_timeout(50) or held, "the page to ask for its grid")
    with page.expect_response("**/dashboard/leave") as left:
        page.get_by_role("button", name="Log out").click()
    assert left.value.status == 204
    for route in held:
        route.continue_()  # it would be refused now
    page.get_by_text("Logged out.").wait_for()
    page.goto(f"{tab.address}/#/task/{task.id}")
    page.get_by_role("heading", name="Not logged in").wait_for()
    assert tab.complaints == []


def test_themes_and_a_phone(tab: Any, server: Server) -> None:
    page = tab.page
    hb.create(abs, range(10), name="on a phone with a name that is rather long", site=server.site())
    background = "getComputedStyle(document.body).backgroundColor"
    seen = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        seen[scheme] = page.evaluate(background)
    button = page.get_by_role("button", name="Theme")
    for chosen in ("light", "dark"):
        button.click()
        assert page.evaluate(background) == seen[chosen]
    page.reload()
    page.wait_for_selector(".page")
    assert page.evaluate(background) == seen["dark"] != seen["light"]
    page.set_viewport_size(PHONE)
    page.get_by_role("link", name="on a phone").wait_for()
    assert not tab.is_wider_than_its_window()
    tab.open("on a phone")
    assert not tab.is_wider_than_its_window()
    check_access(page)
    assert tab.complaints == []


def test_grids_of_few_and_many_jobs(tab: Any, server: Server) -> None:
    """What a browser decodes and draws; the states are made here, since running them takes long."""
    page, told = tab.page, {}
    page.route("**/view/grid", lambda route: route.fulfill(json=told))
    hb.create(abs, range(3), name="a grid", site=server.site())
    for jobs in (10, 100_000, 300_000):
        states = bytes(random.Random(jobs).choices(range(8), (1, 1, 30, 4, 600, 3, 1, 1), k=jobs))
        told["letters"] = dict(zip(LETTERS, STATES, strict=True))
        told.update(jobs=jobs, runs=run_lengths(states))
        tab.open("a grid")
        assert page.evaluate(DECODE, told) == checksum(states)
        canvas = page.locator("canvas.grid")
        canvas.focus()
        page.keyboard.press("End")
        assert canvas.get_attribute("aria-valuenow") == str(jobs - 1)
        assert canvas.get_attribute("aria-valuetext").endswith(f": {STATES[states[-1]]}")
        assert 20 <= canvas.bounding_box()["height"] <= 600
        assert canvas.evaluate(COLOURS) >= len(set(states))
    page.unroute("**/view/grid")


def test_times_are_rounded_once(tab: Any) -> None:
    seconds = [4e-7, 0.0009996, 0.9996, 59.94, 59.96, 119.6, 3599.6, 7170, 86370, 172799]
    told = tab.page.evaluate(TIMES, seconds)
    assert [each[0] for each in told] == [
        *("0 µs", "1 ms", "1 s", "59.9 s", "1 min 0 s", "2 min 0 s", "1 h 0 min", "2 h 0 min"),
        *("1 d 0 h", "2 d 0 h"),
    ]
    assert [each[1] for each in told[3:]] == ["1 min"] * 2 + ["2 min", "1 h", "2 h", "1 d", "2 d"]


TIMES = """async (seconds) => {
    const { duration, roughly } = await import("/assets/words.js");
    return seconds.map((each) => [duration(each), roughly(each)]);
}"""
DECODE = """async (told) => {
    const { decoded } = await import("/assets/runs.js");
    return decoded(told.runs, told.jobs).reduce((sum, code) => (sum * 31 + code) % 1000003, 0);
}"""
COLOURS = """(canvas) => {
    const { width, height } = canvas;
    const pixels = canvas.getContext("2d").getImageData(0, 0, width, height).data;
    return new Set(new Uint32Array(pixels.buffer)).size;
}"""


def checksum(states: bytes) -> int:
    found = 0
    for code in states:
        found = (found * 31 + code) % 1000003
    return found


def test_a_server_that_stops_and_comes_back(tab: Any, server: Server) -> None:
    page = tab.page
    page.locator(".live.live").wait_for()
    log = server.root / "server/server.log"
    port = tab.address.rpartition(":")[2]
    server.stop()  # while the page listens
    assert "Traceback" not in log.read_text()
    page.get_by_text("reconnecting").wait_for()
    server.start("--port", port)
    page.get_by_role("heading", name="Not logged in").wait_for()  # sessions are in memory


@pytest.mark.skipif(not os.environ.get("HPCBATCH_SCREENSHOTS"), reason="HPCBATCH_SCREENSHOTS=1")
def test_screenshots(
    browser: Any, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from .chromium import Tab

    gate, site = str(tmp_path / "gate"), server.site()
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "/home/ada/lattice.py")

    def sweep(k: int) -> int:
        import os
        import random
        import time

        chance = random.Random(k)
        print(f"lattice {k}: {16 + k % 5} sites")
        if k > 84:
            for step in range(10**6):
                if os.path.exists(gate):
                    break
                print(f"step {step}  energy {chance.gauss(-1.7, 0.02):.4f}", flush=True)
                time.sleep(0.25)
        held = bytearray(int(chance.lognormvariate(16, 0.6)))
        assert held
        time.sleep(min(chance.lognormvariate(-1.4, 0.5), 1))
        if k % 19 == 7:
            raise ArithmeticError("the matrix is singular")
        if k in (12, 50):
            raise FileNotFoundError(2, "No such file or directory", "/scratch/beta.csv")
        return k

    def plain(k: int) -> int:
        if 21_000 < k < 21_900 or k % 1511 == 3:
            raise OverflowError("the integrand overflows")
        return k

    for function, name in ((sweep, "sweep"), (plain, "integrate")):
        function.__qualname__ = function.__name__ = name
        function.__code__ = function.__code__.replace(
            co_filename="/home/ada/lattice.py", co_name=name, co_qualname=name
        )
    old = ("hyperparameters", 60), ("protein-docking", 240), ("calibration-2026", 16)
    made = [hb.create(abs, range(n), name=name, site=site).submit("local") for name, n in old]
    made.append(hb.create(by_value(plain), range(50_000), name="monte-carlo-50k", site=site))
    made[-1].submit("local", chunk=12_500)
    for task in made:
        task.wait(200, progress=False)
    hb.create(abs, range(32), name="sensitivity", site=site)
    task = hb.create(by_value(sweep), range(120), name="lattice-sweep", site=site)
    task.submit("local", chunk=5)
    eventually(
        lambda: task.status().counts["running"] == 4 and task.status().done > 60, "it to run"
    )
    IMAGES.mkdir(parents=True, exist_ok=True)
    tab = Tab(browser, viewport={"width": 1280, "height": 720}, reduced_motion="reduce")
    tab.log_in(server)
    for scheme in ("light", "dark"):
        tab.page.emulate_media(color_scheme=scheme)
        tab.page.goto(f"{tab.address}/#/")
        tab.page.get_by_text("running").first.wait_for()
        tab.page.screenshot(path=IMAGES / f"dashboard-tasks-{scheme}.png")
        tab.open("lattice-sweep")
        tab.page.locator(".trace").get_by_text("singular").wait_for()
        tab.page.get_by_text("Memory of a job").wait_for()
        tab.page.screenshot(path=IMAGES / f"dashboard-task-{scheme}.png", full_page=True)
    tab.open("monte-carlo")
    tab.page.get_by_text("Memory of a job").wait_for()
    tab.page.screenshot(path=IMAGES / "dashboard-many-jobs-dark.png", full_page=True)
    tab.page.set_viewport_size(PHONE)
    tab.page.emulate_media(color_scheme="light")
    tab.open("lattice-sweep")
    tab.page.get_by_text("Memory of a job").wait_for()
    tab.page.screenshot(path=IMAGES / "dashboard-phone.png")
    Path(gate).touch()
