"""The settings of a server: what a YAML file says, and what holds without one."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..disk.exposure import check_trusted
from ..words.errors import ConfigError, ResourceError
from ..words.messages import nearest, without_file
from ..words.resources import parse_walltime
from ..words.yaml_text import read_yaml

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 7033
LOOPBACK = ("127.0.0.1", "::1", "localhost")
PROTOCOLS = ("https", "http", "unix")
MODULES = ("task", "validate", "info")
_ATTRIBUTE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*\Z")


@dataclass(frozen=True)
class ServerOptions:
    """Times are in seconds; None: without limit."""

    debug: bool = False
    require_auth: bool = True
    anonymous_request: bool = False  # without a token, where none is required
    modules_require_auth: tuple[str, ...] = MODULES
    max_concurrent_tasks: int = 100  # released and not at their end
    max_concurrent_jobs: int | None = None  # elements of a task at once
    task_queue_interval: float = 1.0  # between two looks at the queue
    max_release_tasks_per_second: float = 10.0
    keep_alive: float = 3600.0  # of a token
    task_root: str = ""  # the registry; empty: as without a server
    max_nodetime: int | None = None  # that an element may ask for
    func_newjob: str = ""  # see hooks
    func_validate_server: str = ""


@dataclass(frozen=True)
class ServerSettings:
    """``modules`` maps a path to a router of somebody else, ``package.module:router``."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    protocol: str = "https"
    names: tuple[str, ...] = ()  # by which it is reached, besides the machine's
    startup_script: str = ""
    batch_cluster: str | None = None
    modules: Mapping[str, str] = field(default_factory=dict)
    options: ServerOptions = field(default_factory=ServerOptions)

    @property
    def address(self) -> str:
        """Of ``unix`` the file is chosen where it is served."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.protocol}://{host}:{self.port}"


TOP = ("host", "port", "protocol", "names", "server_scripts", "modules", "options")
SCRIPTS = ("startup_script", "batch_cluster")


def read_settings(
    path: str | None, host: str | None = None, port: int | None = None
) -> ServerSettings:
    """What the file says, but for ``host`` and ``port`` where they are given. Raises ConfigError
    with the nearest right name for a setting that is unknown."""
    settings = ServerSettings() if path is None else _read(path)
    settings = settings if host is None else replace(settings, host=host)
    return settings if port is None else replace(settings, port=port)


def _read(path: str) -> ServerSettings:
    import yaml

    try:
        with open(path, encoding="utf-8") as file:
            check_trusted(path, os.fstat(file.fileno()), "make it yours alone (chown, chmod 600)")
            content = read_yaml(file.read(), os.path.basename(path))[0] or {}
    except (OSError, yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} cannot be read: {without_file(error)}") from error
    return _settings(path, _table(path, "", content, TOP))


def _settings(path: str, given: Mapping[str, Any]) -> ServerSettings:
    scripts = _table(path, "server_scripts", given.get("server_scripts"), SCRIPTS)
    names = tuple(each.name for each in fields(ServerOptions))
    options = _table(path, "options", given.get("options"), names)
    modules = given.get("modules") or {}
    if not isinstance(modules, dict):
        raise ConfigError(f"{path}: modules is no table of paths and routers")
    for path_prefix, router in modules.items():
        _attribute(path, f"modules: {path_prefix}", router)
        if not str(path_prefix).startswith("/") or str(path_prefix).endswith("/"):
            raise ConfigError(f"{path}: modules: {path_prefix!r} is no path such as /mine")
    read: dict[str, Any] = {
        name: _READERS[name](path, name, value) for name, value in options.items()
    }
    top: dict[str, Any] = {
        name: _READERS[name](path, name, given[name]) for name in TOP[:4] if name in given
    }
    top |= {name: _text(path, name, value) for name, value in scripts.items() if value}
    return ServerSettings(**top, modules=modules, options=ServerOptions(**read))


def _table(path: str, name: str, given: Any, known: tuple[str, ...]) -> Mapping[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise ConfigError(f"{path}: {name or 'the file'} is no table")
    for key in given:
        if key not in known:
            where = f"{name}." if name else ""
            raise ConfigError(f"{path}: unknown setting {where}{key}{nearest(str(key), known)}")
    return given


def _text(path: str, name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{path}: {name} {value!r} is no text")
    return value


def _flag(path: str, name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{path}: {name} {value!r} is neither true nor false")
    return value


def _whole(path: str, name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"{path}: {name} {value!r} is no whole number from 1 up")
    return value


def _limit(path: str, name: str, value: Any) -> int | None:
    return None if value is None else _whole(path, name, value)


def _positive(path: str, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e9:
        raise ConfigError(f"{path}: {name} {value!r} is no number above 0")
    return float(value)


def _port(path: str, name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 65536:
        raise ConfigError(f"{path}: port {value!r} is none from 1 to 65535, nor 0 for any")
    return value


def _protocol(path: str, name: str, value: Any) -> str:
    if value not in PROTOCOLS:
        raise ConfigError(f"{path}: protocol {value!r} is unknown{nearest(value, PROTOCOLS)}")
    return str(value)


def _time(path: str, name: str, value: Any) -> int | None:
    try:
        return None if value is None else parse_walltime(value, name)
    except ResourceError as error:
        raise ConfigError(f"{path}: {error}") from error


def _attribute(path: str, name: str, value: Any) -> str:
    if not isinstance(value, str) or not _ATTRIBUTE.match(value):
        raise ConfigError(f"{path}: {name}: {value!r} is nothing such as package.module:name")
    return value


def _modules(path: str, name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ConfigError(f"{path}: {name} {value!r} is no list such as [task, info]")
    for module in value:
        if module not in MODULES:
            raise ConfigError(
                f"{path}: {name}: unknown module {module!r}{nearest(module, MODULES)}"
            )
    return tuple(value)


def _names(path: str, name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ConfigError(f"{path}: {name} {value!r} is no list such as [login.lab.edu]")
    return tuple(_text(path, name, one) for one in value)


def _folder(path: str, name: str, value: Any) -> str:
    return os.path.abspath(os.path.expanduser(_text(path, name, value)))


_READERS: dict[str, Any] = {
    "host": _text,
    "port": _port,
    "protocol": _protocol,
    "names": _names,
    "debug": _flag,
    "require_auth": _flag,
    "anonymous_request": _flag,
    "modules_require_auth": _modules,
    "max_concurrent_tasks": _whole,
    "max_concurrent_jobs": _limit,
    "task_queue_interval": _positive,
    "max_release_tasks_per_second": _positive,
    "keep_alive": _positive,
    "task_root": _folder,
    "max_nodetime": _time,
    "func_newjob": _attribute,
    "func_validate_server": _attribute,
}

SAMPLE = f"""\
# Settings of hpcbatch server; what is left out is as shown. The log of one that was started in the
# background is server/server.log in the registry: begun anew at 10 MiB, the one before beside it.
host: {DEFAULT_HOST}          # another address is reached by others: who may is a matter of keys
port: {DEFAULT_PORT}
protocol: https          # unix: a socket in a folder of yours; http: only with --insecure-http
# names: [login.lab.edu]  # by which it is reached, besides the machine's own
server_scripts:
  # startup_script: mount /scratch      # a shell command, run before serving in a shell of its own
  # batch_cluster: slurm                # of submissions that name none
modules: {{}}              # /path: package.module:router, routes of your own
options:
  debug: false
  require_auth: true                  # false: everybody is you; for unix, or with --i-am-alone
  anonymous_request: false            # serve requests without a token, where none is required
  modules_require_auth: [task, validate, info]
  max_concurrent_tasks: 100           # released and not at their end
  max_concurrent_jobs: null           # elements of a task at once
  task_queue_interval: 1              # seconds between two looks at the queue
  max_release_tasks_per_second: 10
  keep_alive: 3600                    # seconds: of a token, and of an unused browser's session
  # task_root: ~/.hpcbatch            # the registry
  max_nodetime: null                  # the most walltime that an element may ask for, such as 24h
  # func_newjob: package.module:name           # asked before a submission is accepted, or shown
  # func_validate_server: package.module:name  # asked by /validate/ping
"""
