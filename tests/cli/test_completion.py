"""What the shell offers on Tab."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from hpcbatch.cli.main import main
from hpcbatch.registry.root import default_root
from hpcbatch.sites import default, known
from hpcbatch.sites.known import Card

from .conftest import Shell


def offered(words: str) -> list[str]:
    from click.shell_completion import BashComplete

    *before, beginning = words.split(" ")
    complete = BashComplete(main, {}, "hpcbatch", "_HPCBATCH_COMPLETE")
    return [item.value for item in complete.get_completions(before, beginning)]


def test_commands_options_and_what_they_are_about(hb: Shell) -> None:
    assert offered("resu") == ["resubmit"]
    assert "--retries" in offered("map sim.py:f --re")
    hb.fakes.hold()
    task = hb.map()
    assert offered("status ") == [task, "last"]
    assert offered(f"status {task[:4]}") == [task]
    assert offered("map -c slu") == ["slurm"]
    known.add(Card("https://lab:7033", "a" * 52), "lab")
    assert offered("list --site l") == ["lab"]
    assert offered("--site lab status ") == []
    default.write("lab")
    assert offered("status ") == offered("map -c slu") == []
    assert offered(f"status --root {default_root()} ") == [task, "last"]


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
