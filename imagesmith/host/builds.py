"""What this machine remembers of its builds: which came last, from which recipe file. Never published.

A manifest holds no path of this machine and no secret; `flash` needs both, and finds the recipe again here.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from imagesmith.host.files import write_durably
from imagesmith.host.folders import state_folder

_FILE = "builds.json"
_KEPT = 100


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """One image that was published on this machine."""

    image: str
    recipe_file: str
    publication_key: str
    size_bytes: int
    mtime_ns: int
    inode: int

    def is_untouched(self) -> bool:
        """Return whether the image file is still the very one that was published."""
        try:
            found = Path(self.image).stat()
        except OSError:
            return False
        return (found.st_size, found.st_mtime_ns, found.st_ino) == (
            self.size_bytes,
            self.mtime_ns,
            self.inode,
        )


def record_of(image: Path, *, recipe_file: Path, publication_key: str) -> BuildRecord:
    """Return the record of an image as it lies there now."""
    found = image.stat()
    return BuildRecord(
        image=str(image.resolve()),
        recipe_file=str(recipe_file.resolve()),
        publication_key=publication_key,
        size_bytes=found.st_size,
        mtime_ns=found.st_mtime_ns,
        inode=found.st_ino,
    )


def remembered() -> list[BuildRecord]:
    """Return the records, newest first; a file that cannot be read is no memory, not an error."""
    try:
        rows = json.loads((state_folder() / _FILE).read_text())
        return [BuildRecord(**row) for row in rows]
    except (OSError, ValueError, TypeError):
        return []


def remember(record: BuildRecord) -> None:
    """Put a record in front; an older one of the same image goes."""
    rows = [record, *(old for old in remembered() if old.image != record.image)][:_KEPT]
    folder = state_folder()
    folder.mkdir(parents=True, exist_ok=True)
    write_durably(folder / _FILE, json.dumps([asdict(row) for row in rows], indent=1).encode())


def record_for(image: Path) -> BuildRecord | None:
    """Return what is remembered of an image, or None."""
    wanted = str(image.resolve())
    return next((record for record in remembered() if record.image == wanted), None)
