"""Proof afterwards: an image against its manifest and itself, a card against its plan."""
