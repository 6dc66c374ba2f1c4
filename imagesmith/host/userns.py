"""A private place to make an arm64 root in, for any user: its own ids, mounts, processes and binfmt handlers.

Linux 6.7 and later keep one binfmt_misc per user namespace, so qemu-aarch64 is registered for the children
alone; on an older kernel the host's own registration (binfmt-support, systemd-binfmt) serves. Files are made
on a tmpfs that only these processes see. When the last of them ends, ids, mounts, registration and files are
gone: there is nothing to clean up, whatever killed them.
"""

import contextlib
import os
import pwd
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from imagesmith.errors import HostNotReadyError
from imagesmith.host.programs import ProgramError, require_program, run, running

PLACE = Path("/mnt")
"""Where the tmpfs is, and the working folder of what runs there. All else there is the host's."""

_REGISTRATION = Path("/usr/lib/binfmt.d/qemu-aarch64.conf")
_ID_COUNT = 65536
_ROOTS_FIRST_ID = 100000  # what useradd gives the first user: any range will do for root
_TAIL_LINES = 40

# Until its ids are mapped the child is nobody, and an exec would cost it the namespace's capabilities:
# `unshare --keep-caps` lets it wait here and then become root. New ids make the kernel drop what --kill-child
# asked for, so that is asked for again.
_AWAIT_IDS = """
echo waiting
read -r _
exec setpriv --reuid=0 --regid=0 --clear-groups --pdeathsig=KILL -- "$@"
"""

# setpriv keeps the old /proc: a process namespace of its own needs its own. The file of binfmt.d is one line.
_PREPARE = """
registration=$1 place=$2
shift 2
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs -o mode=0755,size=80% tmpfs "$place"
cd "$place"
export HOME="$place" TMPDIR="$place"
if mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc; then
    [ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] || [ "$(uname -m)" = aarch64 ] ||
        cat "$registration" > /proc/sys/fs/binfmt_misc/register
fi
arch-test arm64
echo prepared
exec "$@" < /dev/null
"""


@dataclass(frozen=True, slots=True)
class IdRange:
    """Ids of this host that stand for 0, 1, 2… inside."""

    first: int
    count: int

    def __str__(self) -> str:
        return f"0 {self.first} {self.count}"


def run_in_arm64_namespace(
    argv: Sequence[str | Path],
    *,
    say: Callable[[str], None],
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> None:
    """Run a program as the root of a private namespace that can execute arm64 programs.

    It works in `PLACE` and may not look into folders that the host closes to others; what it shall read or
    write there is handed over as open descriptors (`/proc/self/fd/N`, if the file's own mode lets others).

    Args:
        argv: the words, looked up in PATH inside.
        say: told each line of output as it comes.
        env: variables on top of this process's.
        pass_fds: descriptors it keeps.

    Raises:
        HostNotReadyError: this machine cannot give such a namespace; nothing was run.
        ProgramError: the program failed.
    """
    users, groups = _id_range("/etc/subuid"), _id_range("/etc/subgid")
    require_program("arch-test")
    words = [
        "unshare", "--user", "--mount", "--pid", "--fork", "--kill-child", "--keep-caps", "--",
        "sh", "-euc", _AWAIT_IDS, "await-ids",
        "sh", "-euc", f"exec 2>&1\n{_PREPARE}", "prepare", _REGISTRATION, PLACE, *argv,
    ]  # fmt: skip
    with _pipe() as (go_in, go_out), running(words, env=env, stdin=go_in, pass_fds=pass_fds) as child:
        assert child.stdout is not None  # noqa: S101 -- running() gives a pipe unless told otherwise
        assert child.stderr is not None  # noqa: S101
        heard: list[str] = []
        prepared = False
        for raw in child.stdout:
            line = raw.decode(errors="replace").rstrip()
            if line == "waiting" and not heard:
                _map_ids(child.pid, users, groups)
                go_out.write(b"go\n")
            elif line == "prepared" and not prepared:
                prepared = True
                heard.clear()
            else:
                heard = [*heard[-_TAIL_LINES:], line]
                if prepared:
                    say(line)
        status = child.wait()
        if not prepared:
            heard += child.stderr.read().decode(errors="replace").splitlines()
            raise _not_possible("; ".join(filter(None, heard)))
        if status != 0:
            raise ProgramError([str(word) for word in argv], status, "\n".join(heard))


def _not_possible(why: str) -> HostNotReadyError:
    return HostNotReadyError(
        "this machine does not let arm64 programs run in a private user namespace",
        why=why,
        remedy="install qemu-user-static, arch-test and uidmap, and allow user namespaces "
        "(sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns=0); or run as root",
    )


def _id_range(table: str) -> IdRange:
    if os.geteuid() == 0:
        return IdRange(_ROOTS_FIRST_ID, _ID_COUNT)
    user = pwd.getpwuid(os.geteuid()).pw_name
    found = parse_id_range(Path(table).read_text() if Path(table).exists() else "", user, os.geteuid())
    if found is None:
        raise HostNotReadyError(
            f"{user} has no range of {_ID_COUNT} ids in {table}",
            why="files of an arm64 root belong to many ids, which this user must be allowed to use",
            remedy=f"sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}",
        )
    return found


def parse_id_range(table: str, user: str, uid: int) -> IdRange | None:
    """Return the first large enough range of a user in a subuid(5) table, or None."""
    for line in table.splitlines():
        fields = line.split(":")
        if len(fields) == 3 and fields[0] in (user, str(uid)) and int(fields[2]) >= _ID_COUNT:  # noqa: PLR2004 -- name:first:count
            return IdRange(int(fields[1]), _ID_COUNT)
    return None


def _map_ids(pid: int, users: IdRange, groups: IdRange) -> None:
    try:
        if os.geteuid() == 0:
            Path(f"/proc/{pid}/uid_map").write_text(f"{users}\n")
            Path(f"/proc/{pid}/gid_map").write_text(f"{groups}\n")
        else:
            run(["newuidmap", str(pid), *str(users).split()])
            run(["newgidmap", str(pid), *str(groups).split()])
    except (OSError, ProgramError) as exc:
        raise _not_possible(f"ids cannot be mapped: {exc}") from exc


@contextlib.contextmanager
def _pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    source, sink = os.pipe()
    with os.fdopen(source, "rb", buffering=0) as reader, os.fdopen(sink, "wb", buffering=0) as writer:
        yield reader, writer
