"""What people and programs see of a run: bars, lines, tables, JSON."""
