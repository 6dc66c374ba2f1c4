"""The image is checked while cards are written, and watched: a wrong one gives no card a table."""

import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from imagesmith.errors import InterruptedRunError, UntrustedSourceError
from imagesmith.flash.image import Image, open_image
from imagesmith.flash.lane import LaneJob
from imagesmith.flash.lanes import run_lanes
from imagesmith.flash.reference import Reference
from imagesmith.model.blockmap import BlockClass
from imagesmith.model.card import CardPlan
from imagesmith.model.manifest import Manifest
from imagesmith.model.outcome import Result, TableState
from tests.rig.plans import has_table
from tests.rig.scripted import ScriptedMedium, holding


def check(image: Image, manifest: Manifest) -> list[int]:
    told: list[int] = []
    Reference(image, manifest).check(on_bytes=told.append, cancel=threading.Event())
    return told


def test_a_right_image_is_checked_whole(plan: CardPlan, image: Image) -> None:
    assert sum(chunk.end - chunk.start for chunk in plan.chunks) == sum(check(image, plan.manifest))


def test_one_changed_byte_is_found_and_located(new_plan: Callable[[], CardPlan]) -> None:
    plan = new_plan()
    chunk = next(chunk for chunk in plan.chunks if chunk.kind is BlockClass.DATA)
    with plan.image.open("r+b") as out:
        out.seek(chunk.start + 1000)
        out.write(b"\0\0\0\0")

    with open_image(plan.image) as image, pytest.raises(UntrustedSourceError) as caught:
        check(image, plan.manifest)

    assert f"at byte {chunk.start} are not what the manifest says" in caught.value.why
    assert 5 == caught.value.exit_code


def test_a_truncated_image_is_refused_with_both_sizes(new_plan: Callable[[], CardPlan]) -> None:
    plan = new_plan()
    os.truncate(plan.image, 1_500_000)

    with open_image(plan.image) as image, pytest.raises(UntrustedSourceError) as caught:
        check(image, plan.manifest)

    assert "it has 1500000 bytes, its manifest says 2097152" == caught.value.why


def test_a_zero_chunk_whose_digest_is_not_of_zeros_is_refused(plan: CardPlan, image: Image) -> None:
    lying = tuple(
        replace(chunk, sha256=hashlib.sha256(b"x").hexdigest()) if chunk.kind is BlockClass.ZERO else chunk
        for chunk in plan.chunks
    )

    with pytest.raises(UntrustedSourceError):
        check(image, replace(plan.manifest, chunks=lying))


def test_the_check_can_be_cancelled(plan: CardPlan, image: Image) -> None:
    cancel = threading.Event()
    cancel.set()

    with pytest.raises(InterruptedRunError, match="stopped while the image was checked"):
        Reference(image, plan.manifest).check(on_bytes=lambda _count: None, cancel=cancel)


@pytest.mark.parametrize("content", [None, b""], ids=["missing", "empty"])
def test_no_image_is_an_untrusted_one(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "no.img"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(UntrustedSourceError, match=r"the image no.img"), open_image(path):
        pass


def test_an_image_shortened_behind_our_back_is_an_error_and_not_a_signal(
    new_plan: Callable[[], CardPlan],
) -> None:
    plan = new_plan()
    with open_image(plan.image) as image:
        os.truncate(plan.image, 4096)

        with pytest.raises(UntrustedSourceError) as caught:
            image.read_into(8192, memoryview(bytearray(4096)))

    assert "it ends at byte 8192" == caught.value.why


def test_an_image_changed_during_the_run_gives_no_card_a_table(
    new_plan: Callable[[], CardPlan], dirt: bytes
) -> None:
    plan = new_plan()

    class Touching(ScriptedMedium):
        def flush(self) -> None:
            super().flush()
            os.utime(plan.image)

    medium = Touching(dirt)
    with open_image(plan.image) as image:
        job = LaneJob("card", plan, lambda: holding(medium), lambda: None)
        report = run_lanes(
            [job], image=image, on_event=lambda _event: None, cancel=threading.Event(), retry_pauses_s=()
        )

    (outcome,) = report.outcomes
    assert (Result.FAILED, TableState.ABSENT) == (outcome.result, outcome.table)
    assert "it was changed while cards were being written" in outcome.cause
    assert not has_table(medium.content)
