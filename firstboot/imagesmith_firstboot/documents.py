"""The two documents of a card, read with distrust: every value's type and form is checked before use.

`cluster.json` is the same on every card; `node.json` is the identity slot, `{}` on a card without identity.
Values end up in fstab, key files and argument lists, so none may hold a control character. Messages name the
key, never the value: the slot holds secrets.
"""

import ipaddress
import json
import re
from typing import Any, Dict, List, NamedTuple, Optional, Pattern, Tuple

from imagesmith_firstboot.errors import DocumentError
from imagesmith_firstboot.root import Root

CLUSTER_PATH = "/etc/imagesmith/cluster.json"
NODE_PATH = "/etc/imagesmith/node.json"
SCHEMA = 1
MODES = ("mpi", "k8s", "none")

_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_HOSTNAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_INTERFACE = re.compile(r"[A-Za-z0-9_.:-]{1,15}")
_WORD = re.compile(r"[A-Za-z0-9_@.,+-]*")
_TIMEZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")
_SOURCE = re.compile(r"[A-Za-z0-9._-]+:/[^\x00-\x1f]*")
_TARGET = re.compile(r"(/[^/\x00-\x1f]+)+")
_OPTION = re.compile(r"[^\s,\x00-\x1f]+")
_PASSWD = re.compile(r"\$6\$[A-Za-z0-9./$=]+")
_KEY_TYPE = re.compile(r"[a-z0-9]+")


class User(NamedTuple):
    """A login user."""

    name: str
    uid: int
    groups: Tuple[str, ...]
    shell: str
    gecos: str
    ssh_authorized_keys: Tuple[str, ...]


class Mount(NamedTuple):
    """An NFS share."""

    source: str
    target: str
    options: Tuple[str, ...]


class Cluster(NamedTuple):
    """What all nodes share."""

    name: str
    built_at_s: int
    mode: str
    licence_accepted: bool
    locale: str
    timezone: str
    keyboard_layout: str
    keyboard_variant: str
    keyboard_model: str
    interface: str
    users: Tuple[User, ...]
    swap_bytes: int
    mounts: Tuple[Mount, ...]


class Peer(NamedTuple):
    """A node of the cluster; no address under DHCP."""

    hostname: str
    address: Optional[str]


class HostKey(NamedTuple):
    """An ssh host key pair as OpenSSH writes it."""

    kind: str
    private: str
    public: str


class Node(NamedTuple):
    """Who this card is. Everything empty: no identity, DHCP, a name made from the board's serial."""

    number: Optional[int] = None
    cluster: Optional[str] = None
    hostname: Optional[str] = None
    address: Optional[str] = None
    gateway4: Optional[str] = None
    nameservers: Tuple[str, ...] = ()
    search: Tuple[str, ...] = ()
    passwords: Tuple[Tuple[str, str], ...] = ()
    peers: Tuple[Peer, ...] = ()
    ssh_host_keys: Tuple[HostKey, ...] = ()
    known_hosts: Tuple[str, ...] = ()


class _Reader:
    """One JSON object and where it stands, for messages."""

    def __init__(self, value: Any, where: str) -> None:  # noqa: ANN401 -- JSON: anything until checked
        if not isinstance(value, dict):
            raise DocumentError(f"{where} is not an object")
        self._values: Dict[str, Any] = value
        self._where = where

    def has(self, key: str) -> bool:
        return self._values.get(key) is not None

    def bad(self, key: str, why: str) -> DocumentError:
        return DocumentError(f"{self._where}.{key} {why}")

    def _typed(self, key: str, kind: type, word: str) -> Any:  # noqa: ANN401 -- the callers name the type
        if key not in self._values:
            raise self.bad(key, "is missing")
        value = self._values[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.bad(key, f"is not {word}")
        return value

    def whole(self, key: str) -> int:
        value: int = self._typed(key, int, "a whole number")
        if value < 0:
            raise self.bad(key, "is negative")
        return value

    def text(self, key: str, form: Optional[Pattern[str]] = None) -> str:
        return self._line(key, self._typed(key, str, "a text"), form)

    def lines(self, key: str) -> str:
        value: str = self._typed(key, str, "a text")
        return value if value.endswith("\n") else value + "\n"

    def texts(self, key: str, form: Optional[Pattern[str]] = None) -> Tuple[str, ...]:
        values = self._typed(key, list, "a list")
        return tuple(self._line(f"{key}[{n}]", value, form) for n, value in enumerate(values))

    def table(self, key: str) -> "_Reader":
        return _Reader(self._typed(key, dict, "an object"), f"{self._where}.{key}")

    def tables(self, key: str) -> List["_Reader"]:
        values = self._typed(key, list, "a list")
        return [_Reader(value, f"{self._where}.{key}[{n}]") for n, value in enumerate(values)]

    def keys(self) -> List[str]:
        return sorted(self._values)

    def address(self, key: str) -> Optional[str]:
        if not self.has(key):
            return None
        return self._parsed(key, self.text(key), ipaddress.IPv4Address)

    def interface(self, key: str) -> Optional[str]:
        if not self.has(key):
            return None
        text = self.text(key)
        if "/" not in text:
            raise self.bad(key, "has no prefix length")
        return self._parsed(key, text, ipaddress.IPv4Interface)

    def addresses(self, key: str) -> Tuple[str, ...]:
        return tuple(self._parsed(key, text, ipaddress.IPv4Address) for text in self.texts(key))

    def _parsed(self, key: str, text: str, kind: Any) -> str:  # noqa: ANN401 -- a class of ipaddress
        try:
            return str(kind(text))
        except ValueError:
            raise self.bad(key, "is not an IPv4 address") from None

    def _line(self, key: str, value: object, form: Optional[Pattern[str]]) -> str:
        if not isinstance(value, str):
            raise self.bad(key, "is not a text")
        if not value.isprintable():
            raise self.bad(key, "holds a control character")
        if form is not None and form.fullmatch(value) is None:
            raise self.bad(key, "is not in the form it must have")
        return value


def read_documents(root: Root) -> Tuple[Cluster, Node]:
    """Return what all nodes share, and who this card is.

    Raises:
        DocumentError: one is missing, not JSON, of another schema, or wrong in a value; or they do not belong
            together.
    """
    cluster, node = _read_cluster(root), _read_node(root)
    if node.cluster not in (None, cluster.name):
        raise DocumentError(f"{NODE_PATH}.cluster names another cluster than {CLUSTER_PATH}")
    return cluster, node


def _read_cluster(root: Root) -> Cluster:
    raw = _open(root, CLUSTER_PATH)
    mode, licence, keyboard = raw.table("mode"), raw.table("licence"), raw.table("keyboard")
    kind = mode.text("kind")
    if kind not in MODES:
        raise mode.bad("kind", "is none of " + ", ".join(MODES))
    return Cluster(
        name=raw.text("name"),
        built_at_s=raw.whole("built_at_s"),
        mode=kind,
        licence_accepted=licence.text("nvidia-l4t-eula") == "accepted",
        locale=raw.text("locale", _WORD),
        timezone=raw.text("timezone", _TIMEZONE),
        keyboard_layout=keyboard.text("layout", _WORD),
        keyboard_variant=keyboard.text("variant", _WORD),
        keyboard_model=keyboard.text("model", _WORD),
        interface=raw.text("interface", _INTERFACE),
        users=tuple(_user(user) for user in raw.tables("users")),
        swap_bytes=raw.table("swap").whole("size_bytes"),
        mounts=tuple(_mount(mount) for mount in raw.tables("mounts")),
    )


def _read_node(root: Root) -> Node:
    raw = _open(root, NODE_PATH, may_be_empty=True)
    if not raw.keys():
        return Node()
    network, passwords = raw.table("network"), raw.table("passwords")
    return Node(
        number=raw.whole("index"),
        cluster=raw.text("cluster"),
        hostname=raw.text("hostname", _HOSTNAME),
        address=network.interface("address"),
        gateway4=network.address("gateway4"),
        nameservers=network.addresses("nameservers"),
        search=network.texts("search", _WORD),
        passwords=tuple((name, passwords.text(name, _PASSWD)) for name in passwords.keys()),  # noqa: SIM118
        peers=tuple(
            Peer(peer.text("hostname", _HOSTNAME), peer.address("address")) for peer in raw.tables("peers")
        ),
        ssh_host_keys=_host_keys(raw),
        known_hosts=raw.texts("known_hosts") if raw.has("known_hosts") else (),
    )


def _open(root: Root, path: str, *, may_be_empty: bool = False) -> _Reader:
    text = root.read_text(path)
    if text is None:
        raise DocumentError(f"{path} is missing")
    try:
        value = json.loads(text)
    except ValueError as exc:
        place = f" (line {exc.lineno}, column {exc.colno})" if isinstance(exc, json.JSONDecodeError) else ""
        raise DocumentError(f"{path} is not JSON{place}") from None
    reader = _Reader(value, path)
    if may_be_empty and not reader.keys():
        return reader
    if reader.whole("schema") != SCHEMA:
        raise reader.bad("schema", f"is not {SCHEMA}: image and agent do not belong together")
    return reader


def _user(raw: _Reader) -> User:
    shell = raw.text("shell", _TARGET)
    gecos = raw.text("gecos")
    if ":" in gecos:
        raise raw.bad("gecos", "holds a colon")
    return User(
        name=raw.text("name", _NAME),
        uid=raw.whole("uid"),
        groups=raw.texts("groups", _NAME),
        shell=shell,
        gecos=gecos,
        ssh_authorized_keys=raw.texts("ssh_authorized_keys"),
    )


def _mount(raw: _Reader) -> Mount:
    target = raw.text("to", _TARGET)
    if any(part in (".", "..") for part in target.split("/")):
        raise raw.bad("to", "is not a plain absolute path")
    return Mount(raw.text("from", _SOURCE), target, raw.texts("options", _OPTION))


def _host_keys(raw: _Reader) -> Tuple[HostKey, ...]:
    if not raw.has("ssh_host_keys"):
        return ()
    keys = raw.table("ssh_host_keys")
    found = []
    for kind in keys.keys():  # noqa: SIM118 -- a reader, not a dict
        if _KEY_TYPE.fullmatch(kind) is None:
            raise keys.bad(kind, "is not a key type")
        pair = keys.table(kind)
        found.append(HostKey(kind, pair.lines("private"), pair.lines("public")))
    return tuple(found)
