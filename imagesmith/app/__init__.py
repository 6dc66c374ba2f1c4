"""Wiring: one module per command introduces the rooms to each other and to the host."""
