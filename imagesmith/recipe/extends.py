"""What `extends:` means: one tree laid over another.

The rule is JSON Merge Patch (RFC 7396), which people know from elsewhere: maps merge key by key, everything
else replaces, an empty value (`null`) removes what was inherited. Two additions, both for recipes:

- `users` merge by `name`, so a site can give the shipped `guest` its key without repeating the rest.
- Another `mode` replaces the inherited one: there is only ever one.
"""

from imagesmith.recipe.tree import Entry, YamlList, YamlMap, YamlNode, YamlText


def lay_over(upper: YamlMap, lower: YamlMap) -> YamlMap:
    """Return `lower` with `upper` over it; each part keeps its own file and line."""
    merged = _merge_maps(upper, lower)
    for key, rule in {"users": _merge_users, "mode": _choose_mode}.items():
        above, below = upper.entries.get(key), lower.entries.get(key)
        if above and below and key in merged.entries:
            merged.entries[key] = Entry(above.place, rule(above.value, below.value))
    return merged


def _merge_maps(upper: YamlMap, lower: YamlMap) -> YamlMap:
    entries = dict(lower.entries)
    for key, entry in upper.entries.items():
        inherited = entries.get(key)
        if inherited is None:
            entries[key] = entry  # a null that removes nothing stays, and is reported as a missing value
        elif isinstance(entry.value, YamlText) and entry.value.is_null:
            del entries[key]
        else:
            entries[key] = Entry(entry.place, _merge(entry.value, inherited.value))
    return YamlMap(upper.place, entries)


def _merge(upper: YamlNode, lower: YamlNode) -> YamlNode:
    if isinstance(upper, YamlMap) and isinstance(lower, YamlMap):
        return _merge_maps(upper, lower)
    return upper


def _merge_users(upper: YamlNode, lower: YamlNode) -> YamlNode:
    if not isinstance(upper, YamlList) or not isinstance(lower, YamlList):
        return upper
    own = list(upper.items)
    result: list[YamlNode] = []
    for inherited in lower.items:
        name = _name_of(inherited)
        change = next((user for user in own if name is not None and _name_of(user) == name), None)
        if change is None:
            result.append(inherited)
        else:
            own.remove(change)
            result.append(_merge(change, inherited))
    return YamlList(upper.place, (*result, *own))


def _name_of(user: YamlNode) -> str | None:
    entry = user.entries.get("name") if isinstance(user, YamlMap) else None
    return entry.value.text if entry and isinstance(entry.value, YamlText) else None


def _choose_mode(upper: YamlNode, lower: YamlNode) -> YamlNode:
    if (
        isinstance(upper, YamlMap)
        and isinstance(lower, YamlMap)
        and upper.entries.keys() == lower.entries.keys()
    ):
        return _merge_maps(upper, lower)
    return upper
