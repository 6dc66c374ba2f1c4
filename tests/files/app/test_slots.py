"""The slot map as a file: where it lies, what is wrong with it, and how it is learnt slot by slot."""

from pathlib import Path

import pytest

from imagesmith.app.slots import Learner, load_slot_map, slot_map_path
from imagesmith.card.slots import Slot, SlotMap, SlotMapError
from imagesmith.model.units import GIB

HUB = "pci-0000:00:14.0-usb-0:1.2:1.0-scsi-0:0:0:"
DISK = {"pci-0000:00:17.0-ata-1": 512 * GIB}
READER = {f"{HUB}{lun}": 0 for lun in range(4)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "new" / "slots.toml"


def test_the_slot_map_lies_among_the_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    assert tmp_path / "imagesmith" / "slots.toml" == slot_map_path()
    assert SlotMap() == load_slot_map(), "nobody needs to have one"


def test_a_map_that_was_named_must_be_there(file: Path) -> None:
    with pytest.raises(SlotMapError, match="there is no slot map") as caught:
        load_slot_map(file)

    assert f"imagesmith slots learn --file {file}" in caught.value.remedy
    assert 4 == caught.value.exit_code


@pytest.mark.parametrize("content", [b"version = \xff", b"slots: [1]"])
def test_a_map_that_is_none_is_refused_and_stays(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "slots.toml"
    file.write_bytes(content)

    for act in (lambda: load_slot_map(file), lambda: Learner(file, {})):
        with pytest.raises(SlotMapError, match=r"slots\.toml"):
            act()

    assert content == file.read_bytes()


def test_each_slot_of_a_reader_gets_the_next_number_when_a_card_comes(file: Path) -> None:
    learner = Learner(file, DISK | READER)

    said = [
        learner.look(DISK | READER | {f"{HUB}2": 32 * GIB}),
        learner.look(DISK | READER | {f"{HUB}2": 32 * GIB}),
        learner.look(DISK | READER),
        learner.look(DISK | READER | {f"{HUB}0": 64 * GIB}),
    ]

    assert [
        f"slot 1 is {HUB}2 (a card of 32 GiB is in it)",
        "",
        "",
        f"slot 2 is {HUB}0 (a card of 64 GiB is in it)",
    ] == said
    assert SlotMap((Slot("1", f"{HUB}2"), Slot("2", f"{HUB}0"))) == load_slot_map(file)
    assert ("3", 2) == (learner.label, learner.learnt_count)


def test_a_reader_that_is_plugged_in_with_its_card_is_learnt_too(file: Path) -> None:
    learner = Learner(file, DISK)

    learner.look(DISK | READER | {f"{HUB}1": 32 * GIB})

    assert SlotMap((Slot("1", f"{HUB}1"),)) == load_slot_map(file)


def test_a_slot_gets_the_name_that_was_typed(file: Path) -> None:
    learner = Learner(file, READER)

    assert "" == learner.call("left")
    learner.look(READER | {f"{HUB}0": GIB})
    assert "there is a slot left already" == learner.call("left")
    assert '"two words" is no label: write 1 to 12 letters, digits or . _ + -' == learner.call("two words")

    assert SlotMap((Slot("left", f"{HUB}0"),)) == load_slot_map(file)
    assert "1" == learner.label


def test_a_slot_that_has_a_name_keeps_it(file: Path) -> None:
    learner = Learner(file, READER)
    learner.look(READER | {f"{HUB}0": GIB})
    learner.look(READER)
    before = file.read_text()

    assert "that is slot 1 already" == learner.look(READER | {f"{HUB}0": GIB})
    assert before == file.read_text()


def test_two_cards_at_once_name_nothing(file: Path) -> None:
    learner = Learner(file, READER)

    said = learner.look(READER | {f"{HUB}0": GIB, f"{HUB}1": GIB})

    assert said == "2 slots got a card at once: take the cards out and put one in at a time"
    assert not file.exists()


def test_a_device_that_udev_has_no_path_for_names_nothing(file: Path) -> None:
    learner = Learner(file, READER)

    assert "udev knows no path for /dev/loop3" in learner.look(READER | {"/dev/loop3": GIB})
    assert not file.exists()


def test_what_was_learnt_before_stays_with_its_comments(file: Path) -> None:
    file.parent.mkdir()
    file.write_text(f'version = 1 # mine\n[[slots]]\nlabel = "1"\npath = "{HUB}0"\n')

    Learner(file, READER).look(READER | {f"{HUB}1": GIB})

    assert file.read_text().startswith('version = 1 # mine\n[[slots]]\nlabel = "1"')
    assert ["1", "2"] == [slot.label for slot in load_slot_map(file).slots]


def test_a_map_that_cannot_be_written_is_told() -> None:
    file = Path("/proc/imagesmith/slots.toml")
    learner = Learner(file, READER)

    with pytest.raises(SlotMapError, match=f"the slot map {file} cannot be written"):
        learner.look(READER | {f"{HUB}0": GIB})

    assert 0 == learner.learnt_count
