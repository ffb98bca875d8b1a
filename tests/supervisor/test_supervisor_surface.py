"""What the commands take, refuse and answer."""

from __future__ import annotations

import json
import os
import resource
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hpcbatch.supervisor import directives
from hpcbatch.words.errors import SubmissionRejected

HOSTILE = [
    "two words",
    'it\'s "quoted"',
    "; touch broken; $(touch broken) `touch broken`",
    "back\\slash and --elements=9",
    "tab\tand ünïcödé 名",
    "../../etc/passwd",
    "-n",
    "*?[a-z]#",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_comes_back_whole(name: str) -> None:
    import shlex

    assert directives.parse(f"#LOCAL --name={shlex.quote(name)}\ntrue".encode())["name"] == name


def test_hostile_names_in_both_answers(local: Any) -> None:
    import shlex

    name = " ".join(HOSTILE)
    script = (
        f"#!/bin/bash\n#LOCAL --name={shlex.quote(name)}\nsleep 1000\n".encode() + b"# \xff\xfe\n"
    )
    done = local.run("submit", script=script)
    id = done.stdout.decode().strip()
    entry = local.listed(id)
    assert entry["name"] == name
    assert abs(entry["submitted"] - time.time()) < 60
    local.cancel(id, "--kill-wait", "0")
    local.ended(id)
    assert local.ask("history", id)[0]["name"] == name


def test_a_spool_with_a_hostile_name(local: Any) -> None:
    base = local.base / "a b;'c\"\\$(x)"
    base.mkdir()
    local.environment["HPCBATCH_LOCAL_SPOOL"] = str(base)
    local.base = base
    assert local.ended(local.submit("exit 3"))[0]["code"] == 3


def test_directives() -> None:
    script = b"""#!/bin/bash
# a comment
#LOCAL --elements=10 --throttle=4 --name='a b'

#LOCAL --walltime=3600 --memory=524288000
#LOCAL --cpus=2 --kill-wait=0.5
#LOCALITY --nothing=1
echo
#LOCAL --elements=99
"""
    asked = directives.parse(script)
    told = {"name": "a b", "elements": 10, "throttle": 4, "walltime": 3600.0, "memory": 524288000}
    assert asked == {**directives.DEFAULTS, **told, "cpus": 2, "kill_wait": 0.5}
    assert directives.parse(b"true") == directives.DEFAULTS


@pytest.mark.parametrize(
    "line",
    [
        "--elements=0",
        "--elements=-1",
        "--elements=ten",
        "--elements=1000001",
        "--elements",
        "--elements 3",
        "--throttle=0",
        "--walltime=0",
        "--walltime=nan",
        "--walltime=inf",
        "--walltime=1:00",
        "--memory=1.5",
        "--memory=4GB",
        "--cpus=0",
        "--kill-wait=-1",
        "--name=",
        "--name='open",
        "--colour=red",
        "elements=3",
    ],
)
def test_bad_directives(line: str) -> None:
    with pytest.raises(SubmissionRejected):
        directives.parse(f"#!/bin/bash\n#LOCAL {line}\ntrue\n".encode())


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("#LOCAL --element=3\ntrue", "did you mean 'elements'?"),
        ("#LOCAL --cpus=many\ntrue", "--cpus wants a whole number of 1 or more, not 'many'"),
        ("", "no script"),
    ],
)
def test_a_refusal_is_one_line_and_leaves_nothing(local: Any, script: str, said: str) -> None:
    done = local.run("submit", script=script)
    assert done.returncode == 1
    assert done.stdout == b""
    assert said in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1
    assert local.ask("history") == []


@pytest.mark.parametrize("slots", ["0", "-1", "two", "1.5"])
def test_bad_slots(local: Any, slots: str) -> None:
    done = local.run("submit", script="true", HPCBATCH_LOCAL_SLOTS=slots)
    assert done.returncode == 1
    assert b"HPCBATCH_LOCAL_SLOTS" in done.stderr


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["what"],
        ["cancel"],
        ["cancel", "x:00000000:1", "3-"],
        ["submit", "file"],
        ["cancel", "x:00000000:1", "--kill-wait", "nan"],
    ],
)
def test_usage(local: Any, args: list[str]) -> None:
    assert local.run(*args).returncode == 2


def test_help(local: Any) -> None:
    done = local.run("--help")
    assert done.returncode == 0
    for command in (b"submit", b"list", b"history", b"cancel", b"limits"):
        assert b"\n  " + command in done.stdout


@pytest.mark.parametrize(
    ("module", "dear"),
    [
        ("__main__", ("typing", "argparse", "ctypes", "signal", "socket", "shutil")),
        ("detach", ("typing", "dataclasses", "subprocess")),
    ],
)
def test_what_runs_for_every_poll_and_submission_loads_little(
    module: str, dear: tuple[str, ...]
) -> None:
    show = f"print([name for name in {dear} if name in sys.modules])"
    source = f"import sys, hpcbatch.supervisor.{module}; {show}"
    told = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "[]"


def test_limits(local: Any) -> None:
    told = local.ask("limits")
    assert told["slots"] == 2
    assert told["cpus"] == len(os.sched_getaffinity(0))
    assert told["memory"] > 1 << 28
    assert told["host"] == os.uname().nodename
    assert Path("/proc/sys/kernel/random/boot_id").read_text().startswith(told["boot"])
    assert len(told["boot"]) == 8


def test_ids(local: Any) -> None:
    told = local.ask("limits")
    id = local.submit("true")
    assert id == f"{told['host']}:{told['boot']}:1"
    local.ended(id)
    here = f"{told['host']}:{told['boot']}:77"
    asked = [here, f"other:{told['boot']}:1", f"{told['host']}:00000000:1", "rubbish", "a:b:../1"]
    answers = local.ask("history", *asked, id)
    assert [answer["id"] for answer in answers] == [*asked, id]
    assert answers[0] == {"id": here, "unknown": True}
    assert answers[1]["unknown"]
    assert answers[1]["host"] == "other"
    assert answers[2]["boot"] == "00000000"
    assert answers[3] == {"id": "rubbish", "unknown": True}
    assert "unknown" not in answers[5]
    for text in asked:
        assert local.run("cancel", text).returncode == 1


def test_the_spool_is_private(local: Any) -> None:
    old = os.umask(0)
    try:
        local.ended(local.submit("true"))
    finally:
        os.umask(old)
    for folder, _, names in os.walk(next(local.base.iterdir())):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        for name in names:
            assert stat.S_IMODE(os.stat(f"{folder}/{name}").st_mode) == 0o600, name


def test_another_s_spool_is_refused(local: Any) -> None:
    local.ended(local.submit("true"))
    spool = next(local.base.iterdir())

    def refused(said: str) -> None:
        for args in (["submit"], ["list"], ["history"]):
            done = local.run(*args, script="true")
            assert done.returncode == 1
            assert said in done.stderr.decode()

    spool.chmod(0o750)
    refused("others can get at")
    spool.chmod(0o700)
    spool.rename(local.work / "moved")
    spool.symlink_to(local.work / "moved")
    refused("symbolic link")
    spool.unlink()
    spool.write_text("")
    refused("not a folder")
    spool.unlink()
    if os.geteuid() == 0:
        spool.mkdir(0o700)
        os.chown(spool, 12345, -1)
        refused("belongs to user 12345")
        spool.rmdir()
    assert local.everything() == []


def test_no_place_for_a_spool(local: Any) -> None:
    done = local.run("submit", script="true", HPCBATCH_LOCAL_SPOOL=f"{local.base}/none")
    assert done.returncode == 1
    assert b"cannot write" in done.stderr


def test_a_full_disk_is_told_and_leaves_nothing(local: Any) -> None:
    local.ended(local.submit("true"))
    script = local.script("# " + "x" * 5000)
    done = subprocess.run(
        local.command("submit"),
        input=script.encode(),
        capture_output=True,
        env=local.environment,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)),
        check=False,
    )
    assert done.returncode == 1
    assert b"cannot write" in done.stderr
    assert len(local.ask("history")) == 1
    assert len(list(next(local.base.iterdir()).glob("[0-9]*"))) == 1


def test_a_supervisor_that_cannot_stand_is_told(local: Any) -> None:
    """Its part of the disk space is missing: the script fits, the request no more."""
    local.ended(local.submit("true"))
    done = subprocess.run(
        local.command("submit"),
        input=b"#LOCAL --name=" + b"y" * 300 + b"\n#",
        capture_output=True,
        env=local.environment,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400)),
        check=False,
    )
    assert done.returncode == 1
    assert b"cannot write" in done.stderr
    assert len(list(next(local.base.iterdir()).glob("[0-9]*"))) == 1


def test_old_submissions_go_and_numbers_stay_unique(local: Any) -> None:
    ids = [local.submit("true") for _ in range(3)]
    running = local.submit("sleep 1000")
    for id in ids:
        local.ended(id)
    long_ago = time.time() - 8 * 86400
    for id in (*ids[:2], running):
        os.utime(local.folder(id), (long_ago, long_ago))
    fifth = local.submit("true")
    assert fifth.endswith(":5")
    known = [entry["id"] for entry in local.ask("history")]
    assert known == [ids[2], running, fifth]
    local.cancel(running, "--kill-wait", "0")


def test_spools_of_earlier_boots_go(local: Any) -> None:
    uid, host = os.geteuid(), os.uname().nodename

    def earlier(name: str, whose: str) -> Path:
        spool: Path = local.base / name
        spool.mkdir(0o700)
        (spool / "host").write_text(whose)
        (spool / "3").mkdir()
        (spool / "3" / "endings").write_text("")
        return spool

    ours = earlier(f"hpcbatch-{uid}-00000000", host)
    elsewhere = earlier(f"hpcbatch-{uid}-00000001", "another-host")
    anothers = earlier("hpcbatch-77777-00000000", host)
    local.ended(local.submit("true"))
    assert not ours.exists()
    assert elsewhere.exists()
    assert anothers.exists()


def test_the_records_are_lines_of_json(local: Any) -> None:
    id = local.submit("true", elements=3)
    local.ended(id)
    lines = (local.folder(id) / "endings").read_text().splitlines()
    assert sorted(json.loads(line)["index"] for line in lines) == [0, 1, 2]
