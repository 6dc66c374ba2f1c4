"""Where this machine fetches Debian packages from: what its own apt configuration says."""

import re
from pathlib import Path

from imagesmith.errors import HostNotReadyError
from imagesmith.host import programs

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

# Debian's own name for "any mirror": only for hosts whose apt knows no Debian (Ubuntu).
_ANY_MIRROR = "http://deb.debian.org/debian"
_RELEASE_NAMES = r"buster|bullseye|bookworm|trixie|forky|sid|oldoldstable|oldstable|stable|testing|unstable"
_RELEASE_FILE = re.compile(
    rf"^'(?P<mirror>[a-z+]+://\S+?)/?/dists/(?:{_RELEASE_NAMES})/InRelease'", re.MULTILINE
)


def parse_mirror(update_uris: str) -> str | None:
    """Return the first Debian mirror in what `apt-get update --print-uris` printed, or None."""
    match = _RELEASE_FILE.search(update_uris)
    return match["mirror"] if match else None


def debian_mirror() -> str:
    """Return the base address of a Debian mirror, without a slash at the end. Reads no network.

    Raises:
        HostNotReadyError: apt is not there or cannot read its own sources.
    """
    try:
        printed = programs.run(["apt-get", "update", "--print-uris"]).stdout
    except programs.ProgramError as exc:
        raise HostNotReadyError(
            "apt cannot read its own sources", why=exc.why, remedy="make 'apt-get update' work"
        ) from exc
    return parse_mirror(printed) or _ANY_MIRROR


def debian_keyring() -> Path:
    """Return the keys that Debian's archives are signed with.

    Raises:
        HostNotReadyError: they are not installed.
    """
    if not KEYRING.is_file():
        raise HostNotReadyError(
            "Debian's archive keys are missing",
            why=f"{KEYRING} does not exist",
            remedy="apt-get install debian-archive-keyring",
        )
    return KEYRING
