"""A tree becomes a `Recipe`: which keys there are and what each may hold. Pure."""

from collections.abc import Callable
from ipaddress import ip_network
from typing import Any, TypeVar

from imagesmith.model.recipe import Keyboard, Mode, Mount, Nodes, Recipe, Secret, User
from imagesmith.recipe import fields
from imagesmith.recipe.reader import Problems, Section
from imagesmith.recipe.tree import Place, YamlMap, YamlNode

T = TypeVar("T")
ReadFile = Callable[[str, Place], str]
"""Returns the text of a file a recipe names, relative to the recipe's folder; raises ValueError."""

VERSION = "1"
LICENCE = "nvidia-l4t-eula"
_KEYS = (
    "version", "extends", "name", "base", "licence", "nodes", "locale", "timezone", "keyboard",
    "users", "swap", "mounts", "mode", "overlays",
)  # fmt: skip
_MPI_KEYS = ("pytorch", "torchvision", "tensorflow", "horovod")
_K8S_KEYS = ("engine", "version", "pod_cidr")


def parse_recipe(root: YamlMap, problems: Problems, read_file: ReadFile) -> Recipe:
    """Return the recipe of a merged tree; where something is wrong there is a problem and a placeholder."""
    top = Section("", root.place, root.entries, problems).only(*_KEYS)
    _check_version(top)
    mode, options = _mode(top)
    return Recipe(
        name=top.required("name", fields.name, "unnamed"),
        base=top.required("base", fields.text, ""),
        nodes=_nodes(top.section("nodes"), is_there=top.has("nodes")),
        mode=mode,
        mode_options=options,
        licence_accepted=top.section("licence").only(LICENCE).text(LICENCE, fields.accepted, default=False),
        locale=top.text("locale", fields.locale, "en_US.UTF-8"),
        timezone=top.text("timezone", fields.timezone, "Etc/UTC"),
        keyboard=_keyboard(top.section("keyboard")),
        users=tuple(_user(top, path, node, read_file) for path, node in top.items("users")),
        swap_bytes=top.section("swap").only("size").text("size", fields.swap_size, 0),
        mounts=tuple(_mount(top, path, node) for path, node in top.items("mounts")),
        overlays=top.texts("overlays", fields.name),
    )


def _check_version(top: Section) -> None:
    said = top.required("version", fields.text, VERSION)
    if said != VERSION:
        top.problems.add(top.place_of("version"), "version", "this imagesmith reads version 1 only")


def _nodes(section: Section, *, is_there: bool) -> Nodes:
    if not is_there:
        section.problems.add(section.place, "nodes", "this key is missing")
        return Nodes(1, "node{n}", "eth0", None, None, ())
    section.only("count", "hostname", "interface", "addresses", "gateway4", "nameservers", "search")
    return Nodes(
        count=section.required("count", fields.count, 1),
        hostname=section.required("hostname", fields.hostname_pattern, "node{n}"),
        interface=section.text("interface", fields.interface, "eth0"),
        addresses=section.text("addresses", lambda text: _maybe(fields.interface_address(text)), None),
        gateway4=section.text("gateway4", lambda text: _maybe(fields.plain_address(text)), None),
        nameservers=section.texts("nameservers", fields.plain_address),
        search=section.texts("search", fields.domain),
    )


def _maybe(value: T) -> T | None:
    return value


def _keyboard(section: Section) -> Keyboard:
    section.only("layout", "variant", "model")
    return Keyboard(
        layout=section.text("layout", fields.keyboard, "us"),
        variant=section.text("variant", fields.keyboard, ""),
        model=section.text("model", fields.keyboard, "pc105"),
    )


def _user(top: Section, path: str, node: YamlNode, read_file: ReadFile) -> User:
    section = top.as_section(path, node, node.place)
    section.only("name", "uid", "gecos", "shell", "groups", "passwd", "ssh_authorized_keys")
    return User(
        name=section.required("name", fields.account, "nobody"),
        uid=section.required("uid", fields.uid, 1000),
        groups=section.texts("groups", fields.account),
        shell=section.text("shell", fields.folder, "/bin/bash"),
        gecos=section.text("gecos", fields.text, ""),
        passwd=_password(section, read_file),
        ssh_authorized_keys=_keys(section, read_file),
    )


def _password(section: Section, read_file: ReadFile) -> Secret | None:
    entry = section.entries.get("passwd")
    if entry is None:
        return None
    path = section.path("passwd")
    text = _text_or_file(section, path, entry.value, read_file)
    if text is None:
        return None
    try:
        return fields.password_hash(text.splitlines()[0].strip() if text.strip() else "")
    except ValueError as exc:
        section.problems.add(entry.place, path, str(exc))
        return None


def _keys(section: Section, read_file: ReadFile) -> tuple[str, ...]:
    keys: list[str] = []
    for path, node in section.items("ssh_authorized_keys"):
        for line in (_text_or_file(section, path, node, read_file) or "").splitlines():
            if not line.strip() or line.startswith("#"):
                continue
            try:
                keys.append(fields.public_key(line))
            except ValueError as exc:
                section.problems.add(node.place, path, str(exc))
                break  # a private key has many lines, and one word about it is enough
    return tuple(keys)


def _text_or_file(section: Section, path: str, node: YamlNode, read_file: ReadFile) -> str | None:
    if not isinstance(node, YamlMap):
        return section.parsed(path, node, node.place, _maybe, None)
    source = section.as_section(path, node, node.place).only("file")
    name = source.required("file", fields.text, "")
    if not name:
        return None
    try:
        return read_file(name, node.place)
    except ValueError as exc:
        section.problems.add(node.place, f"{path}.file", str(exc))
        return None


def _mount(top: Section, path: str, node: YamlNode) -> Mount:
    section = top.as_section(path, node, node.place).only("from", "to", "options")
    return Mount(
        source=section.required("from", fields.mount_source, ""),
        target=section.required("to", fields.folder, ""),
        options=section.texts("options", fields.mount_option),
    )


def _mode(top: Section) -> tuple[Mode, dict[str, Any]]:
    section = top.section("mode").only(*map(str, Mode))
    if len(section.entries) != 1:
        top.problems.add(top.place_of("mode"), "mode", "write exactly one of mpi, k8s, none")
        return Mode.NONE, {}
    (word,) = section.entries
    options = section.section(word)
    if word == Mode.MPI:
        options.only(*_MPI_KEYS)
        return Mode.MPI, {key: options.text(key, fields.version, "") for key in options.entries}
    if word == Mode.K8S:
        return Mode.K8S, _k8s(options.only(*_K8S_KEYS))
    options.only()
    return Mode.NONE, {}


def _k8s(options: Section) -> dict[str, Any]:
    return {
        "engine": options.text("engine", _engine, "kubeadm"),
        "version": options.text("version", fields.version, ""),
        "pod_cidr": options.text("pod_cidr", _network, "10.244.0.0/16"),
    }


def _engine(text: str) -> str:
    if text not in {"kubeadm", "k3s"}:
        raise ValueError("write kubeadm or k3s")
    return text


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as exc:
        raise ValueError(f"write a network without host bits: 10.244.0.0/16 ({exc})") from exc
