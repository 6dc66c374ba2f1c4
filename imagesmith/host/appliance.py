"""The door to libguestfs: edits of a root file system, without root, mounts or loop devices.

The appliance runs in a child process of its own (`python -m imagesmith.host.appliance`), because a call into
libguestfs cannot be interrupted from Python: Ctrl-C or a time limit ends the child's whole group, the
appliance's qemu with it, and its temporary files lie in a scratch folder that we remove.

KVM is used only where it truly works; `/dev/kvm` may exist and abort (design: known about the test machines).
"""

import contextlib
import io
import json
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imagesmith
from imagesmith.errors import BuildError, HostNotReadyError
from imagesmith.host import kvm
from imagesmith.host.programs import ProgramError, ProgramTimeoutError, run
from imagesmith.model.edit import Edit, Empty, PutFile, PutLink, Remove

_MEMORY_MIB = 768
_TIMEOUT_S = 900.0
_NOT_READY = 4
_FAILED = 6


def apply_edits(disk: Path, edits: Sequence[Edit], *, partition: int, mtime_s: int, scratch: Path) -> None:
    """Apply edits to the ext4 of one partition of a qcow2 disk.

    Args:
        disk: the qcow2 file; its backing chain is only read.
        edits: removals and empties first, then files and links, each group in the order given.
        partition: number of the partition that is mounted as `/`.
        mtime_s: Unix time that new files and links carry.
        scratch: an existing folder for the appliance's temporary files.

    Raises:
        HostNotReadyError: guestfs is missing, or the appliance cannot be made or started.
        BuildError: an edit failed; `disk` is then of no use.
    """
    files = scratch / "files.tar"
    _write_tar(files, edits, mtime_s=mtime_s)
    job = {
        "disk": str(disk),
        "partition": partition,
        "files": str(files),
        "remove": [e.pattern for e in edits if isinstance(e, Remove)],
        "empty": [e.path for e in edits if isinstance(e, Empty)],
        "replace": [e.path for e in edits if isinstance(e, PutLink | PutFile)],
        "accelerated": kvm.is_usable(),
    }
    environment = {
        "PYTHONPATH": str(Path(imagesmith.__file__).resolve().parent.parent),
        "TMPDIR": str(scratch),
        "LIBGUESTFS_BACKEND": "direct",
    }
    try:
        run(
            [sys.executable, "-m", "imagesmith.host.appliance"],
            input_text=json.dumps(job),
            env=environment,
            timeout_s=_TIMEOUT_S,
        )
    except ProgramTimeoutError as exc:
        raise BuildError("the libguestfs appliance did not answer in time", why=exc.what) from exc
    except ProgramError as exc:
        raise _translated(exc) from exc


def _translated(failure: ProgramError) -> BuildError | HostNotReadyError:
    if failure.returncode == _NOT_READY:
        return HostNotReadyError(
            "the libguestfs appliance cannot be started on this machine",
            why=failure.why,
            remedy="run 'imagesmith doctor'; 'libguestfs-test-tool' shows the whole story",
        )
    return BuildError(
        "the image could not be edited", why=failure.why, remedy="the image is unchanged; see why"
    )


def _write_tar(target: Path, edits: Sequence[Edit], *, mtime_s: int) -> None:
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for edit in edits:
            if not isinstance(edit, PutFile | PutLink):
                continue
            entry = tarfile.TarInfo(edit.path.lstrip("/"))
            entry.mtime = mtime_s
            if isinstance(edit, PutLink):
                entry.type, entry.linkname = tarfile.SYMTYPE, edit.target
                tar.addfile(entry)
            else:
                entry.mode, entry.uid, entry.gid = edit.mode, edit.uid, edit.gid
                entry.size = len(edit.content)
                tar.addfile(entry, io.BytesIO(edit.content))


# ---- the child: everything below runs in the process that holds the appliance ----


def _serve() -> int:
    job = json.load(sys.stdin)
    try:
        import guestfs  # noqa: PLC0415 -- Debian's package; its absence is a message, not a traceback
    except ImportError as exc:
        sys.stderr.write(f"{exc}: install python3-guestfs, and make the venv with --system-site-packages\n")
        return _NOT_READY
    guest = guestfs.GuestFS(python_return_dict=True)
    with contextlib.closing(guest):
        try:
            _launch(guest, job)
        except RuntimeError as exc:  # guestfs raises nothing finer
            sys.stderr.write(f"{exc}\n")
            return _NOT_READY
        try:
            _edit(guest, job)
        except RuntimeError as exc:
            sys.stderr.write(f"{exc}\n")
            return _FAILED
    return 0


def _launch(guest: Any, job: dict[str, Any]) -> None:  # noqa: ANN401 -- guestfs has no types
    guest.set_backend_settings([] if job["accelerated"] else ["force_tcg"])
    guest.set_memsize(_MEMORY_MIB)
    # unsafe: the disk is a new layer that is thrown away on any failure and synced by the host at the end.
    guest.add_drive_opts(job["disk"], format="qcow2", cachemode="unsafe", discard="disable")
    guest.launch()


def _edit(guest: Any, job: dict[str, Any]) -> None:  # noqa: ANN401 -- guestfs has no types
    guest.mount_options("noatime", f"/dev/sda{job['partition']}", "/")
    for pattern in job["remove"]:
        for path in guest.glob_expand_opts(pattern, directoryslash=False):
            guest.rm_rf(path)
    for path in job["replace"]:
        # tar would write through a link that is there; nv-oem-config's units are such links.
        if guest.is_symlink(path):
            guest.rm_f(path)
    guest.tar_in(job["files"], "/")
    for path in job["empty"]:
        guest.truncate(path) if guest.is_file(path) else guest.touch(path)
    guest.umount_all()
    guest.shutdown()


if __name__ == "__main__":
    sys.exit(_serve())
