"""What tells this machine from itself after its next start: pids and slots mean nothing beyond."""

from __future__ import annotations


def boot_id() -> str:
    """Empty where it cannot be read (random(4))."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""
