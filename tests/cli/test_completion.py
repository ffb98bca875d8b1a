"""What the shell offers on Tab."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete, CompletionItem

from hpcbatch.cli.main import main
from hpcbatch.registry.root import default_root
from hpcbatch.sites import default, known_sites
from hpcbatch.sites.known_sites import Card

from .conftest import Shell


def completions(words: str) -> list[CompletionItem]:
    *before, beginning = words.split(" ")
    complete = BashComplete(main, {}, "hpcbatch", "_HPCBATCH_COMPLETE")
    return complete.get_completions(before, beginning)


def offered(words: str) -> list[str]:
    return [item.value for item in completions(words)]


def kinds(words: str) -> list[str]:
    return [item.type for item in completions(words)]


def test_commands_options_and_what_they_are_about(hb: Shell) -> None:
    assert offered("resu") == ["resubmit"]
    assert "--retries" in offered("map sim.py:f --re")
    hb.fakes.hold()
    task = hb.map()
    assert offered("status ") == [task, "last"]
    assert offered(f"status {task[:4]}") == [task]
    assert offered("map -c slu") == ["slurm"]
    known_sites.add(Card("https://lab:7033", "a" * 52), "lab")
    assert offered("list --site l") == ["lab"]
    assert offered("--site lab status ") == []
    default.write("lab")
    assert offered("status ") == offered("map -c slu") == []
    assert offered(f"status --root {default_root()} ") == [task, "last"]


def test_states_reasons_and_files(hb: Shell) -> None:
    assert offered("jobs last --state er") == ["error"]
    assert offered("resubmit last --only error,ex") == ["error,expired"]
    assert offered("map --retry-on timeout,n") == ["timeout,node-failure"]
    assert offered("config show slu") == ["slurm"]
    for words in ("map ", "map --args-file ", "collect last -o ", "resubmit last --function ",
                  "keys add ", "keys import ", "server run --settings "):  # fmt: skip
        assert kinds(f"{words}stu") == ["file"], words
    assert kinds("list --root st") == kinds("map --with-project st") == ["dir"]


def test_functions_are_read_from_a_file_that_is_not_run(hb: Shell) -> None:
    source = (
        "raise SystemExit\n\ndef one(): ...\ndef other(): ...\ndef _own(): ...\nclass Model: ..."
    )
    (hb.work / "code.py").write_text(source)
    (hb.work / "broken.py").write_text("def")
    assert offered("map code.py") == ["code.py:one", "code.py:other", "code.py:Model"]
    assert offered("map code.py:o") == ["code.py:one", "code.py:other"]
    assert offered(f"resubmit last --function {hb.work}/code.py:M") == [f"{hb.work}/code.py:Model"]
    (hb.work / "deep.py").write_text(f"x = {'-' * 200_000}1")
    os.mkfifo(hb.work / "pipe.py")
    for name in ("broken", "deep", "pipe", "absent"):
        assert offered(f"map {name}.py:") == []
    assert kinds("map part:of") == ["file"]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("hpcbatch map stu", ["-o", "default"]),
        ("hpcbatch list --root stu", ["-o", "dirnames"]),
        ("hpcbatch map sim.py:sim", ["simulate"]),
        (
            "hpcbatch map ./sim.py",
            [f"./sim.py:{name}" for name in ("simulate", "Point", "point", "echo", "number")],
        ),
        ("hpcbatch --site ssh://me@login stat", ["status"]),
        ("hpcbatch map sim.py:simulate --cluster=slu", ["slurm"]),
        ("hpcbatch map sim.py:simulate -c slu and more", ["slurm"]),
        ("hpcbatch map sim.py:simulate --retries ", []),
        ("hpcbatch resubmit last --function=sim.py:sim", ["simulate"]),
        ("hpcbatch map 'sim.py:sim", ["sim.py:simulate"]),
        ("hpcbatch map --name 'a b' sim.py:sim", ["simulate"]),
        (r"hpcbatch map a\ b:c.py:o", ["one"]),
        (r"hpcbatch map a\ b:c.py", ["c.py:one"]),
        ("hpcbatch map $PWD/sim.py:sim", ["simulate"]),
        ("hpcbatch map ${PWD}/a\\ b:c.py:o", ["one"]),
        ("hpcbatch map '$PWD/sim.py:sim", []),
        ("hpcbatch map \\$PWD/sim.py:sim", []),
        ("hpcbatch map $NO_SUCH/sim.py:sim", []),
        ("HERE hpcbatch map sim.py:sim", ["sim.py:simulate"]),
        (r"hpcbatch map a\ b\:c.py:o", ["one"]),
        ('hpcbatch map "a b:c.py":o', ["one"]),
        ('hpcbatch map "a b:c.py:o', ["a", "b:c.py:one"]),
        ("hpcbatch resubmit last --function='a b:c.py:o", ["a", "b:c.py:one"]),
    ],
)
def test_bash_takes_a_colon_for_the_end_of_a_word(hb: Shell, line: str, answer: list[str]) -> None:
    """``HERE`` stands for a user who took the colon from the breaks."""
    (hb.work / "a b:c.py").write_text("def one(): ...")
    breaks = r" \t\n\"><=;|&(" + ("" if line.startswith("HERE") else ":")
    line = line.removeprefix("HERE ")
    program = f"{os.path.dirname(sys.executable)}/hpcbatch"
    point = len(line.removesuffix(" and more"))
    script = f"""
        {hb.ok("completion", "bash")}
        COMP_LINE={shlex.quote(line)} COMP_POINT={point} COMP_WORDBREAKS=$'{breaks}'
        compopt() {{ echo "$@"; }}
        _hpcbatch_completion {shlex.quote(program)}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    told = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.split() == answer


def test_what_cannot_be_read_offers_nothing(
    hb: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "broken.yaml"
    config.write_text("clusters: [")
    monkeypatch.setenv("HPCBATCH_CONFIG", str(config))
    assert offered("map -c s") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_takes_it(hb: Shell, shell: str) -> None:
    script = hb.ok("completion", shell)
    assert "_HPCBATCH_COMPLETE" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)


def test_the_shell_in_use(hb: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/zsh")
    assert hb.ok("completion") == hb.ok("completion", "zsh")
    monkeypatch.setenv("SHELL", "/bin/csh")
    assert "bash, zsh, fish" in hb.fails(2, "completion")
    assert os.environ["SHELL"] == "/bin/csh"
