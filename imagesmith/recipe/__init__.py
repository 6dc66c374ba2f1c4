"""YAML text becomes a checked `Recipe`; every problem is reported at once."""
