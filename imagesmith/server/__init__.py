"""The storage server of a cluster: what it must be, as files and a script."""
