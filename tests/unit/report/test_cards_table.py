"""What is plugged in: on a terminal of 80 columns, in a log, and on a screen drawn again and again."""

import io
from dataclasses import replace

import pytest

from imagesmith.model.inventory import CardRow, Carries, Contents
from imagesmith.model.units import GIB
from imagesmith.report.cards import changed_lines, changes, contents_text, line_of, render_cards
from imagesmith.report.screen import Screen

HUB = "pci-0000:00:14.0-usb-0:1.2:1.0-scsi-0:0:0:"
MPI = Contents(
    Carries.NODE,
    cluster="mpi",
    node_index=2,
    node="jetson2-node",
    image_sha256="8f3a77c0" * 8,
    written_at="2026-11-24T03:46:43Z",
)


def card(number: int, contents: Contents, **values: object) -> CardRow:
    given: dict[str, object] = {
        "slot": str(number + 1),
        "slot_path": f"{HUB}{number}",
        "device": f"/dev/sd{'bcdefghi'[number]}",
        "transport": "usb",
        "model": "Generic- SD/MMC CRW",
        "size_bytes": 32 * GIB,
        "writable": True,
    }
    return CardRow(contents=contents, **{**given, **values})  # type: ignore[arg-type]  # a table of values


SYSTEM = CardRow(
    "",
    "pci-0000:00:17.0-ata-1",
    "/dev/sda",
    Contents(Carries.FOREIGN, 'gpt, vfat "EFI", ext4'),
    transport="ata",
    model="Samsung SSD 870",
    size_bytes=512 * GIB,
    reasons=(
        "it is not removable and hangs on neither USB nor an SD slot (ata)",
        "it is mounted on /, /boot/efi",
        "this machine keeps there: /, /boot, /home, the cache",
    ),
)
ROWS = [
    card(0, MPI),
    card(1, Contents(Carries.EMPTY)),
    card(2, Contents(Carries.NO_CARD), size_bytes=0, writable=False, reasons=("there is no card in it",)),
    card(3, Contents(Carries.NO_READER), device="", model="", transport="", size_bytes=0, writable=False),
    card(4, Contents(Carries.EMPTY), slot=""),
    SYSTEM,
]


def test_eight_slots_fit_80_columns_and_each_says_what_it_carries() -> None:
    lines = render_cards(ROWS, image="mpi.img")

    assert max(map(len, lines)) <= 80
    assert [
        "slot card size    reader             carries",
        "1    sdb  32 GiB  …neric- SD/MMC CRW jetson2-node of mpi, image 8f3a77c0,",
        "                                     2026-11-24 03:46 UTC",
        "2    sdc  32 GiB  …neric- SD/MMC CRW empty",
        "3    sdd  -       …neric- SD/MMC CRW no card",
        "4    -    -       -                  no reader",
        "-    sdf  32 GiB  …neric- SD/MMC CRW empty",
        f"  at {HUB}4",
        '-    sda  512 GiB Samsung SSD 870    foreign: gpt, vfat "EFI", ext4',
    ] == lines[:9]
    assert "3 may be written; sizes are judged for mpi.img" == lines[-1]


def test_every_reason_against_a_disk_is_told_below_it() -> None:
    text = " ".join(line.strip() for line in render_cards([SYSTEM], image="")[2:-1])

    assert f"refused: {'; '.join(SYSTEM.reasons)}" == text


def test_without_a_reader_there_is_no_table() -> None:
    assert ["no disk and no card reader is plugged in"] == render_cards([], image="")


def test_card_files_of_one_name_are_told_apart() -> None:
    rows = [CardRow("", "", f"/{folder}/card.img", Contents(Carries.EMPTY)) for folder in "ab"]

    assert ["/a/card.img", "/b/card.img"] == [line.split()[1] for line in render_cards(rows, image="")[1:3]]


@pytest.mark.parametrize(
    ("contents", "text"),
    [
        (MPI, "jetson2-node of mpi, image 8f3a77c0, 2026-11-24 03:46 UTC"),
        (Contents(Carries.NODE, cluster="mpi", node="n"), "n of mpi"),
        (Contents(Carries.UNPERSONALISED, image_sha256="ab" * 32), "a node without identity, image abababab"),
        (Contents(Carries.UNFINISHED, "no partition table"), "unfinished: no partition table"),
        (Contents(Carries.UNREADABLE, "Input/output error"), "unreadable: Input/output error"),
        (Contents(Carries.NO_CARD), "no card"),
    ],
)
def test_contents_are_told_in_a_few_words(contents: Contents, text: str) -> None:
    assert text == contents_text(contents)


def test_what_a_card_calls_itself_cannot_move_the_cursor() -> None:
    nasty = "\x1b[2J\x07"
    rows = [
        card(
            0, Contents(Carries.FOREIGN, f'ext4 "{nasty}"'), model=nasty, reasons=(nasty,), warnings=(nasty,)
        ),
        card(1, Contents(Carries.NODE, node=nasty, cluster=nasty)),
    ]

    shown = "\n".join([*render_cards(rows, image=nasty), *map(line_of, rows)])

    assert not set("\x1b\x07\r") & set(shown)


def test_a_change_is_one_line() -> None:
    inserted = card(2, Contents(Carries.EMPTY))
    after = [ROWS[0], ROWS[1], inserted, ROWS[3], ROWS[5]]

    assert [
        "/dev/sdf is gone",
        "/dev/sdd (slot 3): 32 GiB, empty",
    ] == list(changed_lines(ROWS, after))
    assert [] == list(changed_lines(after, after))


def test_a_slot_whose_reader_went_is_a_change_of_the_slot() -> None:
    gone = replace(ROWS[1], device="", size_bytes=0, contents=Contents(Carries.NO_READER))

    assert ((gone,), ()) == changes([ROWS[1]], [gone])
    assert ["slot 2: no reader"] == list(changed_lines([ROWS[1]], [gone]))


def test_a_refused_card_says_so_on_its_line() -> None:
    assert line_of(SYSTEM).endswith("ext4, refused: " + "; ".join(SYSTEM.reasons))
    assert "/dev/sdd (slot 3): no card" == line_of(ROWS[2])


def test_the_first_drawing_clears_the_screen_and_no_later_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    monkeypatch.setenv("LINES", "4")
    out = io.StringIO()
    screen = Screen(out)

    screen.draw(["one", "two"])
    first = out.getvalue()
    screen.draw(["a line that is too long", "2", "3", "4"])
    second = out.getvalue().removeprefix(first)

    assert "\x1b[2J\x1b[Hone\x1b[K\ntwo\x1b[K\n\x1b[J" == first
    assert "\x1b[Ha line tha\x1b[K\n2\x1b[K\n(2 more li\x1b[K\n\x1b[J" == second
