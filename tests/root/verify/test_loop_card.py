"""On block devices: a card that bmaptool wrote over noise, and a card that a kernel has mounted."""

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesmith.host.cardread import open_for_reading
from imagesmith.host.programs import run
from imagesmith.model.units import MIB
from imagesmith.verify.card import CardReport, CardState, inspect_card, verify_card
from tests.rig.images import APP, Published, publish_small_image
from tests.rig.written import CARD_BYTES, plan_of, write_by_plan


@pytest.fixture(scope="module")
def small_image(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return publish_small_image(tmp_path_factory.mktemp("small-image"))


@contextlib.contextmanager
def _looped(backing: Path, *options: str) -> Iterator[Path]:
    device = run(["losetup", "--find", "--show", *options, backing]).stdout.strip()
    try:
        yield Path(device)
    finally:
        run(["losetup", "--detach", device])


def _inspected(device: Path, published: Published) -> CardReport:
    with open_for_reading(device) as reader:
        return inspect_card(
            reader,
            device=device,
            image=published.image,
            manifest=published.manifest,
            on_progress=lambda _done, _total: None,
        )


def test_a_card_that_bmaptool_wrote_over_noise_is_accepted_as_unpersonalised(
    tmp_path: Path, small_image: Published
) -> None:
    backing = tmp_path / "card"
    noise = random.Random(1)
    backing.write_bytes(b"".join(noise.randbytes(MIB) for _ in range(CARD_BYTES // MIB)))
    with _looped(backing, "--direct-io=on") as device:
        run(["bmaptool", "copy", small_image.image, device])

        report = _inspected(device, small_image)

    assert [] == [finding for finding in report.findings if not finding.ok]
    assert (CardState.AS_WRITTEN, None, True) == (report.state, report.owner, report.ok)


def test_a_card_that_a_kernel_mounted_is_used_and_not_damaged(tmp_path: Path, small_image: Published) -> None:
    backing, place = tmp_path / "card", tmp_path / "mounted"
    plan = plan_of(small_image, 1)
    write_by_plan(backing, plan)
    place.mkdir()
    with _looped(backing, f"--offset={APP.offset_bytes}") as partition:
        run(["mount", "-t", "ext4", partition, place])
        try:
            (place / "etc/hostname").write_text("jetson1-node\n")
            (place / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 jetson1-node\n")
            (place / "etc/nv/nvfirstboot").unlink()
        finally:
            run(["umount", place])
    with _looped(backing) as device:
        with open_for_reading(device) as reader:
            report = verify_card(reader, plan, device=device, on_progress=lambda _done, _total: None)

        assert [] == [finding for finding in report.findings if not finding.ok]
        assert (CardState.USED, True) == (report.state, report.ok)
        assert report.to_json()["node"] == {"cluster": "rig", "index": 1, "hostname": "jetson1-node"}
        assert CardState.USED is _inspected(device, small_image).state
