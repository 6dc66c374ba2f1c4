"""Users and groups: made so with the system's own tools, never by editing their files."""

import os
import shutil
from typing import Dict, List

from imagesmith_firstboot.context import Context
from imagesmith_firstboot.documents import User
from imagesmith_firstboot.errors import StepError
from imagesmith_firstboot.kernel_view import file_systems

# Not "!": sshd without PAM takes that for a locked account and refuses keys as well.
_NO_PASSWORD = "*"  # noqa: S105 -- the word for having none
# Fields of a line of passwd(5), group(5), shadow(5).
_UID = 2
_MEMBERS = 3
_HASH = 1


def make_user(context: Context, user: User) -> None:
    """Make the user exist with that uid, groups, home and password, and none of them anything else.

    Raises:
        StepError: the name or the uid is another's.
    """
    rows = _table(context, "passwd")
    owner = next((name for name, row in rows.items() if row[_UID] == str(user.uid)), user.name)
    if owner != user.name:
        raise StepError(f"uid {user.uid} of {user.name} is taken by {owner}")
    if user.name in rows and rows[user.name][_UID] != str(user.uid):
        raise StepError(f"{user.name} exists with uid {rows[user.name][_UID]}, not {user.uid}")
    groups = _table(context, "group")
    for group in user.groups:
        if group not in groups:
            context.board.run(["groupadd", "--system", group])
    if user.name not in groups:
        context.board.run(["groupadd", "--gid", str(user.uid), user.name])
    if user.name not in rows:
        context.board.run(_useradd_words(user))
    _join_groups(context, user)
    _set_password(context, user)
    _make_home(context, user)


def _useradd_words(user: User) -> List[str]:
    return [
        "useradd",
        f"--uid={user.uid}",
        f"--gid={user.name}",
        f"--home-dir=/home/{user.name}",
        "--no-create-home",
        f"--shell={user.shell}",
        f"--comment={user.gecos}",
        user.name,
    ]


def _join_groups(context: Context, user: User) -> None:
    groups = _table(context, "group")
    missing = [group for group in user.groups if user.name not in groups[group][_MEMBERS].split(",")]
    if missing:
        context.board.run(["usermod", "--append", "--groups=" + ",".join(missing), user.name])


def _set_password(context: Context, user: User) -> None:
    wanted = dict(context.node.passwords).get(user.name, _NO_PASSWORD)
    if user.name not in _table(context, "shadow"):
        context.board.run(["pwconv"])  # useradd was cut short between its files
    if _table(context, "shadow")[user.name][_HASH] == wanted:
        return
    if wanted == _NO_PASSWORD:
        context.board.run(["usermod", f"--password={_NO_PASSWORD}", user.name])
    else:
        context.board.run(["chpasswd", "--encrypted"], input_text=f"{user.name}:{wanted}\n")


def _make_home(context: Context, user: User) -> None:
    home = f"/home/{user.name}"
    # A home on NFS is not looked into: with the server down that would not return.
    if home in file_systems(context.root) or context.root.exists(home):
        return
    context.root.make_folder("/home")
    name = f"/home/.{user.name}.imagesmith"
    draft = context.root.path(name)
    shutil.rmtree(draft, ignore_errors=True)
    if context.root.exists("/etc/skel"):
        shutil.copytree(context.root.path("/etc/skel"), draft, symlinks=True)
    else:
        os.mkdir(draft)
    os.chmod(draft, 0o755)  # noqa: S103 -- what adduser makes on Ubuntu 18.04
    context.board.run(["chown", "--recursive", f"{user.uid}:{user.name}", draft])
    context.root.rename(name, home)


def _table(context: Context, name: str) -> Dict[str, List[str]]:
    """Return the lines of /etc/passwd, group or shadow as fields, by the first."""
    lines = (context.root.read_text(f"/etc/{name}") or "").splitlines()
    return {line.split(":")[0]: line.split(":") for line in lines}
