"""/info: what there is to see."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from ...cluster.config import is_installed, load_clusters
from ..access import Caller, Site

router = APIRouter(prefix="/info", tags=["info"])


@router.get("/health")
def health(site: Site) -> dict[str, Any]:
    """Whether the server does its work."""
    return {"healthy": site.releaser.is_alive()}


@router.get("/tasks")
def tasks(user: Caller, site: Site) -> dict[str, Any]:
    """Statuses of the tasks that the caller may see, oldest first."""
    specs = site.specs(user)
    return {"tasks": [site.tracking.status(spec.id).to_json() for spec in specs]}


@router.get("/clusters")
def clusters(user: Caller, site: Site) -> dict[str, Any]:
    """The clusters of this site, and whether their programs are here."""
    found, default = load_clusters()
    return {
        "clusters": [
            {
                "name": name,
                "scheduler": config.scheduler,
                "here": is_installed(config),
                "default": name == default,
            }
            for name, config in found.items()
        ]
    }
