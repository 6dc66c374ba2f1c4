"""The GUIDs of a card: made from what it carries, so that it tells its image and node. Pure."""

import uuid

_NAMESPACE = uuid.UUID("0d6f2f7c-2d8a-5c0e-9b55-5f1b6e1f3a10")
"""Of every GUID a card gets (RFC 9562, version 5). Changing it changes every card."""


def card_guid(image_sha256: str, hostname: str, what: str) -> uuid.UUID:
    """Return the GUID of a part of a card.

    Args:
        image_sha256: digest of its image, 64 hex digits.
        hostname: whose card it is; empty for an unpersonalised one.
        what: `disk`, a partition's name, or `swap area`.
    """
    return uuid.uuid5(_NAMESPACE, f"{image_sha256}/{hostname}/{what}")
