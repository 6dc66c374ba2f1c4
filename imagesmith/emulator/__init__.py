"""A card boots as itself in qemu-system-aarch64, and answers questions from inside."""
