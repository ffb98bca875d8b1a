"""Some tests of the runner run on this machine as their cluster."""

from tests.local import local

__all__ = ["local"]
