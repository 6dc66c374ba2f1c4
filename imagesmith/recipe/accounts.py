"""Parsers of what a login user is made of. Pure; no message here ever quotes a password, hash or key."""

import base64
import binascii
import re

from imagesmith.model.recipe import Secret
from imagesmith.recipe.fields import FieldError, shaped, shown, whole_number

uid = whole_number(1000, 59999)
"""login.defs of Debian and Ubuntu: below are system users, above 59999 nobody and container ranges."""

_STOCK_NAMES = """
    root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats nobody nogroup
    systemd-timesync systemd-network systemd-resolve syslog messagebus _apt uuidd avahi avahi-autoipd dnsmasq
    sshd statd gdm lightdm pulse rtkit saned usbmux colord geoclue whoopsie kernoops hplip speech-dispatcher
    adm tty disk kmem dialout fax voice cdrom floppy tape sudo audio dip operator src shadow utmp video sasl
    plugdev staff users input crontab ssh netdev docker i2c gpio crypto trusty render weston-launch debug
"""
_SYSTEM_NAMES = frozenset(_STOCK_NAMES.split())
"""Users and groups of the stock image: useradd would fail, since each user gets a group of its own name."""

_SHELLS = ("/bin/bash", "/bin/sh", "/bin/dash", "/bin/rbash", "/usr/sbin/nologin", "/bin/false")

group_name = shaped(r"[a-z_][a-z0-9_-]{0,31}", "a group's name", "small letters, digits, - and _")


def user_name(text: str) -> str:
    """Return a login name that useradd takes and that the stock image has not got."""
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,31}", text):
        raise FieldError(
            f"{shown(text)} is not a user name",
            "a small letter, then small letters, digits, - or _; at most 32",
        )
    if text in _SYSTEM_NAMES:
        raise FieldError(f"{shown(text)} is a user or group of the system", "choose another name")
    return text


def gecos(text: str) -> str:
    """Return a full name for /etc/passwd, whose fields end at a colon and whose lines end at a newline."""
    if ":" in text or not text.isprintable():
        raise FieldError("has a colon or a line break, which /etc/passwd cannot hold", "remove it")
    return text


def shell(text: str) -> str:
    """Return a login shell that every base has: a missing one locks its user out."""
    if text not in _SHELLS:
        raise FieldError(f"{shown(text)} is not a shell of the base", f"one of: {', '.join(_SHELLS)}")
    return text


_HASH = re.compile(r"\$6\$(?:rounds=[1-9]\d{3,8}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{86}", re.ASCII)
MAKE_HASH = "make one with: openssl passwd -6"
_NOT_OURS = {
    "$y$": "a yescrypt hash ($y$): the board's glibc 2.27 cannot check it, the user would be locked out",
    "$gy$": "a gost-yescrypt hash ($gy$): the board's glibc 2.27 cannot check it",
    "$7$": "an scrypt hash ($7$): the board's glibc 2.27 cannot check it",
    "$2": "a bcrypt hash ($2…$): the board's glibc 2.27 cannot check it",
    "$1$": "an MD5 hash ($1$): broken in minutes today",
    "$5$": "a SHA-256 hash ($5$): only SHA-512 is accepted",
}


def password_hash(text: str) -> Secret:
    """Return the `$6$` (SHA-512 crypt) hash that a text, or the first line of a file, is."""
    text = text.partition("\n")[0].strip()
    if _HASH.fullmatch(text):
        return Secret(text)
    if text.startswith("$6$"):
        raise FieldError("a $6$ hash that is cut short or has foreign characters", "quote it; " + MAKE_HASH)
    for prefix, what in _NOT_OURS.items():
        if text.startswith(prefix):
            raise FieldError(what, MAKE_HASH)
    if text in {"", "!", "*", "!!", "x"}:
        raise FieldError("no password hash", "leave out passwd for a user without password")
    raise FieldError("a plain password, or no hash we know: a recipe holds $6$ hashes only", MAKE_HASH)


# What OpenSSH 7.6p1 on the board reads. sk-* came with 8.2; ssh-dss is off since 7.0.
_KEY_TYPES = frozenset(
    {"ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"}
)
MAKE_KEY = "make one with: ssh-keygen -t ed25519"
_PRIVATE = re.compile(r"PRIVATE KEY|PuTTY-User-Key-File", re.IGNORECASE)


def public_keys(text: str) -> tuple[str, ...]:
    """Return the keys of a text, or of a .pub or authorized_keys file: one a line; # lines are skipped."""
    if _PRIVATE.search(text):
        raise FieldError("a PRIVATE key: it must never leave its owner", "name the .pub file beside it")
    lines = [line.strip() for line in text.splitlines()]
    keys = tuple(_public_key(line) for line in lines if line and not line.startswith("#"))
    if not keys:
        raise FieldError("no public key", MAKE_KEY)
    return keys


def _public_key(text: str) -> str:
    """Return one line of authorized_keys: type, base64 blob, comment."""
    words = text.split(maxsplit=2)
    kind = words[0] if words else ""
    if kind.startswith("sk-"):
        raise FieldError("a security-key (sk-) key, unknown to the board's OpenSSH 7.6", MAKE_KEY)
    if kind == "ssh-dss":
        raise FieldError("a DSA key, refused by OpenSSH since 7.0", MAKE_KEY)
    if kind not in _KEY_TYPES:
        raise FieldError("not a public key: no key type (ssh-ed25519, ssh-rsa…) at its start", MAKE_KEY)
    if not text.isprintable() or len(words) == 1 or not _is_key_blob(words[1], kind):
        raise FieldError(
            f"an {kind} key that is cut short or damaged", "copy the whole line of the .pub file"
        )
    return " ".join(words).rstrip()


def _is_key_blob(encoded: str, kind: str) -> bool:
    """Whether it is RFC 4253 6.6: length-prefixed fields to the very end, the first naming the type."""
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return False
    fields = []
    while blob:
        length = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + length or not length:
            return False
        fields.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    wanted = {"ssh-ed25519": 2}.get(kind, 3)
    if len(fields) != wanted or fields[0] != kind.encode():
        return False
    return kind != "ssh-ed25519" or len(fields[1]) == 32  # noqa: PLR2004 -- bytes of an Ed25519 point
