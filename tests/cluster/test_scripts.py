"""Hostile words never leave their quotes: scripts are rendered, checked and really run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpcbatch.cluster import scripts
from hpcbatch.cluster.orders import ArrayOrder, ScriptOrder, passed_environment
from hpcbatch.cluster.schedulers import get_scheduler, scheduler_names
from hpcbatch.cluster.scripts import render, template_folders
from hpcbatch.words.errors import ConfigError, ResourceError
from hpcbatch.words.layout import new_job_name, new_task_id
from hpcbatch.words.resources import Resources
from hpcbatch.words.variables import read_variables

INDEX = {
    "slurm": "SLURM_ARRAY_TASK_ID",
    "sge": "SGE_TASK_ID",
    "lsf": "LSB_JOBINDEX",
    "pbs": "PBS_ARRAY_INDEX",
    "torque": "PBS_ARRAYID",
    "local": "HPCBATCH_LOCAL_INDEX",
    "drmaa": "HPCBATCH_DRMAA_INDEX",
}
ARRAY = {  # seven elements, two at a time
    "slurm": ["--array=0-6%2"],
    "sge": ["-t", "1-7", "-tc", "2"],
    "lsf": ["-J", "n[1-7]%2"],
    "pbs": ["-J", "0-6%2"],
    "torque": ["-t", "1-7%2"],
    "local": ["--elements=7", "--throttle=2"],
    "drmaa": ["--elements=7", "--throttle=2"],
}
DIRECTIVE = re.compile(r"#[^\s!]+")
QUICK = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

NASTY = """$(touch pwned)|`touch pwned`|'; touch pwned; '|{{ env }}|EOF|$'|\\'|\\n|-rf|${HOME}"""
MARKED = ["\n#$ -N evil\n", "\n#SBATCH --array=0-9\n", "\n#LOCAL --name=evil\n", "\r\n"]
SINGLE = "'\"`$\\;&|<>(){}[]*?!~#%=\n\r\t \x01\x7fé漢🎉\u2028"
nasty = st.sampled_from([*NASTY.split("|"), *MARKED, *SINGLE])
any_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
text = st.one_of(any_text, st.lists(st.one_of(nasty, any_text), max_size=6).map("".join))
file_name = text.map(lambda s: s.replace("/", "-")[:50]).filter(
    lambda s: s not in ("", ".", "..") and len(s.encode()) < 200
)
variables = st.dictionaries(st.from_regex(r"HB_[A-Z0-9_]{1,8}", fullmatch=True), text, max_size=4)


def order(**changes: Any) -> ScriptOrder:
    made = ScriptOrder(
        title="Test: elements of attempt 1 of 01234567__Test",
        array=ArrayOrder("Test-01234567abcd", 0, 3, 0),
        resources=Resources(),
        walltime=None,
        throttle=None,
        after=(),
        env={},
        setup=(),
        folder="/",
        log_prefix="/dev/shm/log-",
        python="/usr/bin/python3",
        runner="/registry/runner.pyz",
        task="/registry/01234567__Test",
        attempt=1,
    )
    return replace(made, **changes)


def head_and_body(script: str) -> tuple[list[str], list[str]]:
    """The leading comment lines, and the rest."""
    lines = script.split("\n")
    stop = next(i for i, line in enumerate(lines) if line and not line.startswith("#"))
    return lines[:stop], lines[stop:]


def directives(script: str) -> list[str]:
    head, _ = head_and_body(script)
    return [line for line in head if DIRECTIVE.match(line)]


def words_of(script: str) -> list[str]:
    """The words of all directives."""
    return [word for line in directives(script) for word in shlex.split(line)[1:]]


@cache
def marks() -> tuple[str, ...]:
    """What directives begin with, of every scheduler."""
    found = {"#NATIVE"}  # where somebody gives some
    for scheduler in map(get_scheduler, scheduler_names()):
        found.update(line.split()[0] for line in directives(render(scheduler.template, order())))
    return tuple(found)


@pytest.fixture(params=scheduler_names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Stage:
    """A folder with a stand-in for the interpreter, which notes what reached it."""

    def __init__(self, base: Path, folder: str):
        self.place = base / folder
        self.place.mkdir(exist_ok=True)
        self.python = self.place / "py thon'3"
        self.noted = base / "noted"
        self.noted.mkdir(exist_ok=True)
        self.python.write_text(
            "#!/bin/bash\n"
            f'printf \'%s\\0\' "$PWD" "$@" >{shlex.quote(str(self.noted / "args"))}\n'
            f"env -0 >{shlex.quote(str(self.noted / 'env'))}\n"
            "echo 'to the log'; umask >&2\n"
        )
        self.python.chmod(0o700)

    def run(self, script: str, variable: str, index: int) -> subprocess.CompletedProcess[str]:
        path = self.noted / "script.sh"
        path.write_bytes(script.encode())
        for argv in (["bash", "-n", str(path)], ["bash", str(path)]):
            done = subprocess.run(
                argv,
                env={"PATH": os.environ["PATH"], variable: str(index)},
                cwd=self.noted,
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            assert done.returncode == 0, done.stderr
        return done

    def args(self) -> list[str]:
        return (self.noted / "args").read_bytes().decode().split("\0")[:-1]

    def env(self) -> dict[str, str]:
        pairs = (self.noted / "env").read_bytes().decode().split("\0")[:-1]
        return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


@given(folder=file_name, env=variables, title=text, told=text, log=file_name)
@QUICK
def test_hostile_words_arrive(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    folder: str,
    env: dict[str, str],
    title: str,
    told: str,
    log: str,
) -> None:
    if name not in INDEX:
        pytest.skip("its index variable is not known here")
    base = tmp_path_factory.mktemp("stage")
    stage = Stage(base, folder)
    scheduler = get_scheduler(name)
    script = render(
        scheduler.template,
        order(
            title=title,
            array=ArrayOrder("Test-01234567abcd", 10, 3, scheduler.base),
            env=env,
            setup=("export HB_FROM_SETUP=$((6*7))", "# it's"),
            folder=str(stage.place),
            log_prefix=f"{stage.place}/{log}-",
            python=str(stage.python),
            runner=f"/registry/{told}.pyz",
            task=f"/registry/{told}",
        ),
    )
    done = stage.run(script, INDEX[name], scheduler.base + 2)
    assert stage.args() == [
        *(str(stage.place), f"/registry/{told}.pyz", f"/registry/{told}", "1", "12")
    ]
    arrived = stage.env()
    assert {key: arrived.get(key) for key in env} == env
    assert arrived["HB_FROM_SETUP"] == "42"
    assert (done.stdout, done.stderr) == ("", "")
    assert (stage.place / f"{log}-12.log").read_text() == "to the log\n0077\n"
    assert not list(base.rglob("pwned"))
    head, body = head_and_body(script)
    assert not [line for line in body if line.startswith(marks())]
    assert not [word for word in words_of(script) if "evil" in word]
    assert sum(line.startswith("# ") for line in head) == 1
    assert "\r" not in script


@given(name_of_task=text)
@QUICK
def test_names_of_arrays_are_one_safe_word(name_of_task: str) -> None:
    for longest in (63, 15):
        made = new_job_name(new_task_id(name_of_task), longest)
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", made)
        assert len(made) <= longest


FIELDS = {"slurm": {"queue": "--partition", "account": "--account", "qos": "--qos"}}
FIELDS["slurm"]["constraint"] = "--constraint"
FIELDS["sge"] = {"queue": "-q", "account": "-A", "constraint": "-l"}
FIELDS["lsf"] = {"queue": "-q", "account": "-P", "constraint": "-R"}
FIELDS["pbs"] = FIELDS["torque"] = {"queue": "-q", "account": "-A"}
FIELDS["drmaa"] = {name: f"--{name}" for name in ("queue", "account", "constraint")}


@given(
    value=st.one_of(
        text, st.text("abc.@*[]|&!<>()#%,:=+-", min_size=1, max_size=8), st.just("gpu&[a|b]*2")
    )
)
@QUICK
def test_directives_hold_their_values(name: str, value: str) -> None:
    template = get_scheduler(name).template
    for field, option in FIELDS.get(name, {}).items():
        try:
            resources = Resources.parse({field: value})
        except ResourceError:
            continue
        words = words_of(render(template, order(resources=resources)))
        plain = words_of(render(template, order()))
        pairs = [*pairwise(words)]
        assert f"{option}={value}" in words or (option, value) in pairs
        assert len(words) - len(plain) in (1, 2)


@given(line=text)
@QUICK
def test_extra_stays_one_line(name: str, line: str) -> None:
    try:
        resources = Resources.parse({"extra": [line]})
    except ResourceError:
        return
    template = get_scheduler(name).template
    try:
        with_it = render(template, order(resources=resources)).split("\n")
    except ResourceError:
        if name in INDEX:
            raise
        pytest.skip("its template has no use for extra")
    without = render(template, order()).split("\n")
    added = [text for text in with_it if text not in without]
    assert len(with_it) == len(without) + 1
    assert all(text.startswith(marks()) and text.endswith(line) for text in added)


seconds = st.integers(1, 40 * 365 * 86400)
size = st.one_of(st.integers(1, 2**40), st.integers(1, 2**70))


def value_of(words: list[str], pattern: str) -> int:
    (found,) = [match for match in map(re.compile(pattern).fullmatch, words) if match]
    return int(found[1])


@given(walltime=seconds, memory=size, cpus=st.integers(1, 512))
@settings(QUICK, max_examples=100)
def test_units_lose_nothing(name: str, walltime: int, memory: int, cpus: int) -> None:
    if name not in INDEX:
        pytest.skip("its units are not known here")
    asked = order(resources=Resources(memory=memory, cpus=cpus), walltime=walltime)
    words = words_of(render(get_scheduler(name).template, asked))
    if name == "slurm":
        assert 0 <= value_of(words, r"--time=(\d+)") * 60 - walltime < 60
        assert 0 <= value_of(words, r"--mem=(\d+)K") * 1024 - memory < 1024
    elif name == "sge":
        assert value_of(words, r"h_rt=(\d+)") == walltime
        given = value_of(words, r"h_vmem=(\d+)K") * 1024 * cpus
        assert 0 <= given - memory < 1024 * cpus + cpus
    elif name == "lsf":
        pairs = dict(pairwise(words))
        assert 0 <= int(pairs["-W"]) * 60 - walltime < 60
        assert 0 <= int(pairs["-M"]) * 1024 - memory < 1024
    elif name in ("pbs", "torque"):
        assert value_of(words, r"walltime=(\d+)") == walltime
        given = value_of(words, r"(?:select=1:ncpus=\d+:)?mem=(\d+)kb")
        assert 0 <= given * 1024 - memory < 1024
    else:
        assert value_of(words, r"--walltime=(\d+)") == walltime
        assert value_of(words, r"--memory=(\d+)") == memory
    assert str(cpus) in "".join(words)


def test_throttle_and_array(name: str) -> None:
    if name not in ARRAY:
        pytest.skip("its words for an array are not known here")
    asked = order(array=ArrayOrder("n", 5, 7, get_scheduler(name).base), throttle=2)
    words = words_of(render(get_scheduler(name).template, asked))
    assert set(ARRAY[name]) <= set(words)


def test_zero_byte_is_told(name: str) -> None:
    with pytest.raises(ConfigError, match="zero byte"):
        render(get_scheduler(name).template, order(env={"A": "x\0y"}))


@pytest.mark.parametrize("variable", ["", "1A", "A B", "A=B", "A\n", "$A", "é", "A;touch x"])
def test_names_of_variables(variable: str) -> None:
    with pytest.raises(ValueError, match="no name of an environment variable"):
        read_variables({variable: "x"})


def test_passed_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/mine")
    monkeypatch.setenv("SECRET", "s")
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    found = passed_environment({"PATH": "/own"})
    assert (found["PATH"], found["PYTHONPATH"]) == ("/own", "/mine")
    assert not found.keys() & {"SECRET", "CONDA_PREFIX"}


# templates of users


@pytest.fixture
def own_templates(tmp_path: Path) -> Iterator[Path]:
    """The user's template folder, which the shared fixture has put under ``tmp_path``."""
    folder = tmp_path / "config" / "hpcbatch" / "templates"
    folder.mkdir(parents=True)
    scripts._environment.cache_clear()
    yield folder
    scripts._environment.cache_clear()


RUN = "{{ python }} {{ runner }} {{ task }} {{ attempt }} 0\n"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("echo nothing\n", "does not run {{ runner }}"),
        (f"# {RUN}", "does not run {{ runner }}"),
        (f"  echo {RUN}", "does not run {{ runner }}"),
        ('{% extends "slurm.sh.j2" %}{% block run %}true{% endblock %}', "does not run"),
        (RUN + "{{ waltime }}", "'waltime' is undefined; did you mean 'walltime'?"),
        (RUN + "{% if thrttle %}x{% endif %}", "did you mean 'throttle'?"),
        (RUN + "{{ array.cout }}", "did you mean 'count'?"),
        (RUN + "{{ resources.memry }}", "did you mean 'memory'?"),
        (RUN + "{{ after[0] }}", "no element 0"),
        (RUN + "{{ walltime | minuts }}", "minuts"),
        (RUN + "{{ walltime // 60 }}", "cannot be used"),
        (RUN + "{{ walltime | minutes }}", "cannot be used"),
        (RUN + "{{ 1 // 0 }}", "cannot be used"),
        (RUN + "{{", "cannot be used"),
        (RUN + "{% extends 'nosuch.j2' %}", "there is none of the name 'nosuch.j2'"),
        ('{% extends "odd.sh.j2" %}' + RUN, "cannot be used"),
    ],
)
def test_template_that_cannot_work(own_templates: Path, source: str, words: str) -> None:
    (own_templates / "odd.sh.j2").write_text(source)
    with pytest.raises(ConfigError, match=r"template odd\.sh\.j2") as told:
        render("odd.sh.j2", order())
    assert words in str(told.value)


def test_template_that_is_no_text(own_templates: Path) -> None:
    (own_templates / "odd.sh.j2").write_bytes(b"\xff\xfe")
    for name in ("odd.sh.j2", str(own_templates / "odd.sh.j2"), str(own_templates)):
        with pytest.raises(ConfigError, match="cannot be used"):
            render(name, order())


def test_template_by_name_and_by_path(
    own_templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_templates / "slurm.sh.j2").write_text(f"# mine\n{RUN}")
    assert render("slurm.sh.j2", order()).startswith("# mine")
    by_path = tmp_path / "by path.j2"
    by_path.write_text(
        f"{{% extends 'element.sh.j2' %}}{{% block run %}}\n# path\n{RUN}{{% endblock %}}"
    )
    assert "# path" in render(str(by_path), order())
    monkeypatch.chdir(tmp_path)
    assert "# path" in render("./by path.j2", order())
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "# path" in render("~/by path.j2", order())


@pytest.mark.parametrize("name", scheduler_names())
def test_a_block_is_extended(own_templates: Path, name: str) -> None:
    shipped = get_scheduler(name).template
    (own_templates / shipped).write_text(
        f'{{% extends "shipped/{shipped}" %}}\n'
        "{% block directives %}\n{{ super() }}\n# {{ title | comment }} of ours\n{% endblock %}\n"
        "{% block run %}\n{{ self.index() | comment }} {{ super() }}{% endblock %}\n"
    )
    before, after = (render(template, order()) for template in (f"shipped/{shipped}", shipped))
    assert [line for line in before.split("\n") if line not in after] == []
    assert any(line.endswith(" of ours") for line in after.split("\n"))
    assert before.count("\n") < after.count("\n")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('{% extends "mine.j2" %}', "it extends itself: write shipped/NAME"),
        ('{% extends "shipped/slurm.sh.j2" %}{% block directivs %}{% endblock %}', "'directives'"),
        ('{% extends "folder/none.j2" %}', "a path begins with / or ./"),
    ],
)
def test_a_template_that_extends_what_is_not_there(
    own_templates: Path, source: str, words: str
) -> None:
    (own_templates / "mine.j2").write_text(source)
    with pytest.raises(ConfigError, match=words):
        render("mine.j2", order())


@pytest.mark.parametrize("name", ["nosuch.sh.j2", "/nosuch/x.j2", "./nosuch.j2", "../slurm.sh.j2"])
def test_missing_template(own_templates: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be used"):
        render(name, order())


def test_templates_of_a_checkout() -> None:
    shipped = Path(template_folders()[-1])
    for name in scheduler_names():
        assert (shipped / get_scheduler(name).template).is_file()


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("local", {"queue": "long"}),
        ("local", {"account": "me"}),
        ("local", {"gpus": 1}),
        ("sge", {"nodes": 2}),
        ("sge", {"qos": "high"}),
        ("lsf", {"qos": "high"}),
        ("pbs", {"qos": "high"}),
        ("drmaa", {"nodes": 2}),
        ("drmaa", {"qos": "high"}),
    ],
)
def test_a_resource_that_nothing_comes_of_is_refused(name: str, asked: dict[str, Any]) -> None:
    with pytest.raises(ResourceError, match=f"{next(iter(asked))}=.* has no use for it"):
        render(f"{name}.sh.j2", order(resources=Resources.parse(asked)))


WAITS = {
    "slurm": [
        (("7", "8"), (), ["--dependency=afterany:7:8"]),
        ((), ("9",), ["--dependency=afterok:9", "--kill-on-invalid-dep=yes"]),
        (
            ("7",),
            ("8", "9"),
            ["--dependency=afterany:7,afterok:8:9", "--kill-on-invalid-dep=yes"],
        ),
    ],
    "sge": [
        (("7", "8"), (), ["-hold_jid", "7,8"]),
        ((), ("9",), ["-hold_jid", "9"]),
        (("7",), ("8", "9"), ["-hold_jid", "7,8,9"]),
    ],
    "lsf": [
        (("7", "8"), (), ["-w", "ended(7) && ended(8)"]),
        ((), ("9",), ["-w", "ended(9)"]),
        (("7",), ("8", "9"), ["-w", "ended(7) && ended(8) && ended(9)"]),
    ],
    "pbs": [
        (("7[]", "8"), (), ["-W", "depend=afterany:7[]:8"]),
        ((), ("9[]",), ["-W", "depend=afterok:9[]"]),
        (("7[]",), ("8", "9[]"), ["-W", "depend=afterany:7[],afterok:8:9[]"]),
    ],
    "torque": [
        (("7[]", "8[]"), (), ["-W", "depend=afteranyarray:7[]:8[]"]),
        ((), ("9[]",), ["-W", "depend=afterokarray:9[]"]),
        (("7[]",), ("9[]",), ["-W", "depend=afteranyarray:7[],afterokarray:9[]"]),
    ],
    "drmaa": [
        (("a-7", "a-8"), (), ["--after=a-7,a-8"]),
        (("a-7",), ("a-8", "a-9"), ["--after=a-7,a-8,a-9"]),
    ],
    "local": [
        (("h:b:7", "h:b:8"), (), ["--after=h:b:7,h:b:8"]),
        ((), ("h:b:9",), ["--after-ok=h:b:9"]),
        (("h:b:7",), ("h:b:8",), ["--after=h:b:7", "--after-ok=h:b:8"]),
    ],
}


@pytest.mark.parametrize("name", WAITS)
def test_what_an_array_waits_for(name: str) -> None:
    plain = words_of(render(get_scheduler(name).template, order()))
    for after, after_ok, expected in WAITS[name]:
        waits = order(after=after, after_ok=after_ok)
        words = words_of(render(get_scheduler(name).template, waits))
        assert [word for word in words if word not in plain] == expected
