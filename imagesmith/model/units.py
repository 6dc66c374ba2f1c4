"""Sizes: bytes as people write them, and back."""

import re

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
SECTOR_BYTES = 512
BLOCK_BYTES = 4096

_UNITS = {
    "": 1, "B": 1,
    "KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": GIB << 10,
    "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "K": KIB, "M": MIB, "G": GIB, "T": GIB << 10,
}  # fmt: skip
_SIZE = re.compile(r"(\d{1,19}(?:\.\d{1,19})?)\s*([A-Za-z]*)", re.ASCII)  # more digits: no disk, and inf


def parse_size(text: str) -> int:
    """Return bytes for `4GiB`, `64 GB`, `512M` or a plain number. K, M, G, T alone are powers of 1024.

    Raises:
        ValueError: not a size; the message says which units there are.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"{text!r} is not a size: write a number and KiB, MiB, GiB, MB or GB")
    return int(float(match[1]) * _UNITS[match[2]])


def format_size(size_bytes: int) -> str:
    """Return a size with at most one decimal, in binary units: `1.5 GiB`."""
    value = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024 or unit == "GiB":  # noqa: PLR2004 -- the step between binary units
            return f"{value:.0f} {unit}" if value == int(value) else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError("unreachable")


def round_up(value: int, step: int) -> int:
    """Return the smallest multiple of `step` that is at least `value`."""
    return -(-value // step) * step


def round_down(value: int, step: int) -> int:
    """Return the largest multiple of `step` that is at most `value`."""
    return value // step * step
