"""Marked blocks in files that others write too: fstab, hosts, sshd_config. Pure."""

from typing import List, Sequence


def with_block(text: str, name: str, lines: Sequence[str], *, first: bool = False) -> str:
    """Return `text` with the block of that name holding `lines`; without lines the block is gone.

    Args:
        text: the file as it is.
        name: whose block it is.
        lines: what it shall hold.
        first: a new block goes to the top instead of the end.
    """
    begin, end = f"# imagesmith {name}: begin", f"# imagesmith {name}: end"
    before: List[str] = []
    after: List[str] = []
    inside = seen = False
    for line in text.splitlines():
        if line == begin:
            inside = seen = True
        elif line == end:
            inside = False
        elif not inside:
            (after if seen else before).append(line)
    if first and not seen:
        before, after = [], before
    block = [begin, *lines, end] if lines else []
    rows = [*before, *block, *after]
    return "".join(f"{row}\n" for row in rows)
