"""The unit for systemd: a command line that arrives as it was."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from hpcbatch.cli.main import main
from hpcbatch.server.lifecycle import Serving
from hpcbatch.server.service import unit
from tests.core import ROOT


def command_of(text: str) -> str:
    """The shell's command, as systemd reads the line."""
    [line] = [line for line in text.splitlines() if line.startswith("ExecStart=")]
    quoted = line.removeprefix("ExecStart=/bin/bash -lc ")
    assert quoted[0] == quoted[-1] == '"'
    plain, rest = "", quoted[1:-1]
    while rest:
        for old, new in (("\\\\", "\\"), ('\\"', '"'), ("%%", "%"), ("$$", "$"), ("\\n", "\n")):
            if rest.startswith(old):
                plain, rest = plain + new, rest[2:]
                break
        else:
            assert rest[0] not in '\\"%$'
            plain, rest = plain + rest[0], rest[1:]
    return plain


@pytest.mark.parametrize(
    "root", ["/a b", "/it's", '/"x"', "/$HOME", "/%h", "/`id`", "/a\nb", "/\\"]
)
def test_the_shell_gets_the_folder(root: str) -> None:
    command = command_of(unit(root, Serving(port=0))).replace("exec ", "printf '%s\\0' ", 1)
    words = subprocess.run(["bash", "-c", command], capture_output=True, check=True).stdout
    assert words.decode().split("\0")[3:8] == ["--root", root, "server", "run", "--port"]


def test_it_is_written_where_systemd_looks(tmp_path: Path) -> None:
    root = str(tmp_path / "root")
    done = CliRunner().invoke(main, ["--root", root, "server", "install-service", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["unit"] == f"{os.environ['XDG_CONFIG_HOME']}/systemd/user/hpcbatch-server.service"
    text = Path(told["unit"]).read_text()
    assert f"--root {root} server run" in text
    assert "KillMode=process" in text
    if shutil.which("systemd-analyze"):
        assert "hpcbatch" not in analyzed("verify", "--user", told["unit"])


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd")
def test_the_unit_of_the_example_is_hardened(tmp_path: Path) -> None:
    there = tmp_path / "hpcbatch@root.service"
    shutil.copy(ROOT / "examples/server/hpcbatch@.service", there)
    assert "hpcbatch" not in analyzed("verify", str(there))
    told = analyzed("security", "--offline=true", "--threshold=30", str(there))
    assert "Overall exposure level" in told
    assert not re.search("UNSAFE|EXPOSED|MEDIUM", told.splitlines()[-1])


def analyzed(*words: str) -> str:
    """What systemd says of a unit."""
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True)
    return done.stdout + done.stderr
