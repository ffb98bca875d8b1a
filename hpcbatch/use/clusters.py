"""The cluster that an attempt was submitted to."""

from __future__ import annotations

from ..cluster.cluster import Cluster
from ..cluster.config import ClusterConfig, load_clusters
from ..words.errors import ConfigError
from ..words.model import Attempt


def cluster_of(attempt: Attempt) -> Cluster:
    """The cluster of an attempt, also when its name has left the configuration since."""
    try:
        config = load_clusters()[0].get(attempt.cluster)
    except ConfigError:
        config = None
    if config is None or config.scheduler != attempt.scheduler:
        config = ClusterConfig(attempt.cluster, attempt.scheduler)
    return Cluster(config)
