"""The cluster's profile as it was when an attempt was made: what is submitted later by itself (the
next part, a retry) is submitted by the same one, whoever tracks the task and wherever."""

from __future__ import annotations

import json

from ..cluster.cluster import Cluster
from ..cluster.profile import ClusterConfig
from ..disk.files import make_folder, publish, read
from ..words.errors import DamagedFile
from ..words.formats import FORMAT, checked_format
from ..words.layout import TaskLayout
from ..words.messages import without_file


def keep_profile(layout: TaskLayout, number: int, cluster: Cluster) -> None:
    """Raises RegistryUnwritable."""
    paths = layout.attempt(number)
    make_folder(paths.folder)
    fields = {"format": FORMAT, **cluster.config.to_json()}
    publish(paths.profile, json.dumps(fields, indent=1).encode())


def kept_cluster(layout: TaskLayout, number: int) -> Cluster:
    """Raises DamagedFile, NewerFormat; ConfigError for a scheduler that is not installed here."""
    path = layout.attempt(number).profile
    try:
        config = ClusterConfig.from_json(checked_format(json.loads(read(path)), path))
    except (OSError, ValueError, TypeError) as error:
        raise DamagedFile(
            f"{path} is damaged or missing: {without_file(error)}. Resubmit the jobs: that goes by "
            "the cluster's profile of now"
        ) from error
    return Cluster(config)
