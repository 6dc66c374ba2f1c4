"""`flash --report FILE`: written after each run that began, never over something else, never when refused."""

import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from imagesmith.cli.report_file import write_report
from imagesmith.report.html import FIRST_LINES
from imagesmith.report.recorder import Recorder
from tests.rig.images import Published, copy_of, flip_bit
from tests.unit.report import story

SIZE = "128MiB"


class Page(HTMLParser):
    """The words of a document."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.text = ""
        self.feed(document)

    def handle_data(self, data: str) -> None:
        self.text += f"{data}|"


def flash(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "imagesmith", "flash", *map(str, words)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, cwd=folder)


def common(small_image: Published) -> tuple[object, ...]:
    return ("--image", small_image.image, "--unpersonalised", "--size", SIZE, "--yes")


def test_a_good_run_leaves_a_page_with_each_card_and_nothing_else_of_the_machine(
    small_image: Published, tmp_path: Path
) -> None:
    report = tmp_path / "report.html"

    done = flash(tmp_path, "card<0..1>.img", *common(small_image), "--report", "report.html")

    document = report.read_text(encoding="utf-8")
    page = Page(document)
    assert 0 == done.returncode, done.stderr
    assert "2 of 2 cards done and verified" in page.text
    assert f"sha256 {small_image.manifest.image_sha256[:12]}…" in page.text
    assert "card0.img|what it is|card file, 128 MiB" in page.text
    assert "card1.img|what it is|card file, 128 MiB" in page.text
    assert str(tmp_path) not in document
    assert str(small_image.image.parent) not in document
    assert 0o644 == report.stat().st_mode & 0o777
    assert {"card0.img", "card1.img", "report.html", "xdg-state"} >= {
        each.name for each in tmp_path.iterdir()
    }


def test_a_run_in_which_every_card_fails_leaves_a_page_that_says_so(
    small_image: Published, tmp_path: Path
) -> None:
    spoilt = copy_of(small_image, tmp_path)
    flip_bit(spoilt.image, small_image.manifest.chunks[-1].start)

    done = flash(tmp_path, "card.img", *common(spoilt), "--report", "report.html")

    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert 5 == done.returncode, done.stderr
    assert (
        "0 of 1 cards done and verified|The image is not usable, so no card could be finished.|" in page.text
    )
    assert "exit code|5|" in page.text


def test_an_earlier_report_is_replaced_and_json_goes_on_as_ever(
    small_image: Published, tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    report.write_text(f"{FIRST_LINES}old")

    done = flash(tmp_path, "card.img", *common(small_image), "--report", "report.html", "--json")

    last = json.loads(done.stdout.splitlines()[-1])
    assert ("report", 0) == (last["event"], last["exit_code"])
    assert "1 of 1 cards" in report.read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [("--dry-run",), ("--size", "1MiB")], ids=["dry run", "refused"])
def test_a_run_that_does_not_begin_leaves_an_earlier_report_alone(
    small_image: Published, tmp_path: Path, words: tuple[str, ...]
) -> None:
    report = tmp_path / "report.html"
    report.write_text(f"{FIRST_LINES}old")

    done = flash(tmp_path, "card.img", *common(small_image), "--report", "report.html", *words)

    assert (0 if words[0] == "--dry-run" else 7) == done.returncode
    assert f"{FIRST_LINES}old" == report.read_text()
    assert not (tmp_path / "card.img").exists()


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("card1.img", "that is one of the cards"),
        ("nowhere/report.html", "there is no folder nowhere to write it to"),
        ("precious.html", "exists and is no report; it is not overwritten"),
        ("link.html", "exists and is no report; it is not overwritten"),
        (".", "exists and is no report; it is not overwritten"),
        ("/dev/null", "exists and is no report; it is not overwritten"),
    ],
)
def test_a_place_that_is_something_else_is_a_wrong_command_line_and_no_card_is_touched(
    small_image: Published, tmp_path: Path, place: str, why: str
) -> None:
    (tmp_path / "precious.html").write_text("<!doctype html>\n<p>mine")
    (tmp_path / "report.html").write_text(FIRST_LINES)
    (tmp_path / "link.html").symlink_to("report.html")

    done = flash(tmp_path, "card<0..1>.img", *common(small_image), "--report", place)

    assert (2, "") == (done.returncode, done.stdout)
    assert f"--report {place}: {why}" in done.stderr
    assert not (tmp_path / "card0.img").exists()
    assert "<!doctype html>\n<p>mine" == (tmp_path / "precious.html").read_text()


def test_a_report_that_cannot_be_written_at_the_end_is_told(small_image: Published, tmp_path: Path) -> None:
    place = tmp_path / "gone" / "report.html"

    trouble = write_report(
        place, Recorder().recording(), story.report(), manifest=small_image.manifest, cards=()
    )

    assert f"the report {place} could not be written: No such file or directory" == trouble
