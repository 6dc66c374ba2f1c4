"""Broken documents: the first step fails with a message naming file and key; nothing else happens."""

import copy
import json
from typing import Any, List, Tuple

from imagesmith_firstboot.documents import CLUSTER_PATH, NODE_PATH, read_documents

from tests.firstboot.case import BoardCase
from tests.firstboot.stock_card import CLUSTER, NODE, Document, put, snapshot

_REMOVED = object()


def _with(document: Document, path: str, value: Any) -> str:  # a JSON value
    result = copy.deepcopy(document)
    *folders, last = path.split(".")
    place: Any = result
    for name in folders:
        place = place[int(name) if name.isdigit() else name]
    if value is _REMOVED:
        del place[last]
    else:
        place[int(last) if last.isdigit() else last] = value
    return json.dumps(result)


_CLUSTERS: List[Tuple[str, Any, str]] = [
    ("schema", 2, ".schema is not 1: image and agent do not belong together"),
    ("schema", "1", ".schema is not a whole number"),
    ("name", _REMOVED, ".name is missing"),
    ("built_at_s", True, ".built_at_s is not a whole number"),
    ("built_at_s", -1, ".built_at_s is negative"),
    ("mode", "mpi", ".mode is not an object"),
    ("mode.kind", "slurm", ".mode.kind is none of mpi, k8s, none"),
    ("locale", "en_US.UTF-8; reboot", ".locale is not in the form it must have"),
    ("timezone", "../../etc/shadow", ".timezone is not in the form it must have"),
    ("interface", "eth0\nmethod=auto", ".interface holds a control character"),
    ("users.0.name", "-rf", ".users[0].name is not in the form it must have"),
    ("users.0.gecos", "a:0:0", ".users[0].gecos holds a colon"),
    ("users.0.ssh_authorized_keys", ["a\nb"], ".users[0].ssh_authorized_keys[0] holds a control character"),
    ("users", {}, ".users is not a list"),
    ("swap.size_bytes", "4GiB", ".swap.size_bytes is not a whole number"),
    ("mounts.0.from", "/media/nfs", ".mounts[0].from is not in the form it must have"),
    ("mounts.0.to", "/media/../etc", ".mounts[0].to is not a plain absolute path"),
    ("mounts.0.options", ["ro,exec"], ".mounts[0].options[0] is not in the form it must have"),
]
_NODES: List[Tuple[str, Any, str]] = [
    ("schema", 2, ".schema is not 1: image and agent do not belong together"),
    ("cluster", "other", f".cluster names another cluster than {CLUSTER_PATH}"),
    ("index", "1", ".index is not a whole number"),
    ("hostname", "Jetson_1", ".hostname is not in the form it must have"),
    ("network.address", "192.168.0.11", ".network.address has no prefix length"),
    ("network.address", "192.168.0.300/24", ".network.address is not an IPv4 address"),
    ("network.gateway4", "192.168.0.1/24", ".network.gateway4 is not an IPv4 address"),
    ("network.nameservers", "192.168.0.1", ".network.nameservers is not a list"),
    ("passwords.guest", "secret", ".passwords.guest is not in the form it must have"),
    ("passwords.guest", "$1$weak$hash", ".passwords.guest is not in the form it must have"),
    ("peers.1", None, ".peers[1] is not an object"),
    ("ssh_host_keys", {"ed25519": {"public": "x"}}, ".ssh_host_keys.ed25519.private is missing"),
    ("ssh_host_keys", {"../x": {}}, ".ssh_host_keys.../x is not a key type"),
    ("known_hosts", ["a", 1], ".known_hosts[1] is not a text"),
]


class DocumentsTest(BoardCase):
    def _refused(self, path: str, text: str) -> str:
        board = self.board()
        put(self.root, path, text)
        before = snapshot(self.root)

        failure = self.failure(board)

        after = {name: value for name, value in snapshot(self.root).items() if "/var/lib" not in name}
        assert before == after
        assert board.calls == []
        assert self.statuses() == ["failed"] + ["pending"] * 9
        return failure

    def test_each_wrong_value_of_the_cluster_document_is_named(self) -> None:
        for key, value, message in _CLUSTERS:
            with self.subTest(key=key, value=str(value)):
                self.new_card()

                assert self._refused(CLUSTER_PATH, _with(CLUSTER, key, value)) == (
                    f"clock: {CLUSTER_PATH}{message}"
                )

    def test_each_wrong_value_of_the_slot_is_named(self) -> None:
        for key, value, message in _NODES:
            with self.subTest(key=key, value=str(value)):
                self.new_card()

                assert self._refused(NODE_PATH, _with(NODE, key, value)) == f"clock: {NODE_PATH}{message}"

    def test_broken_json_is_refused_with_its_place_and_without_its_content(self) -> None:
        failure = self._refused(NODE_PATH, '{"schema": 1,\n "passwords": {"guest": "$6$abc" oops')

        assert failure == f"clock: {NODE_PATH} is not JSON (line 2, column 34)"

    def test_an_empty_slot_file_is_not_an_empty_slot(self) -> None:
        assert self._refused(NODE_PATH, "\n" * 65536).startswith(f"clock: {NODE_PATH} is not JSON")

    def test_zeros_instead_of_a_slot_are_refused(self) -> None:
        assert self._refused(NODE_PATH, "\0" * 65536).startswith(f"clock: {NODE_PATH} is not JSON")

    def test_a_list_is_refused(self) -> None:
        assert self._refused(NODE_PATH, "[]") == f"clock: {NODE_PATH} is not an object"

    def test_a_missing_document_is_refused(self) -> None:
        board = self.board()
        self.root.remove(NODE_PATH)

        assert self.failure(board) == f"clock: {NODE_PATH} is missing"

    def test_keys_of_a_later_tool_are_let_be(self) -> None:
        self.board()
        put(self.root, NODE_PATH, _with(NODE, "colour", "red"))

        assert read_documents(self.root)[1].hostname == "jetson1-node"
