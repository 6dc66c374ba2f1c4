"""One tree laid over another: the laws of `extends:`."""

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from imagesmith.recipe.extends import lay_over
from imagesmith.recipe.tree import Entry, Place, YamlList, YamlMap, YamlNode, YamlText

Document = dict[str, Any]

texts = st.sampled_from(["a", "b", "c"])
nothing = st.none()
keys = st.sampled_from(["name", "base", "nodes", "swap", "size"])
values = st.recursive(
    texts, lambda below: st.lists(below, max_size=3) | st.dictionaries(keys, below, max_size=4), max_leaves=8
)
changes = st.recursive(
    texts | nothing,
    lambda below: st.lists(texts, max_size=3) | st.dictionaries(keys, below, max_size=4),
    max_leaves=8,
)
lowers = st.dictionaries(keys, values, max_size=4)
uppers = st.dictionaries(keys, changes, max_size=4)


def tree(value: Any, file: str) -> Any:
    """Return a document as if it had been read from a file; None is an unquoted null."""
    place = Place(file, 1)
    match value:
        case dict():
            return YamlMap(place, {key: Entry(place, tree(below, file)) for key, below in value.items()})
        case list():
            return YamlList(place, tuple(tree(item, file) for item in value))
        case None:
            return YamlText(place, "null")
        case _:
            return YamlText(place, value, quoted=True)


def plain(node: YamlNode) -> Any:
    match node:
        case YamlMap():
            return {key: plain(entry.value) for key, entry in node.entries.items()}
        case YamlList():
            return [plain(item) for item in node.items]
        case YamlText():
            return None if node.is_null else node.text


def over(upper: Document, lower: Document) -> Document:
    result: Document = plain(lay_over(tree(upper, "upper"), tree(lower, "lower")))
    return result


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396, section 2, word for word."""
    if not isinstance(patch, dict):
        return patch
    if not isinstance(target, dict):
        target = {}
    target = dict(target)
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = merge_patch(target.get(name), value)
    return target


def without_nulls(value: Any) -> Any:
    match value:
        case dict():
            return {key: without_nulls(below) for key, below in value.items() if below is not None}
        case list():
            return [without_nulls(item) for item in value]
        case _:
            return value


@given(uppers, lowers)
def test_it_is_json_merge_patch_but_for_a_null_that_removes_nothing(upper: Document, lower: Document) -> None:
    assert merge_patch(lower, upper) == without_nulls(over(upper, lower))


@given(lowers)
def test_nothing_laid_over_a_recipe_changes_nothing(lower: Document) -> None:
    assert lower == over({}, lower)


@given(uppers)
def test_a_recipe_laid_over_nothing_is_itself_nulls_included(upper: Document) -> None:
    assert upper == over(upper, {})


@given(uppers, lowers)
def test_laying_the_same_over_it_again_changes_nothing_more(upper: Document, lower: Document) -> None:
    once = over(upper, lower)

    assert without_nulls(once) == without_nulls(over(upper, once))


@given(uppers, lowers)
def test_what_the_upper_recipe_does_not_name_keeps_its_order_in_front(
    upper: Document, lower: Document
) -> None:
    keys_left = [key for key in lower if upper.get(key, "kept") is not None]

    assert keys_left == list(over(upper, lower))[: len(keys_left)]


def texts_of(node: YamlNode) -> Iterator[YamlText]:
    match node:
        case YamlMap():
            for entry in node.entries.values():
                yield from texts_of(entry.value)
        case YamlList():
            for item in node.items:
                yield from texts_of(item)
        case YamlText():
            yield node


def in_capitals(value: Any) -> Any:
    match value:
        case dict():
            return {key: in_capitals(below) for key, below in value.items()}
        case list():
            return [in_capitals(item) for item in value]
        case _:
            return value and value.upper()


@given(uppers, lowers)
def test_each_text_keeps_the_file_it_was_written_in(upper: Document, lower: Document) -> None:
    laid = lay_over(tree(in_capitals(upper), "upper"), tree(lower, "lower"))

    for text in texts_of(laid):
        assert ("upper" if text.is_null or text.text.isupper() else "lower") == text.place.file


def user(name: str, **more: Any) -> Document:
    return {"name": name, **more}


def test_users_merge_by_name_inherited_ones_first() -> None:
    lower = {"users": [user("guest", uid="1000", groups=["sudo"]), user("ada", uid="1001")]}
    upper = {"users": [user("bob", uid="1002"), user("ada", passwd="$6$"), user("guest", groups=["video"])]}

    assert {
        "users": [
            user("guest", uid="1000", groups=["video"]),
            user("ada", uid="1001", passwd="$6$"),
            user("bob", uid="1002"),
        ]
    } == over(upper, lower)


def test_a_value_of_an_inherited_user_can_be_taken_away() -> None:
    lower = {"users": [user("guest", uid="1000", gecos="a guest")]}

    assert {"users": [user("guest", uid="1000")]} == over({"users": [user("guest", gecos=None)]}, lower)


def test_no_users_written_out_takes_all_away() -> None:
    lower = {"users": [user("guest")], "name": "mpi"}

    assert {"name": "mpi"} == over({"users": None}, lower)


def test_a_user_twice_in_one_recipe_stays_there_twice_to_be_reported() -> None:
    lower = {"users": [user("guest", uid="1000")]}

    twice = over({"users": [user("guest", uid="1"), user("guest", uid="2")]}, lower)

    assert {"users": [user("guest", uid="1"), user("guest", uid="2")]} == twice


def test_users_without_a_name_never_merge() -> None:
    assert {"users": [{"uid": "1"}, {"uid": "2"}, "a"]} == over(
        {"users": [{"uid": "2"}, "a"]}, {"users": [{"uid": "1"}]}
    )


def test_users_that_are_no_list_are_left_to_be_reported() -> None:
    assert {"users": "guest"} == over({"users": "guest"}, {"users": [user("ada")]})


def test_other_lists_replace() -> None:
    lower = {"mounts": [{"from": "a"}], "overlays": ["a", "b"]}

    assert {"mounts": [], "overlays": ["c"]} == over({"mounts": [], "overlays": ["c"]}, lower)


def test_another_mode_replaces_and_the_same_mode_merges() -> None:
    lower = {"mode": {"mpi": {"pytorch": "1.10.0", "horovod": "0.28.1"}}}

    assert {"mode": {"k8s": {}}} == over({"mode": {"k8s": {}}}, lower)
    assert {"mode": {"mpi": {"pytorch": "1.8.0", "horovod": "0.28.1"}}} == over(
        {"mode": {"mpi": {"pytorch": "1.8.0"}}}, lower
    )


def test_neither_tree_is_changed() -> None:
    upper, lower = tree({"nodes": {"count": "4"}}, "upper"), tree({"nodes": {"count": "8"}}, "lower")

    lay_over(upper, lower)

    assert ({"nodes": {"count": "4"}}, {"nodes": {"count": "8"}}) == (plain(upper), plain(lower))
