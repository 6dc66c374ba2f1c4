"""The host machine: every door to the outside, one module each. Foreign errors are mapped here, once."""
