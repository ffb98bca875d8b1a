"""LSF and OpenLava: commands and listings, how elements ended, what a cluster is."""
