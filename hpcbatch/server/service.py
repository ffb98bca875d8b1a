"""The server as a service of the user's systemd, which starts it with the machine."""

from __future__ import annotations

import os
import shlex
import sys

from ..disk.files import publish
from ..registry.registry import Registry
from ..words.layout import config_home
from .lifecycle import Serving

NAME = "hpcbatch-server.service"
_UNIT = """\
[Unit]
Description=hpcbatch server of {root}
After=network.target

[Service]
# a login shell, since sites set up their schedulers in its profile
ExecStart=/bin/bash -lc {command}
Restart=on-failure
RestartSec=5
UMask=0077
NoNewPrivileges=yes
# what runs on this machine goes on without the server, which finds it again
KillMode=process

[Install]
WantedBy=default.target
"""


def install_service(registry: Registry, asked: Serving) -> str:
    """Write the unit; returns its path. Raises RegistryUnwritable."""
    path = f"{config_home()}/systemd/user/{NAME}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    publish(path, unit(registry.root, asked).encode())
    return path


def unit(root: str, asked: Serving) -> str:
    own = [sys.executable, "-m", "hpcbatch", "--root", root, "server", "run", *asked.argv()]
    return _UNIT.format(root=_plain(root), command=_quoted(f"exec {shlex.join(own)}"))


def _quoted(text: str) -> str:
    """One word of a command line of a unit (systemd.service, "Command lines")."""
    for old, new in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$"), ("\n", "\\n")):
        text = text.replace(old, new)
    return f'"{text}"'


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text).replace("%", "%%")
