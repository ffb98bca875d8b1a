"""What the SSH connection of a controller runs on the login node."""

from ...sites.ssh import remote
from .far import relay

if __name__ == "__main__":
    remote.main({"relay": relay})
