from pathlib import Path

import pytest

from imagesmith.base.catalogue import BASE_NAMES, STOCK_BASES, find_base, resolve_base
from imagesmith.errors import HostNotReadyError, UntrustedSourceError
from imagesmith.host.folders import cache_folder


def resolve(name_or_path: str) -> tuple[str, Path]:
    return resolve_base(name_or_path, lambda text: pytest.fail(f"it said {text!r}"))


def test_every_base_has_its_own_name() -> None:
    assert len(set(BASE_NAMES)) == len(BASE_NAMES) == len(STOCK_BASES) + 1


@pytest.mark.parametrize("base", STOCK_BASES, ids=lambda base: base.name)
def test_a_stock_base_is_found_by_its_name(base: object) -> None:
    assert base is find_base(base.name)  # type: ignore[attr-defined]  # a StockBase, by parametrisation


@pytest.mark.parametrize("base", STOCK_BASES, ids=lambda base: base.name)
def test_the_digests_are_as_long_as_their_algorithm_makes_them(base: object) -> None:
    lengths = {"md5": 32, "sha256": 64}
    for digest in (*base.zip_digests, *base.image_digests):  # type: ignore[attr-defined]  # a StockBase
        assert lengths[digest.algorithm] == len(bytes.fromhex(digest.hexadecimal)) * 2


@pytest.mark.parametrize("text", ["./sd-blob-b01.img", "sd-blob-b01.img", "images/mine", "/srv/base.raw"])
def test_what_looks_like_a_file_is_a_path(text: str) -> None:
    assert Path(text) == find_base(text)


def test_a_path_is_named_without_its_folders() -> None:
    assert ("mine.img", Path("/somewhere/mine.img")) == resolve("/somewhere/mine.img")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("jetpack-4.6.1", "jetpack-4.6.1-nano"),
        ("jetpack-461-nano", "jetpack-4.6.1-nano"),
        ("stand-in", "standin"),
        ("Standin", "standin"),
    ],
)
def test_an_unknown_name_gets_a_suggestion(typed: str, meant: str) -> None:
    with pytest.raises(UntrustedSourceError) as caught:
        resolve(typed)

    assert f"there is no base named {typed!r}" == caught.value.what
    assert all(name in caught.value.why for name in BASE_NAMES)
    assert caught.value.remedy.startswith(f"did you mean {meant!r}?")


def test_a_name_like_no_other_gets_the_list_and_no_suggestion() -> None:
    with pytest.raises(UntrustedSourceError) as caught:
        resolve("raspbian")

    assert "did you mean" not in caught.value.remedy
    assert "standin" in caught.value.why


def test_a_stock_base_that_is_not_here_says_what_to_fetch_and_how_to_give_it() -> None:
    with pytest.raises(HostNotReadyError) as caught:
        resolve("jetpack-4.6.1-nano")

    assert "the base jetpack-4.6.1-nano is not on this machine" == caught.value.what
    assert "jetson-nano-jp461-sd-card-image.zip" in caught.value.remedy
    assert "--base PATH/sd-blob-b01.img" in caught.value.remedy
    assert 4 == caught.value.exit_code
    assert not cache_folder().exists()


def test_a_stock_base_in_the_cache_is_used() -> None:
    image = cache_folder() / "bases" / "jetpack-4.6.1-nano.img"
    image.parent.mkdir(parents=True)
    image.touch()

    assert ("jetpack-4.6.1-nano", image) == resolve("jetpack-4.6.1-nano")
