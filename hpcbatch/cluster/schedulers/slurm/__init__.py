"""Slurm: commands and listings, how elements ended, what a cluster is."""
