"""YAML text becomes a checked `Recipe`; every problem is reported at once. Reads no file but those a recipe names."""
