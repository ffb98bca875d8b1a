"""Puts this version of hpcbatch on a login node: a virtual environment on the shared disk, and the
script by which it is entered."""

from __future__ import annotations

import json
import os
import shlex
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...cluster import shell
from ...disk.files import read
from ...words.errors import SchedulerError, SiteError, SiteNotReady
from ...words.text import size_text
from ...words.version import PYTHON
from . import remote_paths, scripts, wheel
from .exchange import Exchange
from .keeper_client import Line

NEEDS = 200 << 20  # bytes on the disk of the home folder
FETCHED_WITHIN = 1800.0  # seconds; some of it may be built, and some networks are slow
ONLY_SOURCES = ("drmaa",)  # published without a wheel; pure Python
_HERE = os.path.dirname(os.path.abspath(__file__))
_FOLDER = f'"$HOME/{remote_paths.FOLDER}"'
_BEGIN = f"""\
umask 077
mkdir -p {_FOLDER} || exit 73
T=$(mktemp -d {_FOLDER}/setup.XXXXXX) || exit 73
trap 'rm -rf "$T"' EXIT"""
_MINOR = b"import sys\nprint('%d.%d' % sys.version_info[:2])\n"  # for any Python at all
# what a person gets who logs in, and what is missing in the shell of a command
_LOOK = """\
env -0 >"$T/plain"
bash -l -c '
    . "$1/lines" >&2 || exit 71
    env -0 >"$1/login"
    while read -r python <&3; do
        python=${python/#~\\//$HOME/}
        told=$("$python" "$1/minor.py" 2>/dev/null) || continue
        echo "$python is $told" >>"$1/versions"
        if [ "$told" = "$2" ]; then exec "$python" "$1/probe.py" "$1" 3<&-; fi
    done 3<"$1/pythons"
    cat "$1/versions" 2>/dev/null
    exit 72' setup "$T" "$MINOR"
"""


@dataclass(frozen=True)
class LoginNode:
    """What is there."""

    python: str
    minor: str
    home: str
    host: str
    platform: str
    free: int
    has_venv: bool
    variables: dict[str, str]


def look(line: Line, python: str, lines: Sequence[str]) -> LoginNode:
    """Raises SiteNotReady."""
    candidates = [python] if python else [f"python{PYTHON}", "python3", "python"]
    script = "\n".join(
        [
            _BEGIN,
            scripts.file('"$T/lines"', "".join(f"{each}\n" for each in lines).encode()),
            scripts.file('"$T/pythons"', "".join(f"{each}\n" for each in candidates).encode()),
            scripts.file('"$T/minor.py"', _MINOR),
            scripts.file('"$T/probe.py"', read(f"{_HERE}/probe.py")),
            f"MINOR={PYTHON}",
            _LOOK,
        ]
    )
    done = scripts.run(line, script)
    if done.status == 72:
        there = ", ".join(done.output.strip().splitlines()) or "none was found"
        raise SiteNotReady(
            f"{line.login} has no Python {PYTHON} ({there}). A function that is sent from here "
            "needs the same minor version there: name one with --python, or load it with --setup, "
            f"such as --setup 'module load python/{PYTHON}'"
        )
    if done.status == 71:
        raise SiteNotReady(f"what --setup says fails at {line.login}: {done.said}")
    if done.status:
        raise SiteNotReady(f"nothing can be set up at {line.login}: {done.said}")
    return LoginNode(**json.loads(done.output.strip().splitlines()[-1]))


def install(line: Line, found: LoginNode, tell: Callable[[str], None]) -> None:
    """Make the environment, and the entrance when it is whole. Raises SiteNotReady."""
    if found.free < NEEDS:
        raise SiteNotReady(
            f"the disk of {found.home} at {line.login} has {size_text(found.free)} left, and an "
            f"environment needs about {size_text(NEEDS)}: make room there first"
        )
    if not found.has_venv:
        raise SiteNotReady(
            f"{found.python} at {line.login} cannot make virtual environments: it lacks venv or "
            "ensurepip (Debian's python3-venv). Name another with --python"
        )
    tell("making an environment, and installing hpcbatch there")
    done = scripts.run(line, _installing(found))
    if done.status == 74:
        tell("it has no package index: sending what hpcbatch needs from here")
        done = scripts.run(line, _installing(found, _wheels(found)))
    if done.status:
        raise SiteNotReady(f"hpcbatch could not be installed at {line.login}: {done.said}")
    entered = scripts.run(line, _entrance(found))
    if entered.status:
        raise SiteNotReady(
            f"{remote_paths.FOLDER} at {line.login} cannot be written: {entered.said}"
        )
    line.close()  # commands that wait there already are of what was there before
    Exchange(line, "").ask("hello")


def _environment(found: LoginNode) -> str:
    """Quoted for the shell."""
    return shlex.quote(f"{found.home}/{remote_paths.ENVIRONMENT}")


def _installing(found: LoginNode, wheels: Sequence[tuple[str, bytes]] = ()) -> str:
    venv = _environment(found)
    pip = f"{venv}/bin/python -m pip --no-input --disable-pip-version-check --quiet install"
    index = '--no-index --find-links "$T/wheels"' if wheels else "--retries 1 --timeout 10"
    own = f'"$T/wheels/{wheel.NAME}"'
    with_extra = f"{own}'[{wheel.EXTRA}]'"
    return "\n".join(
        [
            _BEGIN,
            'mkdir "$T/wheels" || exit 73',
            scripts.file(own, wheel.make_wheel()),
            *(scripts.file(f'"$T/wheels/{name}"', content) for name, content in wheels),
            *_exports(found),
            f"[ -x {venv}/bin/pip ] || {shlex.quote(found.python)} -m venv {venv} || exit 75",
            # the same version may have been installed before, with other files
            f"{pip} --force-reinstall --no-deps {own} || exit 76",
            f"{pip} {index} {with_extra} || exit 74",
        ]
    )


def _wheels(found: LoginNode) -> list[tuple[str, bytes]]:
    """Of what hpcbatch needs, for the machine there. Raises SiteError."""
    needed = wheel.requirements()
    with tempfile.TemporaryDirectory(prefix="hpcbatch-") as folder:
        if found.platform == sysconfig.get_platform():
            _pip("wheel", "--wheel-dir", folder, *needed)
        else:
            machine = found.platform.rpartition("-")[2]
            kind = ["--only-binary", ":all:", "--python-version", found.minor]
            for system in ("manylinux2014", "manylinux_2_28"):
                kind += ["--platform", f"{system}_{machine}"]
            built = [each for each in needed if each.startswith(ONLY_SOURCES)]
            _pip("wheel", "--no-deps", "--wheel-dir", folder, *built)
            others = [each for each in needed if each not in built]
            _pip("download", "--dest", folder, *kind, *others)
        return [(name, read(f"{folder}/{name}")) for name in sorted(os.listdir(folder))]


def _pip(*words: str) -> None:
    argv = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", "--quiet"]
    everything = ("*",)  # hazard: pip has its index, proxies and certificates from variables
    try:
        done = shell.run(
            [*argv, *words], timeout=FETCHED_WITHIN, variables=everything, folder=os.getcwd()
        )
    except SchedulerError as error:
        raise SiteError(f"what hpcbatch needs could not be fetched: {error}") from error
    if done.status:
        raise SiteError(f"what hpcbatch needs could not be fetched: {done.stderr.strip()[-2000:]}")


def _exports(found: LoginNode) -> list[str]:
    return [f"export {n}={shlex.quote(v)}" for n, v in sorted(found.variables.items())]


def _entrance(found: LoginNode) -> str:
    """Published whole: a command may be using the one before."""
    venv = _environment(found)
    lines = [
        "# Made by hpcbatch remote setup: the variables of a login shell there, and of --setup.",
        *_exports(found),
        "[ $# -gt 0 ] || set -- hpcbatch.sites.ssh.remote",
        f'exec {venv}/bin/python -m "$@"',
    ]
    content = "".join(f"{each}\n" for each in lines).encode("utf-8", "surrogateescape")
    target = f'"$HOME/{remote_paths.FOLDER}/{remote_paths.entrance()}"'
    return "\n".join([_BEGIN, scripts.file('"$T/enter"', content), f'mv "$T/enter" {target}'])


def configure(line: Line, default: str | None) -> dict[str, Any]:
    """Write a configuration for the schedulers there, unless its user has one; what was written,
    if any. ``default``: the usual cluster, where several are there."""
    own = '"${XDG_CONFIG_HOME:-$HOME/.config}/hpcbatch/hpcbatch.yaml"'
    init = f"{remote_paths.command()} hpcbatch clusters init --json"
    if default is not None:
        init += f" --default {shlex.quote(default)}"
    done = scripts.run(line, f"[ -e {own} ] || {init}")
    told = (done.output.strip().splitlines() or ["{}"])[-1]
    try:
        return dict(json.loads(told))
    except ValueError:
        return {"error": "", "message": done.said}
