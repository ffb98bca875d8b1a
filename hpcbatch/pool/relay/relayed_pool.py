"""A pool whose controller is elsewhere, as it is kept on the disk of its site."""

from __future__ import annotations

import io
import os
import socket
import time
import zipfile
from base64 import b64decode
from dataclasses import replace
from typing import Any

from ...disk.boot_id import boot_id
from ...runner.code import extract
from ...sites.ssh.verbs import Request
from ...words.door import Door
from ...words.errors import UsageError
from ...words.layout import PoolLayout
from ...words.version import VERSION
from ..addresses import listen
from ..deployment import HereDeployment
from ..folder import PoolRecord, close_pool, make_pool, read_record, write_door, write_record
from ..logs import Logs
from ..monitor import Pool
from ..settings import PoolSettings

PATIENCE = 10.0  # seconds for the relay before this one to leave its port


class RelayedPool:
    """``doors`` are where its workers dial in."""

    def __init__(self, layout: PoolLayout, record: PoolRecord, deployment: HereDeployment):
        self.layout, self.record, self.deployment = layout, record, deployment
        self.launcher, self.logs = deployment.launcher(layout), Logs(layout)
        self.doors: list[socket.socket] = []
        self._addresses: list[str] = []

    @classmethod
    def of(cls, root: str, asked: Request) -> RelayedPool:
        """A new pool, or one whose connection was lost. Raises what is wrong with its settings."""
        settings = PoolSettings.of(asked["cluster"], asked["workers"], asked["settings"])
        deployment = HereDeployment(settings)
        endpoint = deployment.endpoint
        if asked["pool"]:
            layout = PoolLayout(root, asked["pool"])
            record = read_record(root, layout.id)
            opens_door = bool(record.ended) and not record.terminated
        else:
            name, count = asked["name"], settings.workers
            layout, record = make_pool(name, settings.cluster, count, VERSION, root)
            _keep_code(layout, b64decode(asked["code"]))
            opens_door = True
        record = replace(
            record,
            host=os.uname().nodename,
            pid=os.getpid(),
            boot=boot_id(),
            begun=time.time(),
            ended=0.0,
        )
        write_record(layout, record)  # the relay before this one then leaves its port
        made = cls(layout, record, deployment)
        made._listen(endpoint.bind, asked["port"] or settings.port, may_move=not settings.port)
        made._addresses = endpoint.addresses(made.port)
        if opens_door or os.path.exists(layout.door):  # else somebody has ended it
            write_door(layout, made._door(Door.from_json(asked["door"])))
        return made

    @property
    def port(self) -> int:
        return int(self.doors[0].getsockname()[1])

    def told(self) -> dict[str, Any]:
        """What its controller has to know."""
        return {
            "pool": self.layout.id,
            "root": self.layout.root,
            "folder": self.layout.folder,
            "addresses": self._addresses,
            "port": self.port,
            "walltime": self.deployment.seconds,
            "pause": self.launcher.pause,
            "is_prompt": self.launcher.is_prompt,
        }

    def is_ours(self) -> bool:
        """Raises NotFound."""
        record = read_record(self.layout.root, self.layout.id)
        ours = self.record
        return (record.host, record.boot, record.pid) == (ours.host, ours.boot, ours.pid)

    def end(self) -> None:
        """Its workers, those that wait in a queue included, and the pool."""
        Pool(self.record, self.layout).terminate()
        close_pool(self.layout, self.record)

    def _listen(self, host: str, port: int, may_move: bool) -> None:
        """Raises UsageError where the port that was asked for is taken."""
        give_up = time.monotonic() + PATIENCE
        while True:
            try:
                self.doors.append(listen(host, port))
                return
            except OSError as error:
                if time.monotonic() < give_up:
                    time.sleep(0.1)
                elif may_move and port:
                    port = 0
                else:
                    raise UsageError(f"cannot listen at {host}:{port}: {error.strerror}") from error

    def _door(self, told: Door) -> Door:
        metrics = told.metrics
        if metrics and not metrics["folder"]:
            metrics = {**metrics, "folder": self.layout.metrics}
        return told._replace(
            addresses=self._addresses,
            folder=self.layout.folder,
            code=tuple(_code(self.layout)),
            walltime=self.deployment.seconds,
            metrics=metrics,
        )


def _keep_code(layout: PoolLayout, archive: bytes) -> None:
    if archive:
        with zipfile.ZipFile(io.BytesIO(archive)) as file:
            extract(file, layout.code)


def _code(layout: PoolLayout) -> list[str]:
    """Where workers import the user's own modules from."""
    return [layout.code] if os.path.isdir(layout.code) else []
