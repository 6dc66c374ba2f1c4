"""Each content check, shown to fail on a real ext4: one thing is edited, and exactly that check says so."""

import dataclasses
from pathlib import Path

import pytest

from imagesmith.model.blockmap import Span
from imagesmith.model.layout import EMPTY_SLOT
from imagesmith.verify.content import Stage, verify_content
from tests.rig.images import APP, Published, edit_root, overwrite

_UNITS = "/etc/systemd/system"
_AGENT_UNIT = f"{_UNITS}/imagesmith-firstboot.service"
_AGENT_LINK = f"{_UNITS}/multi-user.target.wants/imagesmith-firstboot.service"
_AGENT = "/usr/lib/imagesmith/imagesmith-firstboot"
_IDENTITY = b'{"hostname":"jetson0-node"}'.ljust(len(EMPTY_SLOT), b"\n")


def _failed(published: Published, *, stage: Stage = Stage.IMAGE) -> dict[str, str]:
    findings = verify_content(published.image, published.manifest, stage=stage)
    return {finding.check: finding.detail for finding in findings if not finding.ok}


def _rewrite(path: str, text: str, folder: Path) -> tuple[str, ...]:
    """Return the requests that give a file another content."""
    source = folder / "new-content"
    source.write_text(text)
    return (*_gone(path), f"write {source} {path}")


def _link(path: str, target: str) -> tuple[str, ...]:
    return (f"rm {path}", f"symlink {path} {target}")


def _gone(path: str) -> tuple[str, ...]:
    return (f"rm {path}",)


def test_the_content_of_a_published_image_has_nothing_wrong(small_image: Published) -> None:
    findings = verify_content(small_image.image, small_image.manifest)

    assert [] == [finding for finding in findings if not finding.ok]
    assert {
        "default target", "agent", "unit links", "fstab", "hostname", "cluster document", "first-boot flag",
        "ssh host keys", "machine-id", "leftovers", "secrets", "identity slot",
    } == {finding.check for finding in findings}  # fmt: skip


LINKS = {
    "oem-config would start": (
        _link(f"{_UNITS}/default.target", "/lib/systemd/system/nv-oem-config.target"),
        "default target",
        "it is /lib/systemd/system/nv-oem-config.target, which does not start multi-user.target",
    ),
    "no default target": (
        _gone(f"{_UNITS}/default.target"),
        "default target",
        "/etc/systemd/system/default.target is not a link",
    ),
    "a default target that is not there": (
        _link(f"{_UNITS}/default.target", "/lib/systemd/system/graphical.target"),
        "default target",
        "it leads to /lib/systemd/system/graphical.target, which is not there",
    ),
    "no first-boot flag": (
        _gone("/etc/nv/nvfirstboot"),
        "first-boot flag",
        "/etc/nv/nvfirstboot is missing: no ssh host keys",
    ),
    "no agent": (_gone(_AGENT), "agent", f"the unit starts {_AGENT}, which is not there"),
    "the agent not enabled": (
        _gone(_AGENT_LINK),
        "agent",
        f"not enabled: {_AGENT_LINK} does not lead to the unit",
    ),
    "the agent enabled as another unit": (
        _link(_AGENT_LINK, "/lib/systemd/system/ssh.service"),
        "agent",
        f"not enabled: {_AGENT_LINK} does not lead to the unit",
    ),
    "a wanted unit that is not there": (
        _gone("/lib/systemd/system/nvfb.service"),
        "unit links",
        f"1 lead nowhere, the first {_UNITS}/multi-user.target.wants/nvfb.service",
    ),
    "a wanted instance without its template": (
        _gone("/lib/systemd/system/getty@.service"),
        "unit links",
        f"1 lead nowhere, the first {_UNITS}/getty.target.wants/getty@tty1.service",
    ),
    "a link in a circle": (
        (
            *_link(f"{_UNITS}/default.target", "multi-user.target"),
            f"symlink {_UNITS}/multi-user.target default.target",
        ),
        "default target",
        "it leads to multi-user.target, which is not there",
    ),
    "no machine-id": (_gone("/etc/machine-id"), "machine-id", "/etc/machine-id is missing"),
    "no slot": (_gone("/etc/imagesmith/node.json"), "identity slot", "/etc/imagesmith/node.json is missing"),
    "a slot that all may read": (
        ("sif /etc/imagesmith/node.json mode 0100644",),
        "identity slot",
        "mode 0644 of 0:0, not 0600 of root",
    ),
    "a slot that is somebody's": (
        ("sif /etc/imagesmith/node.json uid 1000",),
        "identity slot",
        "mode 0600 of 1000:0, not 0600 of root",
    ),
    "a slot too short": (
        ("sif /etc/imagesmith/node.json size 4096",),
        "identity slot",
        "4096 bytes, not 65536",
    ),
    "no cluster document": (
        _gone("/etc/imagesmith/cluster.json"),
        "cluster document",
        "/etc/imagesmith/cluster.json is missing or not JSON",
    ),
    "no hosts": (_gone("/etc/hosts"), "hostname", "/etc/hostname or /etc/hosts is missing"),
    "no fstab": (_gone("/etc/fstab"), "fstab", "/etc/fstab is missing"),
}


@pytest.mark.parametrize("name", LINKS)
def test_what_is_missing_or_leads_astray_is_found_and_nothing_else(spoilt: Published, name: str) -> None:
    requests, check, detail = LINKS[name]
    edit_root(spoilt.image, *requests)

    assert {check: detail} == _failed(spoilt)


ADDED = {
    "a host key": ("/etc/ssh/ssh_host_rsa_key", "x", "ssh host keys"),
    "the public half of a host key": ("/etc/ssh/ssh_host_rsa_key.pub", "x", "ssh host keys"),
    "a random seed": ("/var/lib/systemd/random-seed", "x", "leftovers"),
    "a DHCP lease": ("/var/lib/dhcp/dhclient.eth0.leases", "x", "leftovers"),
    "a NetworkManager lease": ("/var/lib/NetworkManager/internal-eth0.lease", "x", "leftovers"),
    "a D-Bus machine-id": ("/var/lib/dbus/machine-id", "0" * 32, "machine-id"),
    "a private key": ("/etc/imagesmith/id", "-----BEGIN OPENSSH PRIVATE KEY-----\n", "secrets"),
}


@pytest.mark.parametrize("name", ADDED)
def test_what_a_board_left_behind_is_found_and_nothing_else(
    spoilt: Published, tmp_path: Path, name: str
) -> None:
    path, text, check = ADDED[name]
    edit_root(spoilt.image, *_rewrite(path, text, tmp_path)[1:])

    failed = _failed(spoilt)

    assert {check} == set(failed)
    assert path in failed[check]


REWRITTEN = {
    "a machine-id": ("/etc/machine-id", "0" * 32 + "\n", "machine-id"),
    "a password": ("/etc/shadow", "root:*:1::::::\nguest:$6$salt$hash:1::::::\n", "secrets"),
    "a locked password": ("/etc/shadow", "guest:!$6$salt$hash:1::::::\n", "secrets"),
    "an account without a password": ("/etc/shadow", "guest::1::::::\n", "secrets"),
    "a hash in passwd": ("/etc/passwd", "guest:$6$salt$hash:1000:1000::/home/guest:/bin/sh\n", "secrets"),
    "a hostname alone": ("/etc/hostname", "jetson0-node\n", "hostname"),
    "a name in hosts alone": ("/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 jetson0-node\n", "hostname"),
    "a broken fstab": ("/etc/fstab", "/dev/root / ext4\n", "fstab"),
    "another cluster": ("/etc/imagesmith/cluster.json", '{"name": "other"}', "cluster document"),
    "a document that is none": ("/etc/imagesmith/cluster.json", "[]", "cluster document"),
    "a unit that starts something else": (_AGENT_UNIT, "[Service]\nExecStart=/bin/true\n", "agent"),
}


@pytest.mark.parametrize("name", REWRITTEN)
def test_what_a_file_says_wrongly_is_found_and_nothing_else(
    spoilt: Published, tmp_path: Path, name: str
) -> None:
    path, text, check = REWRITTEN[name]
    edit_root(spoilt.image, *_rewrite(path, text, tmp_path))

    failed = _failed(spoilt)

    assert {check} == set(failed)
    assert "$6$" not in failed[check]


def test_a_hostname_that_hosts_knows_is_good(spoilt: Published, tmp_path: Path) -> None:
    edit_root(spoilt.image, *_rewrite("/etc/hostname", "jetson0-node\n", tmp_path))
    edit_root(spoilt.image, *_rewrite("/etc/hosts", "127.0.1.1 jetson0-node # us\n", tmp_path))

    assert {} == _failed(spoilt)


def test_an_identity_in_an_image_is_found(spoilt: Published) -> None:
    overwrite(spoilt.image, spoilt.manifest.slot[0].start, _IDENTITY)

    assert {"identity slot": "it holds an identity: an image belongs to nobody"} == _failed(spoilt)


def test_a_card_must_hold_the_identity_that_an_image_must_not(spoilt: Published) -> None:
    assert {"identity slot": "it is empty"} == _failed(spoilt, stage=Stage.CARD)

    overwrite(spoilt.image, spoilt.manifest.slot[0].start, _IDENTITY)

    assert {} == _failed(spoilt, stage=Stage.CARD)


def test_a_slot_that_lies_elsewhere_than_the_manifest_says_is_found(small_image: Published) -> None:
    (slot,) = small_image.manifest.slot
    moved = Span(slot.start + 4096, slot.end + 4096)
    manifest = dataclasses.replace(small_image.manifest, slot=(moved,))

    failed = _failed(Published(small_image.image, manifest))

    assert {"identity slot": f"it lies at {(slot,)}, not {(moved,)}"} == failed


def test_a_node_may_have_what_an_image_may_not(spoilt: Published, tmp_path: Path) -> None:
    edit_root(spoilt.image, *_gone("/etc/nv/nvfirstboot"))
    edit_root(spoilt.image, *_rewrite("/etc/machine-id", "0" * 32, tmp_path))
    edit_root(spoilt.image, *_rewrite("/etc/shadow", "guest:$6$salt$hash:1::::::\n", tmp_path))
    edit_root(spoilt.image, *_rewrite("/etc/ssh/ssh_host_rsa_key", "x", tmp_path)[1:])

    assert {"first-boot flag", "machine-id", "secrets", "ssh host keys"} == set(_failed(spoilt))
    assert {} == _failed(spoilt, stage=Stage.NODE)


def test_no_ext4_where_app_begins_is_one_finding(spoilt: Published) -> None:
    overwrite(spoilt.image, APP.offset_bytes, bytes(4096))

    (finding,) = verify_content(spoilt.image, spoilt.manifest)

    assert ("root file system", False) == (finding.check, finding.ok)
    assert finding.detail.startswith("there is no ext4 to be read: ")


def test_names_that_debugfs_cannot_be_asked_about_do_no_harm(spoilt: Published, tmp_path: Path) -> None:
    source = tmp_path / "x"
    source.write_text("x")
    edit_root(spoilt.image, f'write {source} "/etc/imagesmith/a""b"')

    assert {} == _failed(spoilt)
