"""The report of a run as a file: it tells of every card, fetches and runs nothing, and escapes everything."""

import dataclasses
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from imagesmith.model.card import CardFacts, Identity, TargetKind
from imagesmith.model.manifest import Manifest
from imagesmith.model.outcome import CardOutcome, FlashReport, Phase, Result, SlowOperation, TableState
from imagesmith.report.html import render_html
from imagesmith.report.markup import Markup, element
from imagesmith.report.recorder import Recorder, Recording
from tests.small_manifest import small_manifest
from tests.unit.report import story

BEGAN = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
MANIFEST = dataclasses.replace(
    small_manifest(), name="mpi", base="standin", image_sha256="3f9c" * 16, size_bytes=64 << 20
)
_EMPTY = {"meta"}


class Page(HTMLParser):
    """A parsed document: fails on an element that is not closed in order."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.sections: dict[str, list[str]] = {}
        self._open: list[str] = []
        self._section: list[str] = []
        self.feed(document)
        self.close()
        assert [] == self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "section":
            self._section = self.sections.setdefault(dict(attrs).get("id") or "summary", [])
        if tag not in _EMPTY:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag == self._open.pop()

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        self._section.append(data)

    def section(self, name: str) -> str:
        return "|".join(self.sections[name])


def recorded() -> Recording:
    now_s = 0.0
    recorder = Recorder(lambda: now_s, lambda: BEGAN)
    for event in story.events():
        now_s += 1.0
        recorder(event)
    return recorder.recording()


def facts(card: str, *, model: str = "STORAGE DEVICE") -> CardFacts:
    return CardFacts(
        path=Path(card),
        real_path=Path("/somewhere/on/this/machine"),
        kind=TargetKind.WHOLE_DISK,
        identity=Identity(1, 32 << 30, "000000001532"),
        transport="usb",
        model=model,
    )


def document(report: FlashReport | None = None, *known: CardFacts, manifest: Manifest = MANIFEST) -> str:
    by_name = {str(each.path): each for each in known}
    return render_html(recorded(), report or story.report(), manifest=manifest, facts=by_name)


def page(report: FlashReport | None = None, *known: CardFacts, manifest: Manifest = MANIFEST) -> Page:
    return Page(document(report, *known, manifest=manifest))


def with_outcome(**values: object) -> FlashReport:
    outcome = dataclasses.replace(story.outcome(0), **values)  # type: ignore[arg-type]  # a table of values
    return FlashReport((outcome,), seconds=75.0)


def test_the_top_says_what_was_written_when_and_how_it_went() -> None:
    text = "|".join(page().texts)

    assert "6 of 8 cards done and verified" in text
    assert "mpi, 64 MiB, from standin; sha256 3f9c3f9c3f9c…" in text
    assert "2026-11-24 04:00:00 UTC" in text
    assert "took|1 min 15 s" in text
    assert "exit code|130" in text


def test_the_table_at_the_top_has_a_row_a_card_that_leads_to_its_section() -> None:
    parsed = page()

    links = [value for name, value in parsed.attributes if name == "href"]
    ids = [value for name, value in parsed.attributes if name == "id"]
    assert [f"#card-{number}" for number in range(8)] == links
    assert [f"card-{number}" for number in range(8)] == ids
    for number in range(8):
        assert f"jetson{number}-node|…0-usb-0:1:1.0-scsi-0:0:0:{number}|sd" in parsed.section("summary")


def test_each_card_has_its_picture_its_place_and_its_counts() -> None:
    parsed = page(None, facts(story.CARDS[0]))

    text = parsed.section("card-0")
    assert 8 == parsed.tags.count("svg")
    assert f"card|/dev/sdb|slot|{story.slot(0)}|" in text
    assert "what it is|STORAGE DEVICE, 000000001532, usb, 32 GiB|" in text
    assert "written|953.7 MiB, 20.0 MB/s|read back|953.7 MiB, 40.0 MB/s, direct" in text
    assert "what it is" not in parsed.section("card-1")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (TableState.UNTOUCHED, "Now nothing was written to it."),
        (TableState.ABSENT, "Now it has no partition table."),
        (TableState.VALID, "Now it has its partition table."),
        (TableState.UNKNOWN, "Now it may have a partition table: do not use it."),
    ],
)
def test_a_bad_card_says_where_why_and_what_it_is_now(table: TableState, words: str) -> None:
    report = with_outcome(
        result=Result.FAILED,
        phase=Phase.VERIFY,
        offset=8 << 20,
        cause="the medium holds something else",
        table=table,
    )

    text = page(report).section("card-0")

    assert f"failed in verify at byte 8388608 (8 MiB): |the medium holds something else|{words}|" in text


def test_every_failure_of_a_run_is_told_and_a_good_card_has_none() -> None:
    parsed = page()

    assert "failed in write at byte 4096 (4 KiB): |write failed: EIO (Input/output error)" in parsed.section(
        "card-2"
    )
    assert "unfinished in write at byte 4096 (4 KiB): |no answer for 15 s to: write" in parsed.section(
        "card-7"
    )
    assert " in write" not in parsed.section("card-0")


def test_retries_kept_bytes_and_slow_operations_are_told() -> None:
    report = with_outcome(
        card=story.CARDS[3],
        retries=3,
        kept_bytes=1 << 20,
        slowest=(SlowOperation("write", 4096, 12.3456), SlowOperation("flush", None, 0.5)),
    )

    text = page(report).section("card-0")

    assert "kept|1 MiB were right before and were not written|" in text
    assert "repeated|after " in text
    assert "write at byte 4096 failed: EIO (Input/output error) (repetition 1)|and 2 more|" in text
    assert "slowest|12.346 s: write at byte 4096 (4 KiB)|0.500 s: flush" in text


def test_a_card_slower_than_its_siblings_is_marked_in_the_table_and_in_its_section() -> None:
    slow = dataclasses.replace(story.outcome(0), seconds={Phase.WRITE: 500.0})
    report = FlashReport((slow, story.outcome(1), story.outcome(3)), seconds=500.0)

    parsed = page(report)

    assert "sdb|done|, |slow|" in parsed.section("summary")
    assert 1 == parsed.section("summary").count("slow")
    assert "slow: |It wrote at 10% of its siblings' rate: the card or its reader may be dying.|" in (
        parsed.section("card-0")
    )


@pytest.mark.parametrize("code", [0, 5, 8, 9, 130])
def test_every_exit_code_of_a_run_has_its_words(code: int) -> None:
    good, failed, unfinished = story.outcome(0), story.outcome(2), story.outcome(7)
    outcomes: dict[int, tuple[CardOutcome, ...]] = {
        0: (good,),
        5: (failed,),
        8: (good, failed),
        9: (failed,),
        130: (good, unfinished),
    }
    report = FlashReport(outcomes[code], 1.0, "byte 3 is not what it was" if code == 5 else "")

    text = "|".join(page(report).texts)

    assert f"exit code|{code}|" in text
    assert ("Image: byte 3 is not what it was" in text) is (code == 5)


def test_nothing_is_fetched_and_nothing_is_executed() -> None:
    text = document()
    parsed = Page(text)

    assert {"script", "link", "img", "iframe", "object", "image", "use", "base"}.isdisjoint(parsed.tags)
    names = {name for name, _value in parsed.attributes}
    assert {"src", "srcset", "data", "action", "style"}.isdisjoint(names)
    assert not [name for name in names if name.startswith("on")]
    assert all(value and value.startswith("#") for name, value in parsed.attributes if name == "href")
    assert "url(" not in text
    assert "@import" not in text
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in parsed.attributes


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("</title></style><script>alert(1)</script>", "</title></style><script>alert(1)</script>"),
        ('"><svg onload="x()">', '"><svg onload="x()">'),
        ("a & b &lt; 'c'", "a & b &lt; 'c'"),
        ("\x1b[31mred\x00", "\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}"),
        ("gnp.\N{RIGHT-TO-LEFT OVERRIDE}exe", "gnp.\N{REPLACEMENT CHARACTER}exe"),
    ],
)
def test_whatever_a_card_or_a_name_says_is_text(text: str, seen: str) -> None:
    hostile = dataclasses.replace(
        story.outcome(2),
        card=text,
        slot=text,
        node=text,
        cause=text,
        readback=text,
        slowest=(SlowOperation(text, 1, 1.0),),
    )
    manifest = dataclasses.replace(MANIFEST, name=text, base=text)
    report = FlashReport((hostile,), 1.0, image_fault=text)

    harmless = page(with_outcome(result=Result.FAILED, slowest=(SlowOperation("write", 1, 1.0),)))
    parsed = page(report, facts(text, model=text), manifest=manifest)

    assert set(harmless.tags) >= set(parsed.tags)
    assert {name for name, _ in harmless.attributes} >= {name for name, _ in parsed.attributes}
    section = parsed.sections["card-0"]
    assert [seen, seen, seen] == [each for each in section if each == seen][:3]  # heading, cause, card
    assert f"0 B, {seen}" in section
    assert f"1.000 s: {seen} at byte 1 (1 B)" in section
    assert any(each.startswith(f"{seen}, 000000001532, usb") for each in section)
    assert f"Image: {seen}" in parsed.texts
    assert f"imagesmith flash: {seen}, 2026-11-24 04:00 UTC" in parsed.texts


def test_nothing_of_the_machine_is_told_but_the_names_of_cards() -> None:
    assert "/somewhere" not in document(None, facts(story.CARDS[0]))


def test_a_card_file_is_told_as_one_and_a_card_without_identity_too() -> None:
    card = dataclasses.replace(facts(story.CARDS[0], model=""), kind=TargetKind.NEW_FILE, transport="")
    file = dataclasses.replace(card, identity=Identity(0, 16 << 30))
    report = with_outcome(node="")

    parsed = page(report, file)

    assert "what it is|card file, 16 GiB|" in parsed.section("card-0")
    assert parsed.section("card-0").startswith("no identity |done|")


@pytest.mark.parametrize("count", [1, 2, 64])
def test_any_number_of_cards_makes_a_page(count: int) -> None:
    outcomes = tuple(dataclasses.replace(story.outcome(0), card=f"/dev/x{index}") for index in range(count))

    parsed = page(FlashReport(outcomes, 1.0))

    assert count == parsed.tags.count("svg")


def test_the_key_explains_the_phases_that_there_were() -> None:
    text = "|".join(page().texts)

    assert "verify: what was written is read back" in text
    assert "compare: the card" not in text


def test_markup_is_only_what_was_made_as_markup() -> None:
    assert '<p class="a&quot;b">1 &lt; 2<b>x</b></p>' == element(
        "p", "1 < 2", element("b", "x"), class_='a"b'
    )
    assert "<i>&amp;</i>" == element("i", "&")
    assert "<i>&amp;</i>" == element("i", Markup("&amp;"))
    assert '<meta charset="utf-8">' == element("meta", charset="utf-8")
    assert '<line x1="1.5" stroke-width="0.33"></line>' == element("line", x1=1.5, stroke_width=1 / 3)
