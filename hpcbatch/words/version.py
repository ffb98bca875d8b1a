"""The versions of hpcbatch and of its Python."""

import sys

VERSION = "0.1.0"
PYTHON = "{}.{}".format(*sys.version_info[:2])  # what byte code and pickled functions depend on
