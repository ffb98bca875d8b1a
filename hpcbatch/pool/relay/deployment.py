"""How the workers of a pool run behind a login node: as those of one that is here."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace

from ...sites.connect import connect
from ...sites.ssh.site import Ssh
from ...use.code import loaded_code
from ...use.requirements import requirements, tell_differences
from ...words.door import Door
from ...words.errors import UsageError
from ...words.layout import PoolLayout
from ...words.resources import Resources
from ..addresses import Endpoint, endpoint_of
from ..deployment import Deployment
from ..folder import PoolRecord
from ..import_paths import own_import_paths
from ..launchers import Call
from ..settings import PoolSettings
from .launcher import RelayLauncher, RelayLogs
from .near import Near

PASSED = ("host", "interface", "port", "walltime")  # settings that count there


class RelayedDeployment(Deployment):
    """Behind a login node. Raises UsageError for what a relay cannot do, ResourceError."""

    seconds = None  # for which a worker lives: it is known there

    def __init__(self, settings: PoolSettings):
        site = connect(settings.site) if isinstance(settings.site, str) else settings.site
        if not isinstance(site, Ssh):
            raise UsageError(
                f"the site {getattr(site, 'place', site)!s} launches no workers of a pool: give "
                "one over SSH, such as hb.connect('ssh://me@login')"
            )
        if settings.launcher is not None:
            raise UsageError("launcher and site exclude each other: the site launches the workers")
        self._site, self._settings = site, settings
        self._resources = Resources.parse(settings.resources).to_json()
        self._near: Near | None = None

    @property
    def endpoint(self) -> Endpoint:
        """Of its relay, which is on this machine."""
        return endpoint_of(True, None, None)

    def open(self, name: str, door: Door, port: int, fail: Callable[[str], None]) -> Door:
        settings = self._settings
        code = loaded_code(own_import_paths())
        settings_there = {each: getattr(settings, each) for each in PASSED}
        asked = {
            "pool": "",
            "name": name,
            "cluster": settings.cluster,
            "workers": settings.workers,
            "settings": {**settings_there, "resources": self._resources},
            "door": door._replace(patience=settings.away, code=()).to_json(),
            "port": 0,
            "away": settings.away,
            "code": b64encode(code.archive or b"").decode(),
            "requirements": requirements(code.imports),
        }
        self._near = Near(self._site, asked, port, fail)
        told = self._near.start()
        tell_differences(self._site.place, told["environment"], stacklevel=5)
        self._told = told
        return door._replace(addresses=told["addresses"], walltime=told["walltime"])

    def recorded(self, record: PoolRecord) -> PoolRecord:
        told = self._told
        return replace(record, site=self._site.place, site_root=told["root"], site_id=told["pool"])

    def launcher(self, layout: PoolLayout) -> RelayLauncher:
        assert self._near is not None
        return RelayLauncher(self._near, self._told["pause"], self._told["is_prompt"])

    def logs(self, layout: PoolLayout) -> RelayLogs:
        assert self._near is not None
        return RelayLogs(self._near, f"{self._told['folder']}/logs at {self._site.place}")

    def call(self, layout: PoolLayout, number: int) -> Call:
        """The other end makes one of its own."""
        return Call((), layout.folder, layout.id, number, "", layout.logs)

    def close(self) -> None:
        if self._near is not None:
            self._near.close()

    def give_up(self) -> None:
        if self._near is not None:
            self._near.give_up()
