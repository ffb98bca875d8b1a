"""How elements end, and that nothing of them is left."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

STUBBORN = "trap '' TERM; "
ESCAPES = {
    "background": "sleep 1000 & echo $! > pid",
    "nohup": "nohup sleep 1000 > /dev/null & echo $! > pid",
    "setsid": "setsid sleep 1000 & sleep 0.1; pgrep -s $! | head -1 > pid; echo $! >> pid",
    "double fork": "( (sleep 1000 & echo $! > pid) & )",
    "setsid and double fork": "( setsid bash -c 'echo $$ > pid; exec sleep 1000' & )",
    "empty environment": "( env -i setsid bash -c 'echo $$ > pid; exec sleep 1000' & )",
    "deaf": "(setsid bash -c \"trap '' TERM; echo \\$\\$ > pid; while :; do sleep 9; done\" &)",
    "stopped": "( setsid bash -c 'echo $$ > pid; kill -STOP $$; sleep 1000' & )",
}


def gone(pid: int) -> bool:
    """Dead; who adopted it may not have buried it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def python(local: Any, name: str, code: str) -> str:
    (local.work / name).write_text(textwrap.dedent(code))
    return f"{sys.executable} {local.work}/{name}"


def test_each_ending_has_its_word(local: Any) -> None:
    body = """case $HPCBATCH_LOCAL_INDEX in
    0) true;; 1) exit 3;; 2) kill -USR1 $$;; 3) bash -c 'kill -9 $$';; 4) kill -9 $$;; esac"""
    ends = local.ended(local.submit(body, elements=5))
    told = [(end["ending"], end["code"], end["signal"]) for _, end in sorted(ends.items())]
    assert told == [
        ("ok", 0, None),
        ("exit-code", 3, None),
        ("killed", None, 10),
        ("exit-code", 137, None),
        ("killed", None, 9),
    ]
    for end in ends.values():
        assert end["started"] <= end["ended"] + 0.01
        assert 0 <= end["elapsed"] < 20
        assert end["host"]


def test_cpu_and_memory_are_those_of_the_tree(local: Any) -> None:
    hold = python(
        local,
        "hold.py",
        """
        import os, sys, time
        x = bytearray(80 << 20)
        sum(range(5_000_000))
        open(sys.argv[1], "w").close()
        while not os.path.exists(sys.argv[2]):
            time.sleep(0.01)
        time.sleep(1.5)
        """,
    )
    end = local.ended(local.submit(f"{hold} one two & {hold} two one & wait"))[0]
    assert 160 << 20 < end["memory"] < 260 << 20
    assert 0.1 < end["cpu"] < 20


def test_a_short_one_has_its_peak_too(local: Any) -> None:
    hold = python(local, "hold.py", "x = bytearray(120 << 20)")
    assert local.ended(local.submit(hold))[0]["memory"] > 120 << 20


@pytest.mark.parametrize("how", ESCAPES)
def test_what_outlives_its_leader_is_killed(local: Any, how: str) -> None:
    id = local.submit(ESCAPES[how] + "\nuntil [ -s pid ]; do sleep 0.01; done", kill_wait=0.3)
    assert local.ended(id)[0]["ending"] == "ok"
    assert gone(local.number("pid"))


def test_only_its_own_are_killed(local: Any) -> None:
    long = local.submit("setsid sleep 1000 & echo $! > long; wait")
    pid = local.number("long")
    short = local.submit("setsid sleep 1000 & echo $! > short; true")
    assert local.ended(short)[0]["ending"] == "ok"
    assert gone(local.number("short"))
    assert not gone(pid)
    local.cancel(long)
    local.ended(long)


def test_one_that_forks_on_and_on_is_caught(local: Any) -> None:
    chain = python(
        local,
        "chain.py",
        """
        import os, signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.setsid()
        open("chained", "w").write("1\\n")
        end = time.time() + 30
        while time.time() < end:
            if os.fork():
                os._exit(0)
        """,
    )
    id = local.submit(f"({chain} &) ; sleep 1000", kill_wait=0.2)
    local.number("chained")
    local.cancel(id)
    assert local.ended(id)[0]["ending"] == "canceled"
    local.nothing_lives()


def test_walltime(local: Any) -> None:
    body = "[ $HPCBATCH_LOCAL_INDEX = 0 ] && trap '' TERM\necho $$ > pid.$HPCBATCH_LOCAL_INDEX\n"
    id = local.submit(
        body + "while :; do sleep 1000; done", elements=2, walltime=0.5, kill_wait=0.5
    )
    ends = local.ended(id)
    assert [ends[0]["ending"], ends[1]["ending"]] == ["timeout", "timeout"]
    assert ends[0]["signal"] == 9
    assert ends[1]["signal"] == 15
    assert 0.5 <= ends[1]["elapsed"] < ends[0]["elapsed"] < 15
    assert ends[0]["elapsed"] >= 1.0


def test_one_that_ends_by_itself_on_term_timed_out_all_the_same(local: Any) -> None:
    id = local.submit("trap 'exit 0' TERM; sleep 1000 & wait", walltime=0.3)
    end = local.ended(id)[0]
    assert (end["ending"], end["code"]) == ("timeout", 0)


def test_memory_of_a_child_of_a_child(local: Any) -> None:
    grow = python(local, "grow.py", "x = bytearray(300 << 20); import time; time.sleep(1000)")
    id = local.submit(f"bash -c '(setsid {grow} & wait); true'; true", memory=150 << 20)
    end = local.ended(id)[0]
    assert end["ending"] == "out-of-memory"
    assert 150 << 20 < end["memory"] < 400 << 20


def test_shared_pages_count_once(local: Any) -> None:
    share = python(
        local,
        "share.py",
        """
        import os, time
        x = bytearray(100 << 20)
        for _ in range(3):
            if os.fork() == 0:
                time.sleep(1)
                os._exit(0)
        for _ in range(3):
            os.wait()
        """,
    )
    end = local.ended(local.submit(share, memory=250 << 20))[0]
    assert end["ending"] == "ok"
    assert 100 << 20 < end["memory"] < 200 << 20


def test_canceled_indices_only(local: Any) -> None:
    id = local.submit("echo $$ > pid.$HPCBATCH_LOCAL_INDEX; sleep 1000", elements=10)
    running = [local.number("pid.0"), local.number("pid.1")]
    assert local.listed(id)["running"] == [[0, 1]]
    local.cancel(id, "1,4-5,8,77")
    local.number("pid.2")
    assert gone(running[1])
    assert not gone(running[0])
    local.eventually(lambda: local.listed(id)["queued"] == [[3, 3], [6, 7], [9, 9]])
    ends = local.endings(id)
    assert {index: end["ending"] for index, end in ends.items()} == dict.fromkeys(
        (1, 4, 5, 8), "canceled"
    )
    assert ends[4]["started"] is None
    local.cancel(id, "1,4-5,8,77")
    local.cancel(id)
    assert [end["ending"] for end in local.ended(id).values()] == ["canceled"] * 10
    assert not local.lines("pid.4")
    local.cancel(id)
    local.cancel(id, "0-3")


def test_a_deaf_one_is_killed_after_the_grace(local: Any) -> None:
    id = local.submit(STUBBORN + "echo $$ > pid; while :; do sleep 1000; done")
    pid = local.number("pid")
    local.cancel(id, "--kill-wait", "1000")
    local.cancel(id, "0", "--kill-wait", "0.3")
    end = local.ended(id)[0]
    assert (end["ending"], end["signal"]) == ("canceled", 9)
    assert gone(pid)


def test_term_can_be_used_to_leave_in_order(local: Any) -> None:
    id = local.submit("trap 'echo left > left; exit 7' TERM; echo $$ > pid; sleep 1000 & wait")
    local.number("pid")
    local.cancel(id)
    end = local.ended(id)[0]
    assert (end["ending"], end["code"]) == ("canceled", 7)
    assert local.lines("left") == ["left"]


def test_an_element_that_signals_everything_is_still_watched(local: Any) -> None:
    """Its shepherd hears no signal that can be ignored."""
    id = local.submit("kill -TERM $PPID; kill -HUP $PPID; kill -INT $PPID; exit 4")
    assert local.ended(id)[0]["code"] == 4
