"""Traces of use: what tells a card that ran, and has rightly changed, from one that is damaged. Pure."""

from collections.abc import Mapping

_NEVER = "n/a"


def traces_of_use(image: Mapping[str, str], card: Mapping[str, str]) -> str:
    """Say how a card's superblock shows that it was mounted since it was written; empty when it does not.

    Args:
        image: the image's superblock, as `dumpe2fs -h` names its fields.
        card: the card's.
    """
    uuid = image.get("Filesystem UUID")
    if uuid is None or card.get("Filesystem UUID") != uuid:
        return ""
    mounts = _count(card, "Mount count") - _count(image, "Mount count")
    last = card.get("Last mount time", _NEVER)
    # A first boot that was checked resets the count to 0 (e2fsck does), so the time alone counts as well.
    if mounts <= 0 and last in {_NEVER, image.get("Last mount time", _NEVER)}:
        return ""
    where = card.get("Last mounted on", "")
    traces = [f"last mounted {last}" + (f" on {where}" if where.startswith("/") else "")]
    if mounts > 0:
        traces.append(f"{mounts} mounts more than the image")
    if _count(card, "Block count") > _count(image, "Block count"):
        traces.append("grown to its card")
    return ", ".join(traces)


def _count(superblock: Mapping[str, str], name: str) -> int:
    text = superblock.get(name, "")
    return int(text) if text.isdecimal() else 0
