"""Named parsers: one text to one value. Each is pure and raises `FieldError` with what is wrong and a remedy.

Callers name the key and the line. Nothing here may be given a secret: messages quote the text they refuse,
as far as it does not look like one.
"""

import difflib
import functools
import re
import zoneinfo
from collections.abc import Callable, Iterable
from ipaddress import AddressValueError, IPv4Address, IPv4Interface, IPv4Network
from typing import Final

from imagesmith.model.units import GIB, MIB, format_size, parse_size

MOST_NODES = 250
"""A /24 less the network, the broadcast and a few servers; the identity slot holds that many peers."""

_MOST_SHOWN = 60
_SECRET = re.compile(r"(\$\w{1,3}\$|passw(?:or)?d\W).*", re.DOTALL | re.IGNORECASE)
"""A password hash in a wrong place; a quote that was closed lines too late and took the password in."""


class FieldError(ValueError):
    """A text is not the value it should be."""

    def __init__(self, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion


def shown(text: str) -> str:
    """Return a text in quotes for a message, cut when long and where a secret may begin."""
    text = _SECRET.sub(r"\1…", text)
    return repr(text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 1] + "…")


def closest(word: str, words: Iterable[str]) -> str:
    """Return `did you mean 'x'?` for the most similar of some words, or nothing."""
    matches = difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)
    return f"did you mean {matches[0]!r}?" if matches else ""


def shaped(pattern: str, description: str, suggestion: str) -> Callable[[str], str]:
    """Return a parser of texts that match a whole pattern; `description` completes "… is not"."""
    compiled = re.compile(pattern, re.ASCII)

    def parse(text: str) -> str:
        if not compiled.fullmatch(text):
            raise FieldError(f"{shown(text)} is not {description}", suggestion)
        return text

    return parse


def one_of(*words: str, why: str = "") -> Callable[[str], str]:
    """Return a parser of a closed set of words."""

    def parse(text: str) -> str:
        if text not in words:
            listed = f"one of: {', '.join(words)}" if len(words) > 1 else f"write {words[0]}"
            raise FieldError(
                f"{shown(text)} is not known here" + (f"; {why}" if why else ""),
                closest(text, words) or listed,
            )
        return text

    return parse


def whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    """Return a parser of decimal whole numbers in a range, both ends included."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"0|[1-9][0-9]{0,9}", text):
            raise FieldError(f"{shown(text)} is not a whole number", "decimal digits, no leading zero")
        if not lowest <= int(text) <= highest:
            raise FieldError(f"{text} is out of range", f"{lowest} to {highest}")
        return int(text)

    return parse


def recipe_version(text: str) -> int:
    """Return the version of the recipe language, which is 1."""
    if text != "1":
        raise FieldError(f"recipe version {shown(text)} is not known to this imagesmith", "write version: 1")
    return 1


recipe_name: Final = shaped(
    r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?", "a recipe's name", "up to 32 small letters, digits and hyphens"
)
overlay_name: Final = shaped(
    r"[a-z0-9]+(?:-[a-z0-9]+)*", "an overlay's name", "small letters, digits and hyphens"
)
domain: Final = shaped(
    r"(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*",
    "a domain",
    "small letters, digits, hyphens and dots, for example lab.example",
)
mount_option: Final = shaped(
    r"[a-z][a-z0-9_-]*(?:=[A-Za-z0-9_.:/-]+)?", "one mount option", "for example [ro, nfsvers=4]"
)
keyboard_variant: Final = shaped(r"[a-z0-9_-]{1,32}", "a keyboard variant", "for example nodeadkeys")
keyboard_model: Final = shaped(r"[a-z0-9_]{1,32}", "a keyboard model", "for example pc105")
package_version: Final = shaped(
    r"[0-9]+(?:\.[0-9]+){1,3}(?:(?:a|b|rc)[0-9]+)?(?:\+[a-z0-9.]+)?", "a version", "for example 1.10.0"
)


def base_name(text: str) -> str:
    """Return the name of a base. A file is no part of a recipe, which is the same on every machine."""
    if "/" in text or re.search(r"\.[A-Za-z]+$", text):
        raise FieldError(f"{shown(text)} is a file, not a base's name", "give a file by: build --base FILE")
    if not re.fullmatch(r"[a-z0-9]+(?:[.-][a-z0-9]+)*", text):
        raise FieldError(f"{shown(text)} is not a base's name", "for example jetpack-4.6.1-nano, or standin")
    return text


_RFC_1123 = "small letters, digits and hyphens, no hyphen at either end: RFC 1123"


def hostname_pattern(text: str) -> str:
    """Return a host name (RFC 1123: letters, digits, hyphens, at most 63) in which `{n}` may stand once."""
    if text.count("{n}") > 1:
        raise FieldError(f"{shown(text)} has {{n}} more than once", "once is enough")
    bare = text.replace("{n}", "0")
    if set("{}") & set(bare):
        raise FieldError(f"{shown(text)} has braces around something else than n", "write {n}")
    if not re.fullmatch(r"[A-Za-z0-9._-]+", bare):
        raise FieldError(f"{shown(text)} is not a host name", _RFC_1123)
    if "." in bare:
        raise FieldError(
            f"{shown(text)} has a dot: a host name is one label", "the domain goes to nodes.search"
        )
    if "_" in bare:
        raise FieldError(f"{shown(text)} has an underscore", f"write {shown(text.replace('_', '-'))}")
    if text != text.lower():
        raise FieldError(
            f"{shown(text)} has capitals, which Kubernetes refuses", f"write {shown(text.lower())}"
        )
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", bare):
        raise FieldError(f"{shown(text)} is not a host name", _RFC_1123)
    if bare.isdigit() or bare == "localhost":
        raise FieldError(f"{shown(text)} cannot name a host", "for example jetson{n}-node")
    return text


def interface(text: str) -> str:
    """Return a network interface's name (at most 15 characters, not the loopback)."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{0,14}", text) or text == "lo":
        raise FieldError(f"{shown(text)} is not a network interface", "a Nano's is eth0")
    return text


def host_address(text: str) -> IPv4Address:
    """Return the address of one host."""
    return _unicast(_address(text))


def gateway(text: str) -> IPv4Address:
    """Return a gateway: one host, so without a prefix (`route add default gw 192.168.0.1/24` is an error)."""
    host, slash, _ = text.partition("/")
    address = host_address(host)
    if slash:
        raise FieldError(f"{shown(text)} has a prefix, but a gateway is one host", f"write {address}")
    return address


def first_address(text: str) -> IPv4Interface:
    """Return the first node's address with the prefix of its network."""
    host, slash, prefix = text.partition("/")
    address = _unicast(_address(host))
    if not slash:
        raise FieldError(f"{shown(text)} has no prefix", f"for example {address}/24")
    if not re.fullmatch(r"[1-9][0-9]?", prefix) or not 1 <= int(prefix) <= 30:  # noqa: PLR2004 -- /31, /32: no LAN
        raise FieldError(f"{shown(text)} has no usable prefix", f"1 to 30, for example {address}/24")
    return IPv4Interface(text)


def network(text: str) -> IPv4Network:
    """Return a network in which no host bit is set."""
    address, slash, prefix = text.partition("/")
    host = _address(address)
    if not slash or not re.fullmatch(r"[1-9][0-9]?", prefix) or int(prefix) > 32:  # noqa: PLR2004 -- bits of an address
        raise FieldError(f"{shown(text)} is not a network", "for example 10.244.0.0/16")
    whole = IPv4Network(text, strict=False)
    if whole.network_address != host:
        raise FieldError(f"{shown(text)} has host bits set", f"the network is {whole}")
    return whole


def _address(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except AddressValueError as exc:
        kind = "an IPv6 address; only IPv4 is supported" if text.count(":") > 1 else "not an IPv4 address"
        raise FieldError(f"{shown(text)} is {kind}", "four numbers from 0 to 255, no leading zeros") from exc


def _unicast(address: IPv4Address) -> IPv4Address:
    unusable = {
        "the unspecified address": address.is_unspecified,
        "a loopback address": address.is_loopback,
        "a multicast address": address.is_multicast,
        "a link-local address": address.is_link_local,
        "a reserved address": address.is_reserved,
    }
    for what, is_so in unusable.items():
        if is_so:
            raise FieldError(f"{address} is {what}: no host can have it", "for example 192.168.0.10")
    return address


def locale(text: str) -> str:
    """Return a UTF-8 locale such as en_US.UTF-8."""
    if re.fullmatch(r"C\.UTF-8|[a-z]{2,3}_[A-Z]{2}\.UTF-8(?:@[a-z]+)?", text):
        return text
    language = re.match(r"[a-z]{2,3}_[A-Z]{2}", text)
    raise FieldError(
        f"{shown(text)} is not a UTF-8 locale",
        f"write {language[0]}.UTF-8" if language else "for example en_US.UTF-8",
    )


@functools.cache
def _timezones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones()) - {"localtime", "Factory"}


def timezone(text: str) -> str:
    """Return the name of a time zone of the tz database."""
    if text not in _timezones():
        cities = {zone.rpartition("/")[2]: zone for zone in sorted(_timezones())}
        by_city = cities.get(text.rpartition("/")[2])
        suggestion = f"did you mean {by_city!r}?" if by_city else closest(text, _timezones())
        raise FieldError(
            f"{shown(text)} is not a time zone", suggestion or "Area/City, for example Europe/Paris"
        )
    return text


_XKB_LAYOUTS = """
    af al am ara at au az ba bd be bg br brai bt bw by ca cd ch cm cn cz de dk dz ee epo es et fi fo fr gb ge
    gh gn gr hr hu id ie il in iq ir is it jp ke kg kh kr kz la latam lk lt lv ma mao md me mk ml mm mn mt mv
    my ng nl no np ph pk pl pt ro rs ru se si sk sn sy tg th tj tm tr tw tz ua us uz vn za
"""
_LAYOUTS = frozenset(_XKB_LAYOUTS.split())
"""The layouts of xkb-data's rules/base.lst."""

_LAYOUT_OF_LANGUAGE = {"en": "us or gb", "uk": "gb, or ua for Ukrainian", "ja": "jp", "da": "dk", "sv": "se"}


def keyboard_layout(text: str) -> str:
    """Return a keyboard layout of XKB."""
    if text not in _LAYOUTS:
        suggestion = _LAYOUT_OF_LANGUAGE.get(text, "")
        raise FieldError(
            f"{shown(text)} is not a keyboard layout",
            f"did you mean {suggestion}?" if suggestion else "a code such as us, gb, de, fr",
        )
    return text


def swap_size(text: str) -> int:
    """Return the bytes of a swap partition: whole MiB, between 64 MiB and 64 GiB."""
    try:
        size_bytes = parse_size(text)
    except ValueError as exc:
        raise FieldError(f"{shown(text)} is not a size", "for example 4GiB") from exc
    if not 64 * MIB <= size_bytes <= 64 * GIB:
        raise FieldError(
            f"{format_size(size_bytes)} is no sensible swap", "64MiB to 64GiB; leave out swap for none"
        )
    if size_bytes % MIB:
        whole = round(size_bytes / MIB)
        raise FieldError(f"{shown(text)} is not a whole number of MiB", f"write {whole}MiB")
    return size_bytes


def mount_source(text: str) -> str:
    """Return an NFS source `server:/path`."""
    server, colon, path = text.partition(":")
    if not colon or not server or not path.startswith("/"):
        raise FieldError(
            f"{shown(text)} is not an NFS share", "server:/path, for example 192.168.0.1:/media/nfs"
        )
    if re.fullmatch(r"[0-9./]+", server):
        host_address(server)
    else:
        domain(server.lower())
    return f"{server}:{_plain_path(path, text)}"


def mount_target(text: str) -> str:
    """Return a folder of the node to mount on: no folder the system itself lives in."""
    path = _plain_path(text, text)
    if path in _WHOLE_FOLDERS or path.split("/")[1] in _SYSTEM_FOLDERS:
        raise FieldError(f"{shown(text)} belongs to the system", "a folder under /media, /mnt, /srv or /home")
    return path


_ROOT_FOLDERS = "bin boot dev etc lib lib64 lost+found proc root run sbin snap sys tmp usr var"
_SYSTEM_FOLDERS = frozenset(_ROOT_FOLDERS.split())
_WHOLE_FOLDERS = frozenset({"/", "/home", "/opt", "/opt/nvidia"})


def _plain_path(path: str, text: str) -> str:
    if not path.startswith("/"):
        raise FieldError(f"{shown(text)} is not an absolute path", "begin with /")
    if re.search(r"[\s\\#,\"']", path):
        message = f"{shown(text)} has a blank or a special character, which fstab cannot hold plainly"
        raise FieldError(message, "letters, digits, - _ . and /")
    plain = path.rstrip("/") or "/"
    if any(part in {"", ".", ".."} for part in plain.split("/")[1:]) and plain != "/":
        raise FieldError(f"{shown(text)} is not a plain path", "no '..', '.' or '//'")
    return plain


def accepted(text: str) -> bool:
    """Return True for the one word that accepts a licence."""
    if text != "accepted":
        raise FieldError(f"{shown(text)} accepts nothing", "read the licence, then write accepted")
    return True


# pkgs.k8s.io begins at 1.24; from 1.32 on kubeadm's SystemVerification refuses kernel 4.9 (l4t facts 7.2).
_OLDEST_KUBERNETES, _NEWEST_KUBERNETES = 24, 31
_KUBERNETES_MINORS = f"1.{_OLDEST_KUBERNETES} to 1.{_NEWEST_KUBERNETES}"


def kubernetes_version(text: str) -> str:
    """Return a Kubernetes minor or patch version that runs on the board's 4.9 kernel."""
    match = re.fullmatch(r"1\.(\d{1,3})(?:\.\d{1,3})?", text, re.ASCII)
    if match is None:
        raise FieldError(f"{shown(text)} is not a Kubernetes version", "for example 1.31, without a v")
    if int(match[1]) < _OLDEST_KUBERNETES:
        raise FieldError(f"Kubernetes {text} is no longer published", _KUBERNETES_MINORS)
    if int(match[1]) > _NEWEST_KUBERNETES:
        raise FieldError(f"Kubernetes {text} does not run on a Nano: its kernel is 4.9", _KUBERNETES_MINORS)
    return text
