"""Fitting by the real sgdisk and mkswap, on sparse files: what they say of the result."""

import dataclasses
import itertools
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from imagesmith.card.geometry import required_bytes
from imagesmith.card.plan import plan_card
from imagesmith.errors import CardRefusedError, HostNotReadyError, UntrustedSourceError
from imagesmith.host.gpt import complaints_of, read_table
from imagesmith.host.programs import run
from imagesmith.model.card import CardPlan
from imagesmith.model.layout import BOOT_PARTITIONS, SLOT_BYTES, Partition
from imagesmith.model.manifest import Manifest
from imagesmith.model.node import Node
from imagesmith.model.units import GIB, MIB
from tests.rig.bases import make_base
from tests.small_manifest import small_manifest

MANIFEST = small_manifest(app_mib=16)
SLOT_CONTENT = b"n" * SLOT_BYTES
LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
SWAP = "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_base(tmp_path_factory.mktemp("base") / "base.img", features="")
    # An attribute of APP that fitting must keep: legacy BIOS bootable.
    run(["sgdisk", "--attributes=1:set:2", made])
    return made


def plan(
    image: Path,
    size_bytes: int,
    swap_bytes: int,
    *,
    hostname: str | None = "node0",
    manifest: Manifest = MANIFEST,
) -> CardPlan:
    node = Node(0, hostname, None) if hostname is not None else None
    return plan_card(
        image,
        manifest,
        size_bytes=size_bytes,
        node=node,
        slot_content=SLOT_CONTENT if node else None,
        swap_bytes=swap_bytes,
    )


def assembled(plan: CardPlan, folder: Path) -> Path:
    """Lay the plan's patches on a sparse card full of nothing."""
    card = folder / "card.img"
    with card.open("xb") as out:
        out.truncate(plan.size_bytes)
        for patch in (*plan.body_patches, *plan.head_patches):
            out.seek(patch.offset)
            out.write(patch.content)
    return card


def entry(card: Path, number: int) -> dict[str, str]:
    said = run(["sgdisk", f"--info={number}", card]).stdout
    return {key: value.split(" (")[0] for key, value in (line.split(": ", 1) for line in said.splitlines())}


SMALLEST_BYTES = required_bytes(MANIFEST, 2 * MIB)


@pytest.mark.parametrize(
    ("size_bytes", "swap_bytes"),
    [
        (SMALLEST_BYTES, 2 * MIB),
        (SMALLEST_BYTES + 512, 2 * MIB),
        (SMALLEST_BYTES + MIB - 512, 2 * MIB),
        (SMALLEST_BYTES + MIB, 2 * MIB),
        (SMALLEST_BYTES + 100, 2 * MIB),
        (MANIFEST.size_bytes, 0),
        (required_bytes(MANIFEST, 0), 0),
        (64_000_000_000, 4 * GIB),
        (31_914_983_424, 0),
        (2048 * GIB, 8 * GIB),
    ],
)
def test_a_fitted_table_is_sound_and_as_large_as_the_card(
    image: Path, tmp_path: Path, size_bytes: int, swap_bytes: int
) -> None:
    fitted = plan(image, size_bytes, swap_bytes)

    card = assembled(fitted, tmp_path)
    table = read_table(card)
    by_number = {p.number: p for p in table.partitions}
    app = by_number[1]

    assert "" == complaints_of(card)
    assert size_bytes // 512 * 512 == fitted.size_bytes
    assert set(BOOT_PARTITIONS) <= set(table.partitions)
    assert ("APP", 28672) == (app.name, app.first_sector)
    if swap_bytes:
        swap = by_number[15]
        assert Partition(15, "SWAP", app.last_sector + 1, app.last_sector + swap_bytes // 512) == swap
        assert 0 <= fitted.size_bytes // 512 - 34 - swap.last_sector < 2048
    else:
        assert 15 not in by_number
        assert 0 <= fitted.size_bytes // 512 - 34 - app.last_sector < 2048


def test_app_keeps_type_attributes_and_name_and_swap_is_typed(image: Path, tmp_path: Path) -> None:
    card = assembled(plan(image, GIB, 64 * MIB), tmp_path)
    app, swap = entry(card, 1), entry(card, 15)

    assert (LINUX, "0000000000000004", "'APP'") == (
        app["Partition GUID code"],
        app["Attribute flags"],
        app["Partition name"],
    )
    assert (SWAP, "0000000000000000", "'SWAP'") == (
        swap["Partition GUID code"],
        swap["Attribute flags"],
        swap["Partition name"],
    )


def test_blkid_recognises_the_swap_area(image: Path, tmp_path: Path) -> None:
    fitted = plan(image, GIB, 64 * MIB)
    card = assembled(fitted, tmp_path)
    header = next(p for p in fitted.body_patches if p.name == "swap header")

    said = run(
        ["blkid", "-p", "-o", "export", f"--offset={header.offset}", f"--size={64 * MIB}", card]
    ).stdout
    found = dict(line.split("=", 1) for line in said.splitlines())

    assert 4096 == len(header.content)
    assert ("swap", "SWAP") == (found["TYPE"], found["LABEL"])
    assert 5 == uuid.UUID(found["UUID"]).version
    # The header says how many 4 KiB pages there are behind it (last_page of mkswap's header).
    assert 64 * MIB // 4096 - 1 == int.from_bytes(header.content[1028:1032], "little")


def test_the_rest_of_the_first_mebibyte_is_zero(image: Path) -> None:
    primary = plan(image, GIB, 0).head_patches[1]

    assert (0, MIB) == (primary.offset, len(primary.content))
    assert not any(primary.content[34 * 512 :])


def test_the_same_card_gets_the_same_bytes(image: Path) -> None:
    assert plan(image, GIB, 64 * MIB) == plan(image, GIB, 64 * MIB)


def test_no_two_cards_share_a_guid_but_those_of_the_boot_partitions(image: Path, tmp_path: Path) -> None:
    other_image = dataclasses.replace(MANIFEST, image_sha256="f" * 64)
    plans = [
        plan(image, GIB, 64 * MIB),
        plan(image, GIB, 64 * MIB, hostname="node1"),
        plan(image, GIB, 64 * MIB, hostname=None),
        plan(image, GIB, 64 * MIB, manifest=other_image),
    ]
    cards = []
    for number, fitted in enumerate(plans):
        folder = tmp_path / str(number)
        folder.mkdir()
        cards.append(assembled(fitted, folder))

    unique = [read_table(card).disk_guid for card in cards]
    unique += [entry(card, number)["Partition unique GUID"] for card in cards for number in (1, 15)]
    shared = {entry(card, 2)["Partition unique GUID"] for card in (*cards, image)}

    assert 12 == len(set(unique))
    assert 1 == len(shared)


def test_neither_image_nor_scratch_files_are_left_changed(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = image.read_bytes()

    plan(image, GIB, 64 * MIB)

    assert before == image.read_bytes()
    assert [] == list(tmp_path.iterdir())


def test_a_card_too_small_is_refused_before_any_program_runs(tmp_path: Path) -> None:
    with pytest.raises(CardRefusedError, match=r"^a card of 32\.0 MiB is too small$"):
        plan(tmp_path / "not there.img", SMALLEST_BYTES - 512 - 33 * 512, 2 * MIB)


def _shorter_app(image: Path) -> None:
    run(["sgdisk", "--delete=1", "--new=1:28672:40959", "--change-name=1:APP", image])


def _no_app(image: Path) -> None:
    run(["sgdisk", "--delete=1", image])


def _renamed_app(image: Path) -> None:
    run(["sgdisk", "--change-name=1:ROOT", image])


def _no_table(image: Path) -> None:
    run(["sgdisk", "--zap-all", image])


@pytest.mark.parametrize("spoil", [_shorter_app, _no_app, _renamed_app, _no_table])
def test_an_image_that_is_not_its_manifest_is_not_fitted(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    image = make_base(tmp_path / "base.img", features="")
    spoil(image)

    with pytest.raises(UntrustedSourceError) as caught:
        plan(image, GIB, 0)

    assert 5 == caught.value.exit_code
    assert f"partition 1 of {image} is not what the image's manifest says" == caught.value.what


def test_an_image_with_overlapping_partitions_is_not_fitted(tmp_path: Path) -> None:
    image = make_base(tmp_path / "base.img", features="")
    # Partition 3 over partition 2, in both entry arrays: sgdisk itself will not make such a table.
    content = bytearray(image.read_bytes())
    entries = (2 * 512, len(content) - 33 * 512)
    for start in entries:
        content[start + 2 * 128 + 32 : start + 2 * 128 + 48] = content[start + 128 + 32 : start + 128 + 48]
    image.write_bytes(content)

    with pytest.raises(UntrustedSourceError, match=r"fitted to a card, is not sound$") as caught:
        plan(image, GIB, 0)

    assert "overlap" in caught.value.why


def test_patches_lie_apart_on_every_size(image: Path) -> None:
    for size_bytes in range(SMALLEST_BYTES, SMALLEST_BYTES + 2 * MIB, 300 * 1024):
        fitted = plan(image, size_bytes, 2 * MIB)
        spans = sorted(
            (p.offset, p.offset + len(p.content)) for p in (*fitted.body_patches, *fitted.head_patches)
        )

        assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))


def test_no_room_for_temporary_files_is_the_hosts_affair(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "a file"))
    (tmp_path / "a file").touch()

    with pytest.raises(HostNotReadyError, match="table could not be laid out") as caught:
        plan(image, 256 * MIB, 0)

    assert (4, True) == (caught.value.exit_code, "File exists" in caught.value.why)
