"""The token in the address of a shared link: the link's id with a message authentication code.

The code needs SECRET_KEY, so the database, a dump or the admin's list opens no link; and its owner can see the address
again, although it is stored nowhere.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

from django.utils.crypto import constant_time_compare, salted_hmac

_CODE_BYTES = 16
_CHARACTERS = 43  # 32 bytes in base64url without padding (RFC 4648, section 5)


def token_of(link_id: UUID) -> str:
    code = salted_hmac("chat.sharing", link_id.bytes, algorithm="sha256").digest()[:_CODE_BYTES]
    return urlsafe_b64encode(link_id.bytes + code).decode().rstrip("=")


def id_of(token: str) -> UUID | None:
    """Return the id of the link with this token, or None if no link can have it."""
    if len(token) != _CHARACTERS or not token.isascii():
        return None
    try:
        link_id = UUID(bytes=urlsafe_b64decode(f"{token}=")[:16])
    except (binascii.Error, ValueError):
        return None
    return link_id if constant_time_compare(token, token_of(link_id)) else None
