"""What NVIDIA's wizard would have asked with a keyboard: licence, users, locale, time zone, keyboard.

The licence is accepted by the recipe's word or not at all. No password is ever on a command line.
"""

import hashlib
import json
from typing import Any

from imagesmith_firstboot.accounts import make_user
from imagesmith_firstboot.context import Context
from imagesmith_firstboot.errors import CommandError, StepError
from imagesmith_firstboot.state import FOLDER

_EULA = "/usr/share/doc/nvidia-tegra/L4T_End_User_License_Agreement.txt.gz"
_DEFAULT_TARGET = "/etc/systemd/system/default.target"
_LOCALEDEF_S = 600.0


def inputs(context: Context) -> Any:  # noqa: ANN401 -- JSON
    """Return all the wizard's answers, passwords included."""
    cluster = context.cluster
    return [
        cluster.licence_accepted,
        [user._asdict() for user in cluster.users],
        context.node.passwords,
        [cluster.locale, cluster.timezone],
        [cluster.keyboard_layout, cluster.keyboard_variant, cluster.keyboard_model],
    ]


def run(context: Context) -> str:
    """Answer the wizard's questions."""
    if not context.cluster.licence_accepted:
        raise StepError(
            "the recipe does not accept NVIDIA's licence: write 'licence: {nvidia-l4t-eula: accepted}'"
        )
    _record_licence(context)
    if (context.root.read_link(_DEFAULT_TARGET) or "").endswith("/nv-oem-config.target"):
        context.root.link(_DEFAULT_TARGET, "/lib/systemd/system/multi-user.target")
    for user in context.cluster.users:
        make_user(context, user)
    _set_locale(context)
    _set_timezone(context)
    _set_keyboard(context)
    users = ", ".join(f"{user.name} ({user.uid})" for user in context.cluster.users) or "no user"
    cluster = context.cluster
    return f"{users}, {cluster.locale}, {cluster.timezone}, {cluster.keyboard_layout} keyboard"


def _record_licence(context: Context) -> None:
    # The wizard leaves no trace of the acceptance (l4t facts 2.1); this does, with the text it was given for.
    try:
        with open(context.root.path(_EULA), "rb") as text:
            digest = hashlib.sha256(text.read()).hexdigest()
    except FileNotFoundError:
        digest = None
    record = {
        "schema": 1,
        "nvidia-l4t-eula": "accepted",
        "accepted_by": f"recipe {context.cluster.name}",
        "built_at_s": context.cluster.built_at_s,
        "text_sha256": digest,
    }
    context.root.write(f"{FOLDER}/licence.json", json.dumps(record, indent=1, sort_keys=True) + "\n")


def _set_locale(context: Context) -> None:
    wanted = context.cluster.locale
    name, _, charset = wanted.partition(".")
    known = {_plain(line) for line in context.board.run(["locale", "--all-locales"]).stdout.split()}
    if _plain(wanted) not in known:
        context.board.run(
            ["localedef", f"--inputfile={name}", f"--charmap={charset or 'UTF-8'}", wanted],
            timeout_s=_LOCALEDEF_S,
        )
    # An upgrade of the locales package makes anew what is listed here, and drops the rest.
    listed = context.root.read_text("/etc/locale.gen")
    line = f"{wanted} {charset or 'UTF-8'}"
    if listed is not None and line not in listed.splitlines() and wanted not in ("C", "C.UTF-8", "POSIX"):
        context.root.write("/etc/locale.gen", listed + line + "\n")
    context.root.write("/etc/default/locale", f"LANG={wanted}\n")


def _plain(locale: str) -> str:
    return locale.lower().replace("-", "")


def _set_timezone(context: Context) -> None:
    zone = context.cluster.timezone
    if not context.root.exists(f"/usr/share/zoneinfo/{zone}"):
        raise StepError(f"the system knows no time zone {zone}")
    context.root.link("/etc/localtime", f"/usr/share/zoneinfo/{zone}")
    context.root.write("/etc/timezone", f"{zone}\n")


def _set_keyboard(context: Context) -> None:
    cluster = context.cluster
    values = {
        "XKBMODEL": cluster.keyboard_model,
        "XKBLAYOUT": cluster.keyboard_layout,
        "XKBVARIANT": cluster.keyboard_variant,
        "XKBOPTIONS": "",
        "BACKSPACE": "guess",
    }
    text = "".join(f'{key}="{value}"\n' for key, value in values.items())
    context.root.write("/etc/default/keyboard", text)
    if context.live and context.board.has("setupcon"):
        try:
            context.board.run(["setupcon", "--save", "--force"], timeout_s=30)
        except CommandError:
            return  # no console to set up: a headless board; the file counts from the next boot on
