"""What things are: frozen data and the arithmetic on it. Does no I/O."""
