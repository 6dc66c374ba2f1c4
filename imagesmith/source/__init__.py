"""Images as they are found, compressed or remote, become a raw one on this machine."""
