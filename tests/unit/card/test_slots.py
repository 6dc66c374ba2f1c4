"""The slot map: read strictly, appended to without touching what is there, and what counts as an arrival."""

import pytest

from imagesmith.card.slots import (
    Slot,
    SlotMap,
    SlotMapError,
    arrivals,
    is_label,
    label_of,
    next_label,
    parse_slot_map,
    with_slot_appended,
)

HUB = "pci-0000:00:14.0-usb-0:1.2:1.0-scsi-0:0:0:"
TWO = f"""\
version = 1
# the black reader

[[slots]]
label = "1"
path = "{HUB}0"
[[slots]]
label = "left"
path = "{HUB}1"
"""


def why(text: str) -> list[str]:
    with pytest.raises(SlotMapError, match=r"slots\.toml is not a slot map") as caught:
        parse_slot_map(text, "slots.toml")
    return [line.strip() for line in caught.value.why.splitlines()]


def test_slots_come_in_the_order_of_the_file() -> None:
    assert SlotMap((Slot("1", f"{HUB}0"), Slot("left", f"{HUB}1"))) == parse_slot_map(TWO, "slots.toml")
    assert SlotMap() == parse_slot_map("version = 1\n", "slots.toml")


def test_two_slots_of_one_reader_differ_in_their_lun_alone() -> None:
    slots = parse_slot_map(TWO, "slots.toml")

    assert ["1", "left", f"{HUB}2", ""] == [
        label_of(path, slots) for path in (f"{HUB}0", f"{HUB}1", f"{HUB}2", "")
    ]
    assert "" == slots.label_of(f"{HUB}2")


def test_every_problem_is_told_at_once() -> None:
    text = f"""\
version = 2
node = "x"
[[slots]]
label = 1
path = "{HUB}0"
[[slots]]
label = "2"
path = "{HUB}0"
[[slots]]
label = "a very long label"
path = "two words"
lun = 3
[[slots]]
label = "2"
"""

    assert [
        "version = 1 is missing",
        "unknown key 'node'",
        "slot 1: label is not 1 to 12 letters, digits or . _ + -",
        "slot 3: unknown key 'lun'",
        "slot 3: label is not 1 to 12 letters, digits or . _ + -",
        "slot 3: path is not udev's ID_PATH, as 'imagesmith cards' shows it",
        "slot 4: path is not udev's ID_PATH, as 'imagesmith cards' shows it",
        "the label '2' is there 2 times",
        f"the path '{HUB}0' is there 2 times",
    ] == why(text)


@pytest.mark.parametrize("text", ["", "version = true", 'version = "1"', "slots = []"])
def test_without_its_version_it_is_no_slot_map(text: str) -> None:
    assert ["version = 1 is missing"] == why(text)


@pytest.mark.parametrize("value", ["3", '"1"', "[1]", '{label = "1"}'])
def test_slots_that_are_no_tables_are_refused(value: str) -> None:
    assert ["slots is not a list of tables: write [[slots]]"] == why(f"version = 1\nslots = {value}\n")


def test_what_is_no_toml_is_told_with_its_place() -> None:
    [line] = why("version = 1\nlabel: x\n")

    assert line.startswith("it is not TOML: ")
    assert "line 2" in line


def test_a_learnt_slot_is_appended_and_comments_stay() -> None:
    text = with_slot_appended(TWO, Slot("3", f"{HUB}2"), "slots.toml")

    assert text.startswith(TWO)
    assert Slot("3", f"{HUB}2") == parse_slot_map(text, "slots.toml").slots[-1]


@pytest.mark.parametrize("before", ["", "version = 1", "version = 1\n# end"])
def test_the_first_slot_makes_a_map(before: str) -> None:
    text = with_slot_appended(before, Slot("1", f"{HUB}0"), "slots.toml")

    assert SlotMap((Slot("1", f"{HUB}0"),)) == parse_slot_map(text, "slots.toml")


@pytest.mark.parametrize(
    ("slot", "why_not"),
    [
        (Slot("1", f"{HUB}2"), "the label '1' is there 2 times"),
        (Slot("3", f"{HUB}1"), f"the path '{HUB}1' is there 2 times"),
        (Slot("a b", f"{HUB}2"), "slot 3: label is not 1 to 12 letters, digits or . _ + -"),
    ],
)
def test_a_slot_or_label_that_is_there_already_is_not_added(slot: Slot, why_not: str) -> None:
    with pytest.raises(SlotMapError, match=r"was not added to slots\.toml") as caught:
        with_slot_appended(TWO, slot, "slots.toml")

    assert why_not == caught.value.why


def test_a_list_between_brackets_takes_no_table_and_says_how_to_write_it() -> None:
    text = f'version = 1\nslots = [{{label = "1", path = "{HUB}0"}}]\n'

    with pytest.raises(SlotMapError, match="was not added") as caught:
        with_slot_appended(text, Slot("2", f"{HUB}1"), "slots.toml")

    assert "[[slots]]" in caught.value.remedy


@pytest.mark.parametrize(
    ("before", "after", "arrived"),
    [
        ({}, {"a": 64}, ("a",)),
        ({"a": 0}, {"a": 64}, ("a",)),
        ({"a": 0, "b": 0}, {"a": 0, "b": 64}, ("b",)),
        ({}, {"a": 0, "b": 0}, ()),
        ({"a": 64}, {"a": 0}, ()),
        ({"a": 64}, {"a": 64}, ()),
        ({"a": 64}, {}, ()),
        ({"a": 64}, {"a": 64, "b": 32, "c": 16}, ("b", "c")),
    ],
)
def test_a_card_arrives_where_there_was_no_medium_before(
    before: dict[str, int], after: dict[str, int], arrived: tuple[str, ...]
) -> None:
    assert arrived == arrivals(before, after)


def test_the_next_label_is_the_smallest_free_number() -> None:
    assert "2" == next_label(parse_slot_map(TWO, "slots.toml"))
    assert "1" == next_label(SlotMap())


@pytest.mark.parametrize(("text", "good"), [("1", True), ("links-oben", True), ("", False), ("a b", False)])
def test_a_label_is_one_short_word(text: str, good: bool) -> None:
    assert good is is_label(text)
