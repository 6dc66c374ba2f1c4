"""The stand-in: a bootable Debian bullseye arm64 root in the shape of the stock image, made here and cached.

The stock image is 6.5 GB and NVIDIA's; this one holds nothing of theirs and is what the demo, the tests and
CI build on. `standin_source/` is what it is made of: `packages.txt`, `tree/` (to read it is to read the
result), `finish.sh` and `make.sh`. It has no kernel, no boot firmware and no graphics.

Pinned: the package set (`packages.lock`, all from bullseye, which gets no more point releases), every
identifier, every time stamp, the content of the boot partitions. Not pinned: the mirror's name in
/etc/apt/sources.list, and what another version of mmdebstrap, qemu or e2fsprogs does differently.
"""

import contextlib
import fcntl
import hashlib
import io
import os
import tarfile
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from imagesmith.errors import BuildError
from imagesmith.host.apt_mirror import debian_keyring, debian_mirror
from imagesmith.host.files import sync_file, sync_folder
from imagesmith.host.folders import cache_folder
from imagesmith.host.programs import ProgramError, require_program, run
from imagesmith.host.scratch import scratch_folder
from imagesmith.host.userns import run_in_arm64_namespace
from imagesmith.model.layout import APP_FIRST_SECTOR, APP_NAME, APP_NUMBER, BOOT_PARTITIONS, Partition
from imagesmith.model.units import KIB, MIB, SECTOR_BYTES

RELEASED_AT_S = 1725148800
"""2024-09-01, the day after bullseye's last point release: no packaged file is younger."""

APP_BYTES = 1536 * MIB
TAIL_BYTES = 2 * MIB
"""Free behind APP, as on the stock image; the backup GPT lies at its end."""

_SOURCE = Path(__file__).with_name("standin_source")
_IDENTIFIERS = uuid.UUID("b2a5b3c4-3f0e-5d0c-9f57-3a1c52b8e6d1")
_TOOLS = ("unshare", "setpriv", "arch-test", "mmdebstrap", "sgdisk", "mke2fs", "debugfs", "dpkg-query")


def standin_partitions() -> tuple[Partition, ...]:
    """Return the stand-in's 14 partitions, in order of number."""
    app = Partition(APP_NUMBER, APP_NAME, APP_FIRST_SECTOR, APP_FIRST_SECTOR + APP_BYTES // SECTOR_BYTES - 1)
    return (app, *BOOT_PARTITIONS)


def boot_partition_content(partition: Partition) -> bytes:
    """Return what a boot partition of the stand-in holds: noise that depends on its name alone."""
    return hashlib.shake_256(f"imagesmith stand-in {partition.name}".encode()).digest(partition.size_bytes)


def standin_key() -> str:
    """Return the hash of everything the stand-in is made of, 64 hex digits; it needs no network."""
    digest = hashlib.sha256(_source_archive())
    digest.update(repr((_table_words(), sorted(_pins().items()), TAIL_BYTES)).encode())
    for partition in BOOT_PARTITIONS:
        digest.update(boot_partition_content(partition))
    return digest.hexdigest()


def ensure_standin(progress: Callable[[str], None]) -> Path:
    """Return the stand-in image, making it first where the cache does not hold it: some minutes, once.

    Two processes that want it make it once: the second waits for the first.

    Raises:
        HostNotReadyError: a tool or a right is missing; nothing was made.
        BuildError: it could not be made; nothing is left behind.
    """
    folder = cache_folder() / "bases"
    image = folder / f"standin-{standin_key()[:16]}.img"
    if image.is_file():
        return image
    for tool in _TOOLS:
        require_program(tool)
    folder.mkdir(parents=True, exist_ok=True)
    with _only_one(folder / "standin.lock", progress):
        if not image.is_file():
            with scratch_folder(folder, prefix=".standin-") as scratch:
                made = _make(scratch / "standin.img", progress)
                sync_file(made)
                made.replace(image)
                sync_folder(folder)
    return image


def _make(image: Path, progress: Callable[[str], None]) -> Path:
    progress("making the stand-in base (once; some minutes)")
    try:
        _make_boot_part(image)
        _make_root(image, progress)
    except ProgramError as exc:
        raise BuildError(
            f"the stand-in base could not be made: {exc.what}",
            why=exc.why,
            remedy="see that 'apt-get update' works and the mirror serves bullseye for arm64; then try again",
        ) from exc
    except OSError as exc:
        raise BuildError(
            "the stand-in base could not be written",
            why=str(exc),
            remedy=f"make room under {image.parent.parent}",
        ) from exc
    return image


def _make_boot_part(image: Path) -> None:
    with image.open("wb") as sink:
        sink.truncate(APP_FIRST_SECTOR * SECTOR_BYTES + APP_BYTES + TAIL_BYTES)
        for partition in BOOT_PARTITIONS:
            sink.seek(partition.offset_bytes)
            sink.write(boot_partition_content(partition))
    run(["sgdisk", *_table_words(), image])


def _table_words() -> list[str]:
    words = ["--set-alignment=1", f"--disk-guid={_identifier('disk')}"]
    for part in standin_partitions():
        words += [
            f"--new={part.number}:{part.first_sector}:{part.last_sector}",
            f"--change-name={part.number}:{part.name}",
            f"--typecode={part.number}:8300",
            f"--partition-guid={part.number}:{_identifier(part.name)}",
        ]
    return words


def _pins() -> dict[str, str]:
    return {
        "SOURCE_DATE_EPOCH": str(RELEASED_AT_S),
        "APP_OFFSET": str(APP_FIRST_SECTOR * SECTOR_BYTES),
        "APP_KIB": str(APP_BYTES // KIB),
        "APP_UUID": _identifier("ext4"),
        "HASH_SEED": _identifier("hash seed"),
    }


def _make_root(image: Path, progress: Callable[[str], None]) -> None:
    # Inside, even root is a stranger to this user's folders: it gets the files themselves, open.
    image.chmod(0o666)
    with tempfile.TemporaryFile() as source, image.open("r+b") as target:
        source.write(_source_archive())
        source.flush()
        os.fchmod(source.fileno(), 0o644)
        run_in_arm64_namespace(
            ["sh", "-euc", f"tar -xf {_handed(source)}; exec ./make.sh"],
            env={
                **_pins(),
                "MIRROR": debian_mirror(),
                "KEYRING": str(debian_keyring()),
                "IMAGE": _handed(target),
            },
            pass_fds=(source.fileno(), target.fileno()),
            say=lambda line: _report(line, progress),
        )
    image.chmod(0o644)


def _handed(file: IO[bytes]) -> str:
    return f"/proc/self/fd/{file.fileno()}"


def _report(line: str, progress: Callable[[str], None]) -> None:
    # mmdebstrap marks its own lines I:, W: and E:; apt's and dpkg's thousands are kept for the error alone.
    kind, _, text = line.partition(": ")
    if kind in {"I", "W"}:
        progress(f"stand-in: {text}")


def _identifier(name: str) -> str:
    return str(uuid.uuid5(_IDENTIFIERS, name))


def _source_archive() -> bytes:
    """Return `standin_source/` as a tar whose bytes depend on names and contents alone."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(_SOURCE.rglob("*")):
            entry = tarfile.TarInfo(str(path.relative_to(_SOURCE)))
            entry.mtime = RELEASED_AT_S
            if path.is_dir():
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(entry)
                continue
            content = path.read_bytes()
            # By content, not by the file's mode: a wheel or a careless umask loses that.
            entry.mode = 0o755 if content.startswith(b"#!") else 0o644
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@contextlib.contextmanager
def _only_one(lock: Path, progress: Callable[[str], None]) -> Iterator[None]:
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("another imagesmith is making the stand-in base: waiting for it")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
