"""The root file tree the agent works on: `/` on the board, a folder in tests.

Every change is "make it so": it says whether anything had to change, and after a power cut there is the old
content or the new, never half.
"""

import os
from typing import List, Optional


class Root:
    """A file tree addressed by the absolute paths the board has."""

    def __init__(self, folder: str = "/") -> None:
        self.folder = folder

    def path(self, inside: str) -> str:
        """Return where a path of the board lies on this machine."""
        return os.path.join(self.folder, inside.lstrip("/"))

    def exists(self, inside: str) -> bool:
        """Return whether something is there, a dangling link included."""
        return os.path.lexists(self.path(inside))

    def read_text(self, inside: str) -> Optional[str]:
        """Return a file's text, or None when there is no such file."""
        try:
            with open(self.path(inside), encoding="utf-8", errors="surrogateescape") as source:
                return source.read()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read_link(self, inside: str) -> Optional[str]:
        """Return where a link points, or None when it is none."""
        try:
            return os.readlink(self.path(inside))
        except OSError:
            return None

    def names(self, inside: str) -> List[str]:
        """Return the sorted names in a folder; nothing when there is no such folder."""
        try:
            return sorted(os.listdir(self.path(inside)))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def write(self, inside: str, text: str, mode: int = 0o644) -> bool:
        """Make a file hold this text with this mode; return whether it did not before."""
        path = self.path(inside)
        if (
            not os.path.islink(path)
            and self.read_text(inside) == text
            and os.stat(path).st_mode & 0o7777 == mode
        ):
            return False
        self.make_folder(os.path.dirname(inside))
        # One fixed name: what a power cut leaves behind is overwritten by the next try, and never readable.
        draft = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.imagesmith")
        self.remove(os.path.join(os.path.dirname(inside), os.path.basename(draft)))
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "w", encoding="utf-8", errors="surrogateescape") as out:
            out.write(text)
            out.flush()
            os.fchmod(handle, mode)
            self._sync(handle)
        os.replace(draft, path)
        self._sync_folder(path)
        return True

    def link(self, inside: str, target: str) -> bool:
        """Make a symbolic link point there; return whether it did not before."""
        if self.read_link(inside) == target:
            return False
        path = self.path(inside)
        self.make_folder(os.path.dirname(inside))
        draft = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.imagesmith")
        if os.path.lexists(draft):
            os.unlink(draft)
        os.symlink(target, draft)
        os.replace(draft, path)
        self._sync_folder(path)
        return True

    def remove(self, inside: str) -> bool:
        """Make a file or link be gone; return whether it was there."""
        path = self.path(inside)
        if not os.path.lexists(path):
            return False
        os.unlink(path)
        self._sync_folder(path)
        return True

    def rename(self, inside: str, to: str) -> None:
        """Give a file or folder another name in the same folder, replacing a file that has it."""
        os.replace(self.path(inside), self.path(to))
        self._sync_folder(self.path(to))

    def make_folder(self, inside: str, mode: int = 0o755) -> bool:
        """Make a folder, and those above it, be there; return whether it was not."""
        path = self.path(inside)
        if os.path.isdir(path):
            return False
        self.make_folder(os.path.dirname(inside))
        os.mkdir(path)
        os.chmod(path, mode)  # mkdir's own mode is cut by the umask
        self._sync_folder(path)
        return True

    def _sync(self, handle: int) -> None:
        os.fsync(handle)

    def _sync_folder(self, path: str) -> None:
        handle = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._sync(handle)
        finally:
            os.close(handle)
