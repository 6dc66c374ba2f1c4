"""A tree becomes a `Recipe`: which keys there are and what each may hold. Pure."""

from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any, TypeVar

from imagesmith.model.recipe import Keyboard, Mode, Mount, Nodes, Recipe, Secret, User
from imagesmith.recipe import accounts, fields
from imagesmith.recipe.fields import FieldError
from imagesmith.recipe.reader import Problems, Section
from imagesmith.recipe.tree import Place, YamlMap, YamlNode

T = TypeVar("T")
ReadFile = Callable[[str, Place], str]
"""Returns the text of a file that a recipe names, relative to that recipe's folder; raises FieldError."""

LICENCE = "nvidia-l4t-eula"
_KEYS = (
    "version", "extends", "name", "base", "licence", "nodes", "locale", "timezone", "keyboard",
    "users", "swap", "mounts", "mode", "overlays",
)  # fmt: skip
_MPI_KEYS = ("pytorch", "torchvision", "tensorflow", "horovod")
_USER_KEYS = ("name", "uid", "gecos", "shell", "groups", "passwd", "ssh_authorized_keys")
_NO_ADDRESS = IPv4Address(0)


def check_version(root: YamlMap, problems: Problems) -> None:
    """Report a file that does not say which version of the language it is in; each says it for itself."""
    Section("", root.place, root.entries, problems).required("version", fields.recipe_version, 1, example="1")


def parse_recipe(root: YamlMap, problems: Problems, read_file: ReadFile) -> Recipe:
    """Return the recipe of a merged tree; where something is wrong there is a problem and a stand-in."""
    top = Section("", root.place, root.entries, problems).only(*_KEYS)
    mode, options = _mode(top)
    return Recipe(
        name=top.required("name", fields.recipe_name, "unnamed", example="mpi"),
        base=top.required("base", fields.base_name, "", example="jetpack-4.6.1-nano"),
        nodes=_nodes(top),
        mode=mode,
        mode_options=options,
        licence_accepted=top.section("licence", LICENCE).text(LICENCE, fields.accepted, default=False),
        locale=top.text("locale", fields.locale, "en_US.UTF-8"),
        timezone=top.text("timezone", fields.timezone, "Etc/UTC"),
        keyboard=_keyboard(top),
        users=tuple(_user(top, path, node, read_file) for path, node in top.items("users")),
        swap_bytes=_swap_bytes(top),
        mounts=tuple(_mount(top, path, node) for path, node in top.items("mounts")),
        overlays=top.texts("overlays", fields.overlay_name, ""),
    )


def _nodes(top: Section) -> Nodes:
    if not top.has("nodes"):
        top.missing("nodes", 'nodes: {count: 8, hostname: "jetson{n}-node"}')
        return Nodes(1, "node{n}", "eth0", None, None, ())
    section = top.section(
        "nodes", "count", "hostname", "interface", "addresses", "gateway4", "nameservers", "search"
    )
    return Nodes(
        count=section.required("count", fields.whole_number(1, fields.MOST_NODES), 1, example="8"),
        hostname=section.required("hostname", fields.hostname_pattern, "node{n}", example='"jetson{n}-node"'),
        interface=section.text("interface", fields.interface, "eth0"),
        addresses=section.text("addresses", fields.first_address, None),
        gateway4=section.text("gateway4", fields.gateway, None),
        nameservers=section.texts("nameservers", fields.host_address, _NO_ADDRESS),
        search=section.texts("search", fields.domain, ""),
    )


def _keyboard(top: Section) -> Keyboard:
    section = top.section("keyboard", "layout", "variant", "model")
    return Keyboard(
        layout=section.text("layout", fields.keyboard_layout, "us"),
        variant=section.text("variant", fields.keyboard_variant, ""),
        model=section.text("model", fields.keyboard_model, "pc105"),
    )


def _swap_bytes(top: Section) -> int:
    if not top.has("swap"):
        return 0
    return top.section("swap", "size").required("size", fields.swap_size, 0, example="4GiB")


def _user(top: Section, path: str, node: YamlNode, read_file: ReadFile) -> User:
    section = top.as_section(path, node, node.place, *_USER_KEYS)
    return User(
        name=section.required("name", accounts.user_name, "", example="guest"),
        uid=section.required("uid", accounts.uid, 0, example="1000"),
        groups=section.texts("groups", accounts.group_name, ""),
        shell=section.text("shell", accounts.shell, "/bin/bash"),
        gecos=section.text("gecos", accounts.gecos, ""),
        passwd=_password(section, read_file),
        ssh_authorized_keys=_authorized_keys(section, read_file),
    )


def _password(section: Section, read_file: ReadFile) -> Secret | None:
    entry = section.entries.get("passwd")
    if entry is None:
        return None
    path, parse = section.path("passwd"), accounts.password_hash
    return _text_or_file(section, path, entry.value, parse, read_file, remedy=accounts.MAKE_HASH)


def _authorized_keys(section: Section, read_file: ReadFile) -> tuple[str, ...]:
    keys: list[str] = []
    for path, item in section.items("ssh_authorized_keys"):
        keys += (
            _text_or_file(section, path, item, accounts.public_keys, read_file, remedy=accounts.MAKE_KEY)
            or ()
        )
    return tuple(keys)


def _text_or_file(
    section: Section,
    path: str,
    node: YamlNode,
    parse: Callable[[str], T],
    read_file: ReadFile,
    *,
    remedy: str,
) -> T | None:
    """Return what a text, or for `{file: PATH}` that file's text, means; None, and a problem, if it is wrong.

    No other key is looked at, let alone quoted: in `passwd: {secret}` the key is the secret.
    """
    if not isinstance(node, YamlMap):
        return section.parsed(path, node, parse, None)
    if list(node.entries) != ["file"]:
        hint = "quote a text that begins with {"
        section.problems.add(node.place, path, "a text or {file: PATH} is wanted, this is another map", hint)
        return None

    def parse_file(name: str) -> T:
        try:
            text = read_file(name, node.place)
        except FieldError as exc:
            raise FieldError(exc.message, f"{exc.suggestion}; {remedy}") from exc
        return parse(text)

    return section.parsed(path, node.entries["file"].value, parse_file, None)


def _mount(top: Section, path: str, node: YamlNode) -> Mount:
    section = top.as_section(path, node, node.place, "from", "to", "options")
    return Mount(
        source=section.required("from", fields.mount_source, "", example="192.168.0.1:/media/nfs"),
        target=section.required("to", fields.mount_target, "", example="/media/share"),
        options=section.texts("options", fields.mount_option, ""),
    )


def _mode(top: Section) -> tuple[Mode, dict[str, Any]]:
    if not top.has("mode"):
        top.missing("mode", "mode: {mpi: {}}")
        return Mode.NONE, {}
    section = top.section("mode", *map(str, Mode))
    if len(section.entries) != 1:
        if section.entries or isinstance(top.entries["mode"].value, YamlMap):
            top.problems.add(
                top.place_of("mode"), "mode", "one mode is wanted, no more, no less", "mpi, k8s or none"
            )
        return Mode.NONE, {}
    (word,) = section.entries
    if word == Mode.MPI:
        options = section.section(word, *_MPI_KEYS)
        return Mode.MPI, {
            key: options.text(key, fields.package_version, "") for key in _MPI_KEYS if options.has(key)
        }
    if word == Mode.K8S:
        return Mode.K8S, _k8s(section.section(word, "engine", "version", "pod_cidr"))
    if word == Mode.NONE:
        section.section(word)
    return Mode.NONE, {}


def _k8s(options: Section) -> dict[str, Any]:
    return {
        "engine": options.text("engine", fields.one_of("kubeadm", "k3s"), "kubeadm"),
        "version": options.text("version", fields.kubernetes_version, "1.31"),
        "pod_cidr": str(options.text("pod_cidr", fields.network, "10.244.0.0/16")),
    }
