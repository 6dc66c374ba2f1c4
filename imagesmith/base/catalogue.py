"""The bases imagesmith knows by name, and how a name or a path becomes an image on this machine.

The stock figures are those of the l4t facts, section 5. NVIDIA publishes an MD5 for one of its SD images and
nothing for the others, so a digest says who vouches for it.
"""

import difflib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imagesmith.base.standin import ensure_standin
from imagesmith.errors import HostNotReadyError, UntrustedSourceError
from imagesmith.host.folders import cache_folder

STANDIN = "standin"


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest of a download; it is `certain` when NVIDIA or several independent people name it."""

    algorithm: str
    hexadecimal: str
    certain: bool


@dataclass(frozen=True, slots=True)
class StockBase:
    """An SD card image that NVIDIA publishes as a zip with one member."""

    name: str
    l4t_release: str
    kit: str
    zip_name: str
    member: str
    page: str = "https://developer.nvidia.com/embedded/downloads"
    zip_digests: tuple[Digest, ...] = ()
    image_bytes: int | None = None
    """None: nobody wrote it down."""
    image_digests: tuple[Digest, ...] = ()


_KIT_4GB = "Jetson Nano Developer Kit (4 GB, A02 and B01)"
_KIT_2GB = "Jetson Nano 2GB Developer Kit"
_MEMBER_4GB = "sd-blob-b01.img"
_MEMBER_2GB = "sd-blob.img"

# 4.6.1 is the last release with SD images for the Nano; 4.6.2 to 4.6.6 come by apt alone.
STOCK_BASES: tuple[StockBase, ...] = (
    StockBase(
        name="jetpack-4.6.1-nano",
        l4t_release="R32.7.1",
        kit=_KIT_4GB,
        zip_name="jetson-nano-jp461-sd-card-image.zip",
        member=_MEMBER_4GB,
        page="https://developer.nvidia.com/jetson-nano-sd-card-image",
        zip_digests=(
            Digest("md5", "762653fb8798924d3b015acddcd03a53", certain=True),
            Digest(
                "sha256", "735fea3df2509436ce43e480f2e70d633f0adfe84007ed9ce7f43910e3814168", certain=False
            ),
        ),
        image_bytes=13_816_037_376,
    ),
    StockBase(
        name="jetpack-4.6.1-nano-2gb",
        l4t_release="R32.7.1",
        kit=_KIT_2GB,
        zip_name="jetson-nano-2gb-jp461-sd-card-image.zip",
        member=_MEMBER_2GB,
        page="https://developer.nvidia.com/jetson-nano-2gb-sd-card-image",
    ),
    StockBase(
        name="jetpack-4.6-nano",
        l4t_release="R32.6.1",
        kit=_KIT_4GB,
        zip_name="jetson-nano-jp46-sd-card-image.zip",
        member=_MEMBER_4GB,
    ),
    StockBase(
        name="jetpack-4.6-nano-2gb",
        l4t_release="R32.6.1",
        kit=_KIT_2GB,
        zip_name="jetson-nano-2gb-jp46-sd-card-image.zip",
        member=_MEMBER_2GB,
    ),
    StockBase(
        name="jetpack-4.5.1-nano",
        l4t_release="R32.5.1",
        kit=_KIT_4GB,
        zip_name="jetson-nano-jp451-sd-card-image.zip",
        member=_MEMBER_4GB,
    ),
    StockBase(
        name="jetpack-4.4.1-nano",
        l4t_release="R32.4.4",
        kit=_KIT_4GB,
        zip_name="jetson-nano-4gb-jp441-sd-card-image.zip",
        member=_MEMBER_4GB,
        page="https://developer.nvidia.com/jetson-nano-sd-card-image-441",
    ),
)

BASE_NAMES: tuple[str, ...] = (STANDIN, *(base.name for base in STOCK_BASES))


def find_base(name_or_path: str) -> StockBase | Path:
    """Return which base is meant when it is not the stand-in. Looks at nothing but the words.

    What holds a slash, or ends like a file (`.img`, `.zip`…), is a path.

    Raises:
        UntrustedSourceError: a name that nobody knows.
    """
    for base in STOCK_BASES:
        if base.name == name_or_path:
            return base
    if os.sep in name_or_path or Path(name_or_path).suffix.lstrip(".").isalpha():
        return Path(name_or_path)
    near = difflib.get_close_matches(name_or_path, BASE_NAMES, n=1)
    raise UntrustedSourceError(
        f"there is no base named {name_or_path!r}",
        why=f"known bases are {', '.join(BASE_NAMES)}",
        remedy=(f"did you mean {near[0]!r}? " if near else "")
        + f"for an image of your own write its path: ./{name_or_path}",
    )


def resolve_base(name_or_path: str, progress: Callable[[str], None]) -> tuple[str, Path]:
    """Return a base's name, free of this machine's folders, and where its image is; makes the stand-in.

    Raises:
        HostNotReadyError: a stock base is not on this machine.
        UntrustedSourceError: a name that nobody knows.
        BuildError: the stand-in could not be made.
    """
    if name_or_path == STANDIN:
        return STANDIN, ensure_standin(progress)
    found = find_base(name_or_path)
    if isinstance(found, Path):
        return found.name, found
    image = cache_folder() / "bases" / f"{found.name}.img"
    if not image.exists():
        raise HostNotReadyError(
            f"the base {found.name} is not on this machine",
            why=f"it is NVIDIA's image for the {found.kit}, {found.l4t_release}: not fetched by imagesmith",
            remedy=f"download {found.zip_name} from {found.page}, unpack it, "
            f"and give the image by --base PATH/{found.member}",
        )
    return found.name, image
