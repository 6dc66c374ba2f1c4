"""Overlay trees and the sheet of what git cannot keep."""

from pathlib import Path

import pytest

from imagesmith.errors import BuildError, RecipeError
from imagesmith.host.folders import data_folder
from imagesmith.model.edit import PutFile
from imagesmith.recipe.overlay import read_overlay


@pytest.fixture(name="overlay")
def _overlay(tmp_path: Path) -> Path:
    """Return an overlay of a plain file and a program."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/key").write_text("k")
    (tmp_path / "etc/key").chmod(0o640)
    (tmp_path / "etc/start").write_text("s")
    (tmp_path / "etc/start").chmod(0o700)
    return tmp_path


def problems_of(folder: Path) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        read_overlay(folder)
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


def test_files_are_root_s_and_programs_stay_programs(overlay: Path) -> None:
    (overlay / "overlay.yaml").write_text("files: {}\n")

    assert (PutFile("/etc/key", b"k", 0o644), PutFile("/etc/start", b"s", 0o755)) == read_overlay(overlay)


def test_the_sheet_says_which_files_are_somebody_else_s(overlay: Path) -> None:
    (overlay / "overlay.yaml").write_text("files:\n  /etc/key: {mode: 0600, uid: 1000, gid: 44}\n")

    assert PutFile("/etc/key", b"k", 0o600, 1000, 44) == read_overlay(overlay)[0]


def test_a_value_the_sheet_leaves_out_stays(overlay: Path) -> None:
    (overlay / "overlay.yaml").write_text('files:\n  /etc/start: {mode: "4755"}\n')

    assert PutFile("/etc/start", b"s", 0o4755, 0, 0) == read_overlay(overlay)[1]


def test_a_folder_without_a_sheet_is_no_overlay(overlay: Path) -> None:
    assert ["overlay.yaml:1: there is no such overlay (it is a folder with this file in it)"] == problems_of(
        overlay
    )


def test_every_mistake_of_a_sheet_is_reported_at_once(overlay: Path) -> None:
    (overlay / "overlay.yaml").write_text(
        "file: {}\n"
        "files:\n"
        "  /etc/kye: {mode: 0600}\n"
        "  /etc/key: {mode: 0600, uid: -1, gid: root}\n"
        "  /etc/start: 0755\n"
        "  /etc/start: {mdoe: 755}\n"
    )

    assert [
        "overlay.yaml:1: file: unknown key (did you mean 'files'?)",
        "overlay.yaml:3: files./etc/kye: unknown key (did you mean '/etc/key'?)",
        "overlay.yaml:4: files./etc/key.gid: 'root' is not a whole number (decimal digits, no leading zero)",
        "overlay.yaml:4: files./etc/key.uid: '-1' is not a whole number (decimal digits, no leading zero)",
        "overlay.yaml:5: files./etc/start: a map is wanted, this is a text (its keys: mode, uid, gid)",
        "overlay.yaml:6: the key '/etc/start' is there twice (the first is in line 5)",
    ] == problems_of(overlay)


@pytest.mark.parametrize("mode", ["0o600", "u=rw", "888", "77777", "-600", "6_0_0", "٦٠٠"])
def test_a_mode_is_three_or_four_octal_digits(mode: str, overlay: Path) -> None:
    (overlay / "overlay.yaml").write_text(f"files:\n  /etc/key: {{mode: {mode}}}\n")

    said = f"{mode!r} is not a mode (three or four octal digits, for example 0644)"
    assert [f"overlay.yaml:2: files./etc/key.mode: {said}"] == problems_of(overlay)


def test_a_link_in_an_overlay_is_refused(overlay: Path) -> None:
    (overlay / "overlay.yaml").write_text("files: {}\n")
    (overlay / "etc/link").symlink_to("key")

    with pytest.raises(BuildError, match=r"etc/link is neither a file nor a folder$"):
        read_overlay(overlay)


@pytest.mark.parametrize("name", ["base", "mpi", "k8s"])
def test_a_shipped_overlay_is_read_and_is_root_s(name: str) -> None:
    assert all((0, 0) == (file.uid, file.gid) for file in read_overlay(data_folder("overlays") / name))
