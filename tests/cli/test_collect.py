"""collect."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import os
import pickle
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hpcbatch import JobError
from hpcbatch.cli.writers import replacing, writer_for
from hpcbatch.words.errors import UsageError

from .conftest import Shell


def test_every_kind_of_file(hb: Shell) -> None:
    task = hb.map("simulate", "--arg", "x=0,1,2")
    expected = [{"x": x, "square": x * x + 1} for x in range(3)]
    for kind in ("json", "jsonl", "csv", "pkl"):
        assert hb.ok("collect", task, "-o", f"out.{kind}") == ""
    assert json.loads((hb.work / "out.json").read_text()) == expected
    lines = (hb.work / "out.jsonl").read_text().splitlines()
    assert json.loads(lines[1]) == {"job": 1, "result": expected[1]}
    assert (hb.work / "out.csv").read_text() == "job,x,square\n0,0,1\n1,1,2\n2,2,5\n"
    assert pickle.loads((hb.work / "out.pkl").read_bytes()) == expected
    assert hb.ok("collect", task).splitlines() == lines
    assert hb.json("collect", task)[1] == {"job": 1, "result": expected[1]}
    assert hb.ok("collect", task, "--jobs", "1").splitlines() == lines[1:2]


def test_a_file_that_is_told_of_in_json(hb: Shell) -> None:
    task = hb.map()
    told = hb.json("collect", task, "-o", "out.json", "--on-error", "skip")
    assert told == {"id": task, "file": "out.json", "rows": 5, "without_result": 1}


def test_failed_jobs_are_refused_by_default(hb: Shell) -> None:
    task = hb.map()
    (hb.work / "out.json").write_text("before")
    told = hb.fails(1, "collect", task, "-o", "out.json")
    assert "job 3 error: ValueError: three is bad" in told
    assert "--on-error skip" in told
    assert (hb.work / "out.json").read_text() == "before"
    assert hb("collect", task).stdout == ""
    assert hb("collect", task, "--jobs", "0-2").exit_code == 0
    assert hb("collect", task, "--jobs", "2-3").exit_code == 1


def test_failed_jobs_on_request(hb: Shell) -> None:
    task = hb.map()
    for kind in ("json", "jsonl", "csv", "pkl"):
        hb.ok("collect", task, "-o", f"return.{kind}", "--on-error", "return")
        hb.ok("collect", task, "-o", f"skip.{kind}", "--on-error", "skip")
    returned = json.loads((hb.work / "return.json").read_text())
    assert [row and row["x"] for row in returned] == [0, 1, 2, None, 4, 5]
    assert len(json.loads((hb.work / "skip.json").read_text())) == 5
    row = json.loads((hb.work / "return.jsonl").read_text().splitlines()[3])
    assert row["error"] == {"state": "error", "type": "ValueError", "message": "three is bad"}
    with open("return.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[3] == {
        "job": "3", "x": "", "square": "", "error": "job 3 error: ValueError: three is bad"
    }  # fmt: skip
    assert isinstance(pickle.loads((hb.work / "return.pkl").read_bytes())[3], JobError)
    assert "1 job of" in hb("collect", task, "--on-error", "skip").stderr


def test_more_failures_than_are_shown(hb: Shell) -> None:
    task = hb.map("simulate", "--arg", "x=" + ",".join("3" * 9))
    told = hb.fails(1, "collect", task)
    assert "9 jobs" in told
    assert "and 4 more" in told
    assert hb.ok("collect", task, "--on-error", "skip") == ""


def test_jobs_that_are_not_resolved(hb: Shell) -> None:
    hb.fakes.hold()
    task = hb.map("echo")
    assert "hpcbatch watch" in hb.fails(3, "collect", task, "-o", "out.json")
    assert not (hb.work / "out.json").exists()
    assert hb.ok("collect", task, "--on-error", "skip") == ""
    assert json.loads(hb.ok("collect", task, "--json", "--on-error", "skip")) == []
    hb.fakes.refuse()
    hb("map", "sim.py:echo", "--arg", "x=1", "-c", "slurm")
    assert "never submitted" in hb.fails(3, "collect", "last")


def test_what_json_cannot_hold(hb: Shell) -> None:
    task = hb.map("number", "--arg", "x=1,2,4")
    (hb.work / "out.json").write_text("before")
    for output in ("out.json", "new.jsonl", "new.csv"):
        told = hb.fails(2, "collect", task, "-o", output)
        assert "the result of job 1 (of type complex)" in told
        assert ".pkl" in told
    assert (hb.work / "out.json").read_text() == "before"
    assert sorted(path.name for path in hb.work.glob("*new*")) == []
    assert [path for path in os.listdir(hb.work) if path.endswith(".tmp")] == []
    hb.ok("collect", task, "-o", "out.pkl")
    assert pickle.loads((hb.work / "out.pkl").read_bytes()) == [1, 2 + 1j, 4]


def test_nan_is_no_json(hb: Shell) -> None:
    (hb.work / "nan.py").write_text("def f(x):\n    return x / 1.0 if x else float('nan')\n")
    task = hb.map("f", "--arg", "x=0,1", file="nan.py")
    told = hb.fails(2, "collect", task)
    assert "(of type float) cannot be written as JSON: " in told
    assert "A pickle holds it, and CSV has nan and inf" in told
    hb.ok("collect", task, "-o", "out.csv")
    assert (hb.work / "out.csv").read_text() == "job,result\n0,nan\n1,1.0\n"


def test_what_programs_print_is_one_line_of_a_table(hb: Shell) -> None:
    task = hb.ok("map", "--shell", "echo {x}, b", "--arg", "x=1,2", "-c", "slurm").strip()
    hb.ok("collect", task, "-o", "out.csv")
    assert (hb.work / "out.csv").read_text() == 'job,status,output\n0,0,"1, b"\n1,0,"2, b"\n'


def test_a_folder_that_may_not_be_written_to(hb: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    task = hb.map("echo")
    monkeypatch.setattr("os.access", lambda path, mode: not mode & os.W_OK)
    told = hb.fails(5, "collect", task, "-o", "out.json")
    assert f"{hb.work}: you may not write to this folder" in told


def test_results_of_own_classes(hb: Shell) -> None:
    task = hb.map("point", "--arg", "x=1,2")
    hb.ok("collect", task, "-o", "out.pkl")
    code = "import pickle; print([p.x for p in pickle.load(open('out.pkl', 'rb'))])"
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=hb.work
    )
    assert shown.stdout == "loaded\n[1, 2]\n"
    told = hb.fails(2, "collect", task)
    assert "cannot be written as JSON: a Point has no form in JSON. A pickle holds it: " in told
    ended = hb.program("collect", task)  # which has to load the class's module first
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "loaded" in ended.stderr


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("out.xml", "no kind of file"),
        ("out.jsn", "did you mean '.json'"),
        ("out", "without an ending"),
        ("nowhere/out.json", "no folder"),
        ("folder.json", "no ordinary file"),
    ],
)
def test_bad_outputs(hb: Shell, output: str, told: str) -> None:
    (hb.work / "folder.json").mkdir()
    assert told in hb.fails(2, "collect", hb.map("echo"), "-o", output)


def test_a_damaged_result_is_told(hb: Shell, own_registry: Path) -> None:
    task = hb.map("simulate", "--arg", "x=1,2")
    hb.ok("status", task)
    path = own_registry / task / "results.rec"
    content = bytearray(path.read_bytes())
    place = content.index(b"square")
    content[place] ^= 0xFF
    path.write_bytes(content)
    told = hb.fails(1, "collect", task, "-o", "out.json")
    assert "damaged" in told
    assert not (hb.work / "out.json").exists()


def test_the_file_has_ordinary_permissions_and_links_stay(hb: Shell) -> None:
    task = hb.map("echo")
    (hb.work / "real.json").touch()
    (hb.work / "link.json").symlink_to("real.json")
    before = os.umask(0o027)
    try:
        hb.ok("collect", task, "-o", "link.json")
    finally:
        os.umask(before)
    assert (hb.work / "link.json").is_symlink()
    assert stat.S_IMODE((hb.work / "real.json").stat().st_mode) == 0o640
    assert json.loads((hb.work / "real.json").read_text()) == list(range(6))


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("before")
    with contextlib.suppress(KeyboardInterrupt), replacing(str(path)) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_text() == "before"
    assert [name for name in os.listdir(tmp_path) if "out" in name] == ["out.json"]


def test_a_reader_that_goes_away(hb: Shell) -> None:
    task = hb.map("echo", "--arg", "x=range:0:20000", "--chunk", "20000")
    collecting = hb.start("collect", task)
    assert collecting.stdout is not None
    assert collecting.stderr is not None
    collecting.stdout.readline()
    collecting.stdout.close()
    assert collecting.wait(30) == 141
    assert collecting.stderr.read() == ""


def _written(kind: str, values: list[Any]) -> str:
    file = io.BytesIO()
    writer_for(f"out.{kind}")(file, lambda: iter(enumerate(values)))
    return file.getvalue().decode()


def test_cells_of_csv() -> None:
    values = [
        {"a": 1, "job": True},
        {"b": None, "a": [1, 2], "text": 'two\nlines, "q" ü'},
        {"text": "carriage\rreturn", "a": math.nan},
        7,
    ]
    rows = list(csv.reader(io.StringIO(_written("csv", values), newline="")))
    assert rows == [
        ["job", "a", "result.job", "b", "text", "result"],
        ["0", "1", "true", "", "", ""],
        ["1", "[1, 2]", "", "", 'two\nlines, "q" ü', ""],
        ["2", "nan", "", "", "carriage\rreturn", ""],
        ["3", "", "", "", "", "7"],
    ]


def test_arrays_become_lists() -> None:
    numpy = pytest.importorskip("numpy")
    values = [numpy.int64(3), {"v": numpy.arange(3), "f": numpy.float64(0.5)}]
    assert json.loads(_written("json", values)) == [3, {"v": [0, 1, 2], "f": 0.5}]


def test_csv_has_nan_and_inf() -> None:
    numpy = pytest.importorskip("numpy")
    nan = numpy.float32("nan")
    values = [{"a": nan, "b": [1.0, -math.inf]}, {"a": 0.5, "b": numpy.array([nan])}]
    assert _written("csv", values) == 'job,a,b\n0,nan,"[1.0, -Infinity]"\n1,0.5,[NaN]\n'


@pytest.mark.parametrize("value", [math.nan, {1, 2}, b"x", {(1, 2): 3}], ids=repr)
def test_no_json_is_written_that_is_none(value: Any) -> None:
    with pytest.raises(UsageError, match="job 1 "):
        _written("json", [0, value])


def test_no_results_are_an_empty_list() -> None:
    assert _written("json", []) == "[]\n"
    assert _written("csv", []) == "job\n"
    assert _written("jsonl", []) == ""
