"""The version of hpcbatch."""

VERSION = "0.1.0"
