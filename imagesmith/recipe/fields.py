"""Named parsers: one text of a recipe becomes one value. Pure; a ValueError says what to write instead.

No message quotes a text that may be a secret.
"""

import re
import zoneinfo
from ipaddress import AddressValueError, IPv4Address, IPv4Interface, NetmaskValueError
from typing import NoReturn

from imagesmith.model.recipe import Secret
from imagesmith.model.units import MIB, parse_size

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}")  # useradd(8), NAME_REGEX of Debian and Ubuntu
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1123, lower case
_INTERFACE = re.compile(r"[a-z][a-z0-9]{1,14}")
_LOCALE = re.compile(r"(C|[a-z]{2,3}_[A-Z]{2}(@[a-z]+)?)\.UTF-8")
_KEYBOARD = re.compile(r"[a-z0-9_,-]{0,64}")
_SOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*:/[^\s:]*")
_FOLDER = re.compile(r"(/[A-Za-z0-9._-]+)+")
_OPTION = re.compile(r"[A-Za-z0-9_.-]+(=[A-Za-z0-9_.:/-]+)?")
_VERSION = re.compile(r"[0-9][A-Za-z0-9.+~-]*")
_HASH = re.compile(r"\$6\$(rounds=\d+\$)?[A-Za-z0-9./]{1,16}\$[A-Za-z0-9./]{86}")
_PUBLIC_KEY = re.compile(
    r"(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-[a-z0-9@.-]+) [A-Za-z0-9+/]{32,}={0,3}( .*)?"
)
_MOST_NODES = 250
_LEAST_UID, _MOST_UID = 1000, 59999


def _wrong(message: str) -> NoReturn:
    raise ValueError(message)


def name(text: str) -> str:
    """Return a recipe's name."""
    return text if _NAME.fullmatch(text) else _wrong("write lower-case letters, digits and hyphens")


def text(value: str) -> str:
    """Return any text of one line."""
    return value if value and value.isprintable() else _wrong("write a text on one line")


def count(value: str) -> int:
    """Return how many nodes there are."""
    if not value.isdigit() or not 1 <= int(value) <= _MOST_NODES:
        _wrong(f"write a number from 1 to {_MOST_NODES}")
    return int(value)


def uid(value: str) -> int:
    """Return a user id of people."""
    if not value.isdigit() or not _LEAST_UID <= int(value) <= _MOST_UID:
        _wrong(f"write a number from {_LEAST_UID} to {_MOST_UID}")
    return int(value)


def hostname_pattern(value: str) -> str:
    """Return a host name with at most one {n}."""
    if value.count("{n}") > 1 or not _LABEL.fullmatch(value.replace("{n}", str(_MOST_NODES - 1))):
        _wrong("write lower-case letters, digits and hyphens, and {n} for the node's number: jetson{n}-node")
    return value


def interface(value: str) -> str:
    """Return a network interface's name."""
    return value if _INTERFACE.fullmatch(value) else _wrong("write an interface's name; on a Nano it is eth0")


def interface_address(value: str) -> IPv4Interface:
    """Return an address with its prefix."""
    try:
        if "/" in value:
            return IPv4Interface(value)
    except (AddressValueError, NetmaskValueError, ValueError):
        pass
    return _wrong("write the first node's address with its prefix: 192.168.0.10/24")


def plain_address(value: str) -> IPv4Address:
    """Return an address without prefix."""
    if "/" in value:
        _wrong(f"an address here has no prefix: write {value.partition('/')[0]}")
    try:
        return IPv4Address(value)
    except AddressValueError:
        return _wrong("write an IPv4 address: 192.168.0.1")


def domain(value: str) -> str:
    """Return a search domain."""
    good = all(_LABEL.fullmatch(label) for label in value.split("."))
    return value if good else _wrong("write a domain name")


def locale(value: str) -> str:
    """Return a locale."""
    return value if _LOCALE.fullmatch(value) else _wrong("write a UTF-8 locale: en_US.UTF-8")


def timezone(value: str) -> str:
    """Return a time zone of the tz database."""
    good = value in zoneinfo.available_timezones() and not value.startswith(("posix", "right"))
    return value if good else _wrong("write a time zone of the tz database: Europe/Paris")


def keyboard(value: str) -> str:
    """Return a word of keyboard-configuration."""
    return value if _KEYBOARD.fullmatch(value) else _wrong("write a layout as in /etc/default/keyboard: us")


def account(value: str) -> str:
    """Return a user's or group's name."""
    return value if _ACCOUNT.fullmatch(value) else _wrong("write a lower-case account name")


def folder(value: str) -> str:
    """Return an absolute folder."""
    good = _FOLDER.fullmatch(value) and not {".", ".."} & set(value.split("/"))
    return value if good else _wrong("write an absolute folder without spaces: /media/share")


def mount_source(value: str) -> str:
    """Return `server:/path`."""
    return value if _SOURCE.fullmatch(value) else _wrong("write server:/folder: 192.168.0.1:/media/nfs")


def mount_option(value: str) -> str:
    """Return one mount option."""
    return value if _OPTION.fullmatch(value) else _wrong("write one mount option: ro")


def swap_size(value: str) -> int:
    """Return bytes, a whole number of MiB."""
    size_bytes = parse_size(value)
    if size_bytes % MIB:
        _wrong("write a whole number of MiB: 4GiB")
    return size_bytes


def version(value: str) -> str:
    """Return a package's version."""
    return value if _VERSION.fullmatch(value) else _wrong("write a version: 1.10.0")


def password_hash(value: str) -> Secret:
    """Return a sha512-crypt hash. Never quotes what it refuses."""
    if _HASH.fullmatch(value):
        return Secret(value)
    make = "make one with: openssl passwd -6"
    if value.startswith(("$y$", "$gy$", "$7$")):
        _wrong(f"the board's glibc 2.27 does not know yescrypt, the user would be locked out; {make}")
    if value.startswith("$6$"):
        _wrong(f"not a whole $6$ hash; {make}")
    if value.startswith("$"):
        _wrong(f"only $6$ (sha512-crypt) hashes are taken; {make}")
    return _wrong(f"a plain password is never taken; {make}")


def public_key(value: str) -> str:
    """Return one authorized_keys line without options. Never quotes what it refuses."""
    if "PRIVATE KEY" in value:
        _wrong("this is a private key: it must never leave its machine; name the .pub file beside it")
    good = _PUBLIC_KEY.fullmatch(value.strip())
    return value.strip() if good else _wrong("write a public key as in id_ed25519.pub")


def accepted(value: str) -> bool:
    """Return True for the one word that accepts a licence."""
    return value == "accepted" or _wrong("write accepted, once you have read and accepted the licence")
