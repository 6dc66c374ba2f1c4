"""Cards: good ones of any origin are accepted, every fault is found and placed, a used card is no bad one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from imagesmith.errors import UntrustedSourceError
from imagesmith.host.cardread import CardReader, open_for_reading
from imagesmith.host.programs import run
from imagesmith.model.card import CardPlan
from imagesmith.model.layout import GPT_BACKUP_BYTES, GPT_PRIMARY_BYTES
from imagesmith.model.units import MIB, SECTOR_BYTES
from imagesmith.verify.card import CardReport, CardState, inspect_card, verify_card
from imagesmith.verify.identity import Owner, read_identity
from tests.rig.images import APP, IMAGE_BYTES, Published, edit_root, flip_bit, overwrite
from tests.rig.written import CARD_BYTES, PASSWORD, plan_of, write_by_map, write_by_plan

NODE_1 = Owner("rig", 1, "jetson1-node")
BOOT_BYTE = 4096 * SECTOR_BYTES + 7


@pytest.fixture
def plan(small_image: Published) -> CardPlan:
    return plan_of(small_image, 1)


@pytest.fixture
def card(tmp_path: Path, plan: CardPlan) -> Path:
    path = tmp_path / "card.img"
    write_by_plan(path, plan)
    return path


@pytest.fixture
def mapped_card(tmp_path: Path, small_image: Published) -> Path:
    path = tmp_path / "mapped.img"
    write_by_map(path, small_image)
    return path


def _progress(_done: int, _total: int) -> None:
    """Not looked at here."""


def _verified(card: Path, plan: CardPlan) -> CardReport:
    with open_for_reading(card) as reader:
        return verify_card(reader, plan, device=card, on_progress=_progress)


def _inspected(card: Path, published: Published) -> CardReport:
    with open_for_reading(card) as reader:
        return inspect_card(
            reader,
            device=card,
            image=published.image,
            manifest=published.manifest,
            on_progress=_progress,
        )


def _failed(report: CardReport) -> dict[str, str]:
    return {finding.check: finding.detail for finding in report.findings if not finding.ok}


def _use(card: Path, *requests: str) -> None:
    # What a kernel's mount leaves in the superblock, and a file that a running node writes.
    edit_root(card, "ssv mnt_count 3", "ssv mtime 20301224180000", "ssv last_mounted /", *requests)


def test_a_card_as_planned_is_good_to_the_last_byte(card: Path, plan: CardPlan) -> None:
    report = _verified(card, plan)

    assert {} == _failed(report)
    assert (CardState.AS_WRITTEN, NODE_1, True) == (report.state, report.owner, report.ok)
    heads = sum(len(patch.content) for patch in plan.head_patches)
    assert plan.body_bytes + heads == report.checked_bytes


def test_a_card_is_known_without_its_plan(card: Path, small_image: Published) -> None:
    report = _inspected(card, small_image)

    assert {} == _failed(report)
    assert (CardState.AS_WRITTEN, NODE_1, True) == (report.state, report.owner, report.ok)


def test_an_unpersonalised_card_of_ours_is_good(tmp_path: Path, small_image: Published) -> None:
    plan = plan_of(small_image, None)
    write_by_plan(tmp_path / "card.img", plan)

    for report in (_verified(tmp_path / "card.img", plan), _inspected(tmp_path / "card.img", small_image)):
        assert (CardState.AS_WRITTEN, None, True) == (report.state, report.owner, report.ok)


def test_a_card_of_another_flasher_is_good_though_its_free_blocks_are_dirty(
    mapped_card: Path, small_image: Published
) -> None:
    report = _inspected(mapped_card, small_image)

    assert {} == _failed(report)
    assert (CardState.AS_WRITTEN, None, True) == (report.state, report.owner, report.ok)


def test_a_card_whose_backup_table_was_moved_to_its_end_is_good(
    mapped_card: Path, small_image: Published
) -> None:
    run(["sgdisk", "--move-second-header", mapped_card])

    assert _inspected(mapped_card, small_image).ok


def _slot(plan: CardPlan) -> int:
    return plan.manifest.slot[0].start


def _swap(plan: CardPlan) -> int:
    return next(patch.offset for patch in plan.body_patches if patch.name == "swap header")


FAULTS: dict[str, tuple[Callable[[CardPlan], int], str, str]] = {
    "the primary table": (lambda _: SECTOR_BYTES + 16, "partition table", "primary GPT differs"),
    "the last byte of the first MiB": (lambda _: MIB - 1, "partition table", "primary GPT differs"),
    "the backup table": (lambda _: CARD_BYTES - 1, "partition table", "backup GPT differs"),
    "a boot partition": (lambda _: BOOT_BYTE, "boot partitions", "boot partitions differs"),
    "the gap before APP": (
        lambda _: APP.offset_bytes - 1,
        "boot partitions",
        "boot partitions differs",
    ),
    "the first byte of APP": (
        lambda _: APP.offset_bytes,
        "root file system",
        "root file system differs",
    ),
    "the last byte of the body": (
        lambda p: p.chunks[-1].end - 1,
        "root file system",
        "root file system differs",
    ),
    "the byte before the slot": (
        lambda p: _slot(p) - 1,
        "root file system",
        "root file system differs",
    ),
    "the swap header": (lambda p: _swap(p) + 4095, "root file system", "swap header differs"),
    "padding of the slot": (lambda p: _slot(p) + 65535, "identity", "identity slot differs"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_one_flipped_bit_is_found_where_it_is(card: Path, plan: CardPlan, name: str) -> None:
    place, check, region = FAULTS[name]
    offset = place(plan)
    flip_bit(card, offset)

    report = _verified(card, plan)

    assert {check} == set(_failed(report))
    assert f"{region} at byte {offset}" in _failed(report)[check]
    assert (CardState.DAMAGED, False) == (report.state, report.ok)


@pytest.mark.parametrize("name", ["a boot partition", "the gap before APP", "the first byte of APP"])
def test_one_flipped_bit_is_found_without_a_plan(
    card: Path, plan: CardPlan, small_image: Published, name: str
) -> None:
    place, check, region = FAULTS[name]
    flip_bit(card, place(plan))

    report = _inspected(card, small_image)

    assert {check: f"1 bad, the first: {region} at byte {place(plan)}"} == _failed(report)
    assert CardState.DAMAGED is report.state


def test_a_damaged_table_is_found_without_a_plan(card: Path, small_image: Published) -> None:
    flip_bit(card, SECTOR_BYTES + 16)

    report = _inspected(card, small_image)

    assert {"partition table": "Main header: ERROR"} == _failed(report)


def test_a_boot_partition_that_is_gone_from_the_table_is_found(card: Path, small_image: Published) -> None:
    run(["sgdisk", "--delete=7", card])

    report = _inspected(card, small_image)

    assert {"partition table": "partition 7 (BPF-DTB) is gone"} == _failed(report)


class _BadSector:
    """A reader whose medium fails in one place."""

    def __init__(self, reader: CardReader, offset: int) -> None:
        self._reader = reader
        self._offset = offset
        self.size_bytes = reader.size_bytes

    def read(self, offset: int, length: int) -> bytes:
        if offset <= self._offset < offset + length:
            raise OSError(5, "Input/output error")
        return self._reader.read(offset, length)


@pytest.mark.parametrize("name", FAULTS)
def test_what_cannot_be_read_is_a_fault_of_that_region(card: Path, plan: CardPlan, name: str) -> None:
    place, check, _ = FAULTS[name]
    with open_for_reading(card) as inner:
        reader = _BadSector(inner, place(plan))
        report = verify_card(reader, plan, device=card, on_progress=_progress)

    assert check in _failed(report)
    assert "cannot be read (Input/output error)" in _failed(report)[check]
    assert not report.ok


def test_the_card_of_another_node_is_named(card: Path, small_image: Published) -> None:
    report = _verified(card, plan_of(small_image, 0))

    said = _failed(report)["identity"]
    assert said.startswith("it carries node 1 (jetson1-node) of rig, the plan is for node 0 (jetson0-node); ")
    assert not report.ok


def test_the_card_of_another_cluster_is_named(card: Path, plan: CardPlan, small_image: Published) -> None:
    with open_for_reading(card) as reader:
        document = read_identity(reader, plan.manifest)
    assert document is not None
    overwrite(card, _slot(plan), json.dumps({**document, "cluster": "other"}).encode().ljust(65536))

    report = _inspected(card, small_image)

    assert {"identity": "it carries node 1 (jetson1-node) of other, the image is of rig"} == _failed(report)


def test_a_report_shows_no_secret(card: Path, plan: CardPlan) -> None:
    flip_bit(card, _slot(plan) + 65535)
    report = _verified(card, plan)

    assert PASSWORD.encode() in card.read_bytes()
    assert PASSWORD not in json.dumps(report.to_json()) + repr(report)


def test_a_used_card_is_good_and_said_to_be_used(card: Path, plan: CardPlan, small_image: Published) -> None:
    _use(card, "rm /etc/nv/nvfirstboot")

    for report in (_verified(card, plan), _inspected(card, small_image)):
        assert {} == _failed(report)
        assert (CardState.USED, NODE_1, True) == (report.state, report.owner, report.ok)
        (root,) = (f.detail for f in report.findings if f.check == "root file system")
        assert "ranges changed by use: last mounted Tue Dec 24 18:00:00 2030 on /, 3 mounts more" in root


def test_a_changed_card_that_was_never_mounted_is_damaged(card: Path, small_image: Published) -> None:
    edit_root(card, "rm /etc/nv/nvfirstboot")

    report = _inspected(card, small_image)

    assert {"root file system"} == set(_failed(report))
    assert CardState.DAMAGED is report.state


def test_use_excuses_no_boot_partition(card: Path, plan: CardPlan) -> None:
    _use(card)
    flip_bit(card, BOOT_BYTE)

    report = _verified(card, plan)

    assert {"boot partitions": f"1 bad, the first: boot partitions differs at byte {BOOT_BYTE}"} == (
        _failed(report)
    )
    assert CardState.DAMAGED is report.state


def test_use_excuses_no_wrong_identity(card: Path, small_image: Published) -> None:
    _use(card)

    report = _verified(card, plan_of(small_image, 0))

    assert "identity" in _failed(report)
    assert CardState.DAMAGED is report.state


@pytest.mark.parametrize(
    ("request_", "check"),
    [
        ("rm /etc/systemd/system/default.target", "default target"),
        ("sif /etc/hosts links_count 7", "file system"),
    ],
)
def test_a_used_card_is_held_to_what_a_node_must_be(
    card: Path, plan: CardPlan, request_: str, check: str
) -> None:
    _use(card, request_)

    report = _verified(card, plan)

    assert {check} == set(_failed(report))
    assert (CardState.USED, False) == (report.state, report.ok)


@pytest.mark.parametrize("filling", [b"\0", b"\x5a"])
def test_a_card_that_is_not_ours_is_told_at_once(
    tmp_path: Path, plan: CardPlan, small_image: Published, filling: bytes
) -> None:
    stranger = tmp_path / "stranger.img"
    stranger.write_bytes(filling * CARD_BYTES)

    for report in (_verified(stranger, plan), _inspected(stranger, small_image)):
        assert (CardState.FOREIGN, None, False) == (report.state, report.owner, report.ok)
        assert {"identity"} == set(_failed(report))
        assert report.checked_bytes == 0


def test_our_table_with_a_strange_slot_is_damage(card: Path, plan: CardPlan, small_image: Published) -> None:
    overwrite(card, _slot(plan), b"\xff" * 65536)

    for report in (_verified(card, plan), _inspected(card, small_image)):
        assert {"identity"} == set(_failed(report))
        assert _failed(report)["identity"].startswith("the identity slot holds no JSON")
        assert CardState.DAMAGED is report.state


def test_a_card_without_a_table_is_damage(card: Path, plan: CardPlan, small_image: Published) -> None:
    overwrite(card, 0, bytes(GPT_PRIMARY_BYTES))
    overwrite(card, CARD_BYTES - GPT_BACKUP_BYTES, bytes(GPT_BACKUP_BYTES))

    for report in (_verified(card, plan), _inspected(card, small_image)):
        assert {"partition table"} == set(_failed(report))
        assert (CardState.DAMAGED, NODE_1) == (report.state, report.owner)


def test_a_card_too_small_is_not_ours(card: Path, plan: CardPlan, small_image: Published) -> None:
    with card.open("r+b") as out:
        out.truncate(IMAGE_BYTES - SECTOR_BYTES)

    assert {"size": f"{IMAGE_BYTES - SECTOR_BYTES} bytes, its plan is for {CARD_BYTES}"} == (
        _failed(_verified(card, plan))
    )
    assert {"size": f"{IMAGE_BYTES - SECTOR_BYTES} bytes, the image has {IMAGE_BYTES}"} == (
        _failed(_inspected(card, small_image))
    )


def test_a_bad_image_is_no_measure_of_a_card(card: Path, spoilt: Published) -> None:
    flip_bit(card, BOOT_BYTE)
    flip_bit(spoilt.image, BOOT_BYTE)

    with pytest.raises(UntrustedSourceError, match="is not what its manifest says, so no card can be held"):
        _inspected(card, spoilt)


def test_verifying_a_card_changes_nothing(card: Path, plan: CardPlan) -> None:
    before = card.read_bytes()

    _verified(card, plan)

    assert before == card.read_bytes()
