"""A login node is set up by one command, and looked over."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.sites import known_sites
from hpcbatch.sites.ssh import remote_paths, setup, wheel
from hpcbatch.sites.ssh.keeper_client import Line
from hpcbatch.words.version import PYTHON
from tests.conftest import IS_LONG

from .conftest import Client
from .sshd import Host, Sshd

pytestmark = [pytest.mark.slow, pytest.mark.sshd]

# a Python whose pip unpacks the wheel that it is given, and finds all else installed
WITHOUT_PIP = """\
#!/bin/sh
own=$(dirname "$0")/../own
if [ "$2" = pip ]; then
    for word; do
        case "$word" in *.whl*) exec '{python}' -m zipfile -e "${{word%[*}}" "$own";; esac
    done
fi
PYTHONPATH=$own exec '{python}' "$@"
"""


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[tuple[Host, Sshd]]:
    """A node where hpcbatch never was."""
    host = Host()
    shutil.rmtree(host.code)
    shutil.rmtree(host.home / ".hpcbatch")
    sshd = Sshd(host.folder / "sshd", host)
    try:
        yield host, sshd
    finally:
        sshd.stop()
        host.remove()


def run(*argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hpcbatch", "remote", *argv]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr + done.stdout
    return done


def found(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return {each["about"]: each for each in json.loads(done.stdout)}


def test_a_node_is_set_up(client: Client, bare: tuple[Host, Sshd]) -> None:
    host, sshd = bare
    client.knows(sshd)
    client.configure(sshd.config("login"))
    line = client.site().line
    with pytest.raises(hb.SiteNotReady, match="remote setup"):
        client.site().specs()
    with pytest.raises(hb.SiteNotReady, match=f"has no Python {PYTHON}"):
        setup.look(line, "/no where/python", [])
    with pytest.raises(hb.SiteNotReady, match="what --setup says fails"):
        setup.look(line, "", ["module load nothing-of-it"])
    if not IS_LONG:
        venv = host.home / remote_paths.FOLDER / f"venv-{hb.__version__}-py{PYTHON}"
        (venv / "bin").mkdir(parents=True)
        for name in ("python", "pip"):
            (venv / "bin" / name).write_text(WITHOUT_PIP.format(python=host.python))
            (venv / "bin" / name).chmod(0o755)
        host.own(host.home)
    config = host.home / ".config/hpcbatch/hpcbatch.yaml"
    config.unlink()
    lines = ("--setup", "export FROM_SETUP='two words'", "--setup", "echo noise")
    python = () if IS_LONG else ("--python", host.python)
    on = ("--cluster", "local")
    done = run("setup", "ssh://login", "--name", "lab", *lines, *python, *on, "--json")
    assert all(each["state"] == "fine" for each in found(done).values()), done.stdout
    assert known_sites.find("lab").address == "ssh://login"
    assert "\ndefault: local\n" in config.read_text(), "the usual one is the one of --cluster"
    assert "FROM_SETUP='two words'" in host.enter.read_text()
    assert host.enter.stat().st_mode & 0o777 == 0o600
    left = [path.name for path in host.enter.parent.iterdir() if "setup." in path.name]
    assert left == []
    site = client.site("lab")
    assert hb.tasks(site=site) == [], "the test job leaves nothing behind"
    assert site.line.close()
    assert not site.line.close()


def test_the_wheel_is_whole() -> None:
    """Every file, and a record that tells their digests."""
    with zipfile.ZipFile(io.BytesIO(wheel.make_wheel())) as made:
        names = set(made.namelist())
        info = f"hpcbatch-{hb.__version__}.dist-info"
        for line in made.read(f"{info}/RECORD").decode().splitlines():
            name, digest, size = line.rsplit(",", 2)
            names.remove(name)
            content = made.read(name)
            own = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
            assert (digest, size) in ((f"sha256={own}", str(len(content))), ("", ""))
        assert not names
        wanted = ("hpcbatch/templates/slurm.sh.j2", "hpcbatch/sites/ssh/remote.py")
        assert {*wanted, f"{info}/METADATA", f"{info}/entry_points.txt"} <= set(made.namelist())
        assert not [name for name in made.namelist() if name.endswith((".pyc", ".tmp"))]
        assert "click" in made.read(f"{info}/METADATA").decode()


def test_a_disk_without_room_is_told_as_people_read_it() -> None:
    found = setup.LoginNode("python3", "3.11", "/home/me", "login", "linux", 185667439, True, {})
    with pytest.raises(hb.SiteNotReady, match=r"has 177\.1 MB left, .* needs about 200\.0 MB"):
        setup.install(Line("me@login"), found, print)


def test_a_disk_that_is_full_leaves_no_half_task(client: Client, sshd: Sshd, host: Host) -> None:
    client.knows(sshd)
    client.configure(sshd.config("login"))
    host.write_entrance("ulimit -f 100")  # of 512 bytes, or of 1,024
    site = client.site("ssh://login/~/full")
    try:
        hb.create(abs, [1], site=site)
        with pytest.raises(hb.RegistryUnwritable):
            hb.create(len, [bytes(range(256)) * 4000], name="large", site=site)
        assert [task.name for task in hb.tasks(site=site)] == ["abs"]
    finally:
        host.write_entrance()
