"""What kind of disk a path lies on."""

from __future__ import annotations

import os

LOCAL = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "f2fs"})
NO_SHARED_LOCKS = frozenset({"fuse.sshfs", "beegfs", "fhgfs"})  # beegfs: by default
LOCAL_LOCKS = frozenset({"nolock", "local_lock=flock", "local_lock=all"})  # nfs(5)
MOUNTS = "/proc/self/mounts"


def is_local_disk(path: str) -> bool:
    """Whether ``path`` is on a disk of this very host, where nothing is seen late."""
    kind, _ = _mount_of(path)
    return kind in LOCAL


def locks_reach_other_hosts(path: str) -> bool:
    """Whether flock(2) on ``path`` keeps out other hosts too; true where nothing is known."""
    kind, options = _mount_of(path)
    if kind == "lustre":
        return "flock" in options  # neither ``localflock`` nor, as once by default, none
    return kind not in NO_SHARED_LOCKS and not options & LOCAL_LOCKS


def _mount_of(path: str) -> tuple[str, set[str]]:
    """Type and options of the file system that ``path`` is on (proc(5))."""
    path = os.path.realpath(path)
    best, kind, chosen = "", "", ""
    try:
        with open(MOUNTS, encoding="utf-8", errors="replace") as file:
            for line in file:
                _, point, found, options, *_ = line.split(" ")
                point = point.replace("\\040", " ")
                inside = path == point or path.startswith(point.rstrip("/") + "/")
                if inside and len(point) >= len(best):
                    best, kind, chosen = point, found, options
    except OSError:
        return "", set()
    return kind, set(chosen.split(","))
