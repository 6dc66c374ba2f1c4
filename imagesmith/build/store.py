"""The store of layers: qcow2 overlays named by their key. Whatever lies there under its name is whole."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from imagesmith.errors import BuildError
from imagesmith.host.files import sync_file, sync_folder
from imagesmith.host.programs import run
from imagesmith.host.scratch import scratch_folder


class LayerStore:
    """Layers in a folder of the cache, shared safely between processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, key: str) -> Path:
        """Return where a layer is or would be."""
        return self._folder / f"{key}.qcow2"

    def keys(self) -> frozenset[str]:
        """Return the keys of all layers there are."""
        return frozenset(path.stem for path in self._folder.glob("*.qcow2"))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store for one build at a time; another build waits."""
        with (self._folder / ".lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def new_layer(self, key: str, *, below: Path, below_format: str) -> Iterator[tuple[Path, Path]]:
        """Give an empty overlay on `below` and a scratch folder; the layer is kept if the block ends well.

        Raises:
            BuildError: no space.
        """
        with scratch_folder(self._folder, prefix=".new-") as scratch:
            disk = scratch / "layer.qcow2"
            run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", below, "-F", below_format, disk])
            yield disk, scratch
            try:
                sync_file(disk)
                disk.rename(self.path(key))
            except OSError as exc:
                raise BuildError(
                    f"the layer could not be kept: {os.strerror(exc.errno or 0)}",
                    why=str(self._folder),
                    remedy="make room for the cache, or point XDG_CACHE_HOME elsewhere",
                ) from exc
        sync_folder(self._folder)
