"""Names of cards, as people write them."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesmith.card.names import MOST_CARDS, expand_card_names
from imagesmith.errors import UsageError


def expand(*words: str) -> tuple[str, ...]:
    return expand_card_names(words, exists=lambda _: False)


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("/dev/sdb", ["/dev/sdb"]),
        ("/dev/sd<b..e>", ["/dev/sdb", "/dev/sdc", "/dev/sdd", "/dev/sde"]),
        ("/dev/sd[b-d]", ["/dev/sdb", "/dev/sdc", "/dev/sdd"]),
        ("/dev/sd[bdf]", ["/dev/sdb", "/dev/sdd", "/dev/sdf"]),
        ("/dev/sd[b-cx]", ["/dev/sdb", "/dev/sdc", "/dev/sdx"]),
        ("/dev/mmcblk[0-2]", ["/dev/mmcblk0", "/dev/mmcblk1", "/dev/mmcblk2"]),
        ("card<1..3>.img", ["card1.img", "card2.img", "card3.img"]),
        ("card<9..11>.img", ["card9.img", "card10.img", "card11.img"]),
        ("card<08..11>.img", ["card08.img", "card09.img", "card10.img", "card11.img"]),
        ("card[08-10].img", ["card08.img", "card09.img", "card10.img"]),
        ("rack<1..2>/sd[ab]", ["rack1/sda", "rack1/sdb", "rack2/sda", "rack2/sdb"]),
        ("/dev/sd<b..b>", ["/dev/sdb"]),
        ("/dev/disk/by-id/usb-Generic-0:2", ["/dev/disk/by-id/usb-Generic-0:2"]),
    ],
)
def test_a_pattern_names_cards_in_the_order_written(word: str, names: list[str]) -> None:
    assert tuple(names) == expand(word)


def test_words_keep_their_order() -> None:
    assert ("/dev/sdz", "/dev/sdb", "/dev/sdc") == expand("/dev/sdz", "/dev/sd<b..c>")


def test_an_existing_name_is_never_a_pattern() -> None:
    assert ("card[1-2].img",) == expand_card_names(["card[1-2].img"], exists=lambda name: "[" in name)


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("/dev/sd<i..b>", "i comes after b"),
        ("/dev/sd[d-b]", "d comes after b"),
        ("card<4..1>", "4 comes after 1"),
        ("/dev/sd<b..4>", "b and 4 are not of one kind"),
        ("/dev/sd[b-4]", "b and 4 are not of one kind"),
        ("/dev/sd<B..c>", "B and c are not of one kind"),
        ("/dev/sd<b-i>", "<b-i> is not a range"),
        ("/dev/sd<b...i>", "<b...i> is not a range"),
        ("/dev/sd<>", "<> is not a range"),
        ("/dev/sd<aa..ad>", "<aa..ad> is not a range"),
        ("/dev/sd[]", "[] is not a set of characters"),
        ("/dev/sd[!b]", "[!b] is not a set of characters"),
        ("/dev/sd[b..i]", "[b..i] is not a set of characters"),
        ("/dev/sd[b-]", "[b-] is not a set of characters"),
        ("/dev/sd[b", "'[' has no partner"),
        ("/dev/sdb>", "'>' has no partner"),
    ],
)
def test_a_malformed_pattern_is_refused_with_the_reason(word: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        expand(word)

    assert 2 == caught.value.exit_code
    assert f"cannot tell which cards {word!r} names" == caught.value.what
    assert why == caught.value.why
    assert caught.value.remedy


def test_quoted_braces_are_explained() -> None:
    with pytest.raises(UsageError) as caught:
        expand("/dev/sd{b..i}")

    assert "take the quotes off, or write '/dev/sd<b..i>'" == caught.value.remedy


@pytest.mark.parametrize(
    "words",
    [("/dev/sdb", "/dev/sd<a..c>"), ("/dev/sdb", "/dev//sdb"), ("a.img", "./a.img"), ("/dev/sd[bb]",)],
)
def test_a_card_named_twice_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=r"is named twice$"):
        expand(*words)


def test_an_empty_word_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^a card name is empty$"):
        expand("")


@pytest.mark.parametrize("word", ["card<1..257>", "card<1..999999999999>", "<a..z>[a-z]"])
def test_a_slip_of_the_hand_is_refused_at_once(word: str) -> None:
    with pytest.raises(UsageError, match=f"names more than {MOST_CARDS} cards"):
        expand(word)


@given(st.integers(0, 200), st.integers(0, 60), st.integers(1, 4))
def test_a_numeric_range_counts_up_and_keeps_its_width(first: int, more: int, width: int) -> None:
    names = expand(f"c<{first:0{width}d}..{first + more}>x")

    assert [f"c{first + n:0{max(width, len(str(first)))}d}x" for n in range(more + 1)] == list(names)


@given(st.text(alphabet=string.ascii_letters + string.digits + "/<>[]{}.-,!", min_size=1, max_size=12))
def test_any_word_gives_distinct_names_or_a_usage_error(word: str) -> None:
    try:
        names = expand(word)
    except UsageError:
        return
    assert len(names) == len(set(names)) >= 1
    assert not any(set("<>[]") & set(name) for name in names)
