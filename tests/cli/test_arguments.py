"""--arg, --const and files of parameters."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from hpcbatch.cli.arguments import read_constants, read_inputs
from hpcbatch.cli.paramfiles import read_columns
from hpcbatch.cli.values import as_written, typed
from hpcbatch.words.errors import InputError

BIG = "9" * 5000


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-5", -5),
        ("0.50", 0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("null", None),
        ('"5"', "5"),
        ("007", "007"),
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("", ""),
        ("a b", "a b"),
        ('{"k": [1]}', {"k": [1]}),
        ("[" * 100_000, "[" * 100_000),
        (BIG, BIG),
    ],
    ids=range(15),
)
def test_text_is_read_as_json_or_stays_text(text: str, value: Any) -> None:
    assert typed(text) == value
    assert type(typed(text)) is type(value)


@pytest.mark.parametrize("text", ["0.10", "1e5", "true", "null", '"q"', " 5", "1_000", "x", "[1]"])
def test_command_lines_get_what_was_written(text: str) -> None:
    assert as_written(text) == text


def test_numbers_for_command_lines_can_be_formatted() -> None:
    assert as_written("7") == 7
    assert as_written("0.5") == 0.5


@pytest.mark.parametrize(
    ("arg", "values"),
    [
        ("x=range:0:3", [0, 1, 2]),
        ("x=1.5,ranges(2)", [1.5, "ranges(2)"]),
        ('x=["1..5"]', ["1..5"]),
        ('x=["12:30"]', ["12:30"]),
        ("x=12:30,14:00", ["12:30", "14:00"]),
        ("x=range:5:-1:-2", [5, 3, 1]),
        ("x=1,2.5,abc,true", [1, 2.5, "abc", True]),
        ("x=a=b", ["a=b"]),
        ('x=["a,b", null, 1]', ["a,b", None, 1]),
        ("x=one", ["one"]),
        ("x=,", ["", ""]),
    ],
)
def test_columns(arg: str, values: list[Any]) -> None:
    assert list(read_inputs([arg], for_shell=False)["x"]) == values


@pytest.mark.parametrize(
    "arg",
    [
        "x",
        "=1",
        "x y=1",
        "x=",
        "x=[]",
        "x=[1",
        "x=range:0",
        "x=range:a:b",
        "x=range:0:10:0",
        "x=range(10)",
        "x=range(0, 10)",
        "x=1..5",
        "x=1:20",
        "x=0:20:5",
        "x=0.1:1:0.1",
        "x=1-5",
        "x=3,5-9",
        "x=range:5:5",
        "x=range:0:1:0.5",
        "x=range:0:" + BIG,
        "x=@absent",
        "x=@/",
        "1x=2",
    ],
    ids=range(23),
)
def test_bad_columns_are_refused(arg: str) -> None:
    with pytest.raises(InputError):
        read_inputs([arg], for_shell=False)


def test_values_from_lines_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lines").write_text("1\n\ntwo words\n3.5\n")
    arg = f"x=@{tmp_path}/lines"
    assert read_inputs([arg], for_shell=False)["x"] == [1, "two words", 3.5]
    monkeypatch.setattr("sys.stdin", io.StringIO("7\n8\n"))
    assert read_inputs(["x=@-"], for_shell=False)["x"] == [7, 8]


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("x\n1\n")
    with pytest.raises(InputError, match="second time"):
        read_inputs(["x=1", "x=2"], for_shell=False)
    with pytest.raises(InputError, match="second time"):
        read_inputs(["x=1"], f"{tmp_path}/p.csv", for_shell=False)
    with pytest.raises(InputError, match="second time"):
        read_constants(["y=1", "y=2"], for_shell=False)


def test_a_grid_has_every_combination() -> None:
    columns = read_inputs(["x=1,2", "y=a,b"], for_shell=False, grid=True)
    assert columns == {"x": [1, 1, 2, 2], "y": ["a", "b", "a", "b"]}


def test_constants() -> None:
    for broken in ("[1", "{x"):
        with pytest.raises(InputError, match="is no JSON; where a text is meant: --const 'y="):
            read_constants([f"y={broken}"], for_shell=False)
    assert read_constants(['y="[1"'], for_shell=False) == {"y": "[1"}
    assert read_constants(["y=[1"], for_shell=True) == {"y": "[1"}
    found = read_constants(["a=1", "b=x=y", "c=[1, 2]", "d="], for_shell=False)
    assert found == {"a": 1, "b": "x=y", "c": [1, 2], "d": ""}
    assert read_constants(["a=0.10"], for_shell=True) == {"a": "0.10"}
    with pytest.raises(InputError, match="NAME=VALUE"):
        read_constants(["a"], for_shell=False)


ROWS = {"x": [1, 2], "name": ["a b", "ü,\n'"]}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.csv", 'x,name\n1,a b\n2,"ü,\n\'"\n'),
        ("p.csv", '\ufeffx,name\r\n1,a b\r\n\r\n2,"ü,\n\'"\r\n'),
        ("p.TSV", 'x\tname\n1\ta b\n2\t"ü,\n\'"\n'),
        ("p.json", '[{"x": 1, "name": "a b"}, {"name": "ü,\\n\'", "x": 2}]'),
        ("p.json", '{"x": [1, 2], "name": ["a b", "ü,\\n\'"]}'),
        ("p.jsonl", '{"x": 1, "name": "a b"}\n\n{"x": 2, "name": "ü,\\n\'"}'),
    ],
    ids=range(6),
)
def test_files(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(text.encode())
    assert read_columns(f"{tmp_path}/{name}", None, False) == ROWS


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("p.csv", "", "no rows"),
        ("p.csv", "x,y\n", "no rows"),
        ("p.csv", "x,y\n1,2\n3\n", "line 3: 1 values"),
        ("p.csv", "x,y\n1,2,3\n", "line 2: 3 values"),
        ("p.csv", "x,x\n1,2\n", "two columns"),
        ("p.csv", "x,\n1,2\n", "no name"),
        ("p.csv", 'x\n"1\n', "line 2"),
        ("p.csv", b"x\n\xff\n", "UTF-8"),
        ("p.json", "", "no JSON"),
        ("p.json", "[]", "no rows"),
        ("p.json", "{}", "no rows"),
        ("p.json", '{"x": []}', "no rows"),
        ("p.json", "5", "neither"),
        ("p.json", '{"x": 5}', "--const"),
        ("p.json", "[1, 2]", "row 0"),
        ("p.json", '[{"x": 1}, {"y": 1}]', "row 1"),
        ("p.json", "[" * 100_000, "no JSON"),
        ("p.jsonl", '{"x": 1}\n{"x": 1, "z": 2}\n', "line 2.*z"),
        ("p.jsonl", '{"x": 1}\n{"x": \n', "line 2 is no JSON"),
        ("p.jsonl", "\n\n", "no rows"),
        ("p.jsno", "[]", "did you mean 'json'"),
        ("params", "x\n1\n", "without an ending"),
        ("p.csv", "x;y\n1;2\n", "is divided by ';', it seems"),
        ("p.csv", "x\ty\n1\t2\n", "is divided by '\\\\t', it seems"),
        ("p.tsv", "x,y\n1,2\n", "is divided by ',', it seems"),
    ],
    ids=range(25),
)
def test_bad_files_are_refused_by_place(
    tmp_path: Path, name: str, text: str | bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=told) as caught:
        read_columns(f"{tmp_path}/{name}", None, False)
    assert name in str(caught.value)


def test_the_nearest_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "params.csv").write_text("x\n1\n")
    with pytest.raises(InputError, match=r"did you mean .*params\.csv"):
        read_columns(f"{tmp_path}/param.csv", None, False)
    with pytest.raises(InputError, match="there is no folder"):
        read_columns(f"{tmp_path}/nowhere/param.csv", None, False)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("csv", "\ufeffx,y\n1,a\n2,b\n"),
        ("tsv", "x\ty\n1\ta\n2\tb\n"),
        ("json", '{"x": [1, 2], "y": ["a", "b"]}'),
        ("jsonl", '{"x": 1, "y": "a"}\n{"x": 2, "y": "b"}\n'),
    ],
)
def test_a_format_that_no_name_tells(
    form: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "params.txt").write_text(text)
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    for path in ("-", f"{tmp_path}/params.txt"):
        columns = read_inputs([], path, form, for_shell=False)
        assert columns == {"x": [1, 2], "y": ["a", "b"]}


def test_what_looks_like_a_range_can_be_a_text() -> None:
    assert list(read_inputs(['x=["1-5", "3"]'], for_shell=False)["x"]) == ["1-5", "3"]
    assert list(read_inputs(["x=2024-01-02,a-5"], for_shell=False)["x"]) == ["2024-01-02", "a-5"]


def test_a_format_is_asked_for_and_belongs_to_a_file() -> None:
    with pytest.raises(InputError, match="--args-format does"):
        read_inputs([], "-", for_shell=False)
    with pytest.raises(InputError, match="not given"):
        read_inputs(["x=1"], None, "csv", for_shell=False)


def test_some_columns_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("note,x,y\na,1,2\nb,3,4\n")
    path = f"{tmp_path}/p.csv"
    found = read_inputs(["z=5,6"], path, None, "y, x", for_shell=False)
    assert found == {"z": [5, 6], "y": [2, 4], "x": [1, 3]}
    with pytest.raises(InputError, match=r"no column 'notes'; did you mean 'note'\?"):
        read_inputs([], path, None, "notes,y", for_shell=False)
    with pytest.raises(InputError, match="goes with --args-file"):
        read_inputs(["x=1"], None, None, "x", for_shell=False)
    for name, text in {
        "index.csv": ",x,n,n\n0,1,2,2\n1,3,4,4\n",
        "some.jsonl": '{"x": 1, "n": 2}\n{"x": 3, "m": 4}\n',
        "rows.json": '[{"x": 1}, {"x": 3, "n": 4}]',
        "lists.json": '{"x": [1, 3], "n": 5}',
    }.items():
        (tmp_path / name).write_text(text)
        found = read_inputs([], f"{tmp_path}/{name}", None, "x", for_shell=False)
        assert found == {"x": [1, 3]}, name


def test_what_is_wrong_with_standard_input_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("x,y\n1\n"))
    with pytest.raises(InputError, match="standard input, line 2"):
        read_inputs([], "-", "csv", for_shell=False)


def test_files_for_command_lines_stay_as_written(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("x,y\n0.10,true\n7,\n")
    (tmp_path / "p.json").write_text('{"x": [true, null, 1.5, "a", [1]]}')
    assert read_columns(f"{tmp_path}/p.csv", None, True) == {"x": ["0.10", 7], "y": ["true", ""]}
    assert read_columns(f"{tmp_path}/p.json", None, True) == {
        "x": ["true", "null", 1.5, "a", "[1]"]
    }
