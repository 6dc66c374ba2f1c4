"""What a target is, whether it may be written, and the plan of what it shall hold."""
