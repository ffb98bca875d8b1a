"""What a worker must know to find its pool and to be let in."""

from __future__ import annotations

from typing import Any, NamedTuple

from .formats import FORMAT, checked_format


class Door(NamedTuple):
    """Published as a pool's ``door.json`` (0600, for the keys); a worker reads it once.

    ``addresses`` are tried in their order, such as ``tcp://10.0.0.7:41231``. Keys are CURVE keys
    as ZeroMQ writes them (Z85). Times are seconds; None means no limit.
    """

    addresses: list[str]
    server_key: str
    client_key: str
    client_secret: str
    seed: int = 0
    folder: str = ""  # where the controller works
    code: tuple[str, ...] = ()  # entries of its sys.path that are not installed
    idle: float | None = None
    walltime: float | None = None
    max_tasks: int | None = None
    heartbeat: float = 2.0
    patience: float = 8.0  # without a connection, until the controller is taken for gone
    reset_globals: bool = True
    reset_packages: bool = False
    garbage_collection: bool = False
    metrics: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **self._asdict()}

    @classmethod
    def from_json(cls, table: dict[str, Any]) -> Door:
        """Raises NewerFormat, TypeError, ValueError. Names that it does not know are left out."""
        fields = checked_format(table, "door.json")
        told = {name: fields[name] for name in cls._fields if name in fields}
        return cls(**{**told, "code": tuple(told.get("code", ()))})
