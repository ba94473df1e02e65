"""API keys for programs: shown once, stored as a hash, revocable at once."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.models import ApiKey, User, record

_USE_NOTE_INTERVAL = timedelta(minutes=1)


def issue(user: User, name: str, *, by: User | None = None) -> tuple[ApiKey, str]:
    """Create a key for `user`. Return its row and the key itself, which cannot be read again."""
    key = f"rs_{secrets.token_urlsafe(32)}"
    row = ApiKey.objects.create(user=user, name=name, prefix=key[:9], digest=_digest(key))
    record(by or user, "api_key.issue", f"{row} of {user}", id=row.pk)
    return row, key


def revoke(key: ApiKey, *, by: User | None = None) -> None:
    """Refuse this key from now on. Revoking is idempotent."""
    if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now()):
        record(by, "api_key.revoke", f"{key} of {key.user}", id=key.pk)


@dataclass(frozen=True, slots=True)
class KeyCredential:
    user: User
    key: ApiKey

    def is_valid(self) -> bool:
        active = User.objects.filter(pk=self.user.pk, is_active=True)
        return active.filter(api_keys=self.key, api_keys__revoked_at=None).exists()


def find_key(authorization: str) -> ApiKey | None:
    """Return the key in this header, or None if there is none that still works."""
    scheme, _, key = authorization.partition(" ")
    working = ApiKey.objects.filter(revoked_at=None, user__is_active=True)
    return working.filter(digest=_digest(key.strip())).first() if scheme.lower() == "bearer" else None


def _digest(key: str) -> str:
    """Hash without salt or stretching: 256 random bits cannot be guessed, and a plain hash can be indexed."""
    return hashlib.sha256(key.encode()).hexdigest()


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer rs_...`"""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        found = ApiKey.objects.select_related("user").filter(digest=_digest(key.strip())).first()
        if found is None:
            raise AuthenticationFailed("This API key is unknown. Ask an operator for a new one.")
        if found.revoked_at:
            raise AuthenticationFailed(f"The API key {found} was revoked. Ask an operator for a new one.")
        if not found.user.is_active:
            raise AuthenticationFailed("The user of this API key is deactivated.")
        _note_use(found)
        return found.user, found

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="Ragsite"'


def _note_use(key: ApiKey) -> None:
    """Store the time of the last use, to the minute: a busy program must not cause a write per call."""
    now = timezone.now()
    is_old = Q(last_used_at=None) | Q(last_used_at__lt=now - _USE_NOTE_INTERVAL)
    ApiKey.objects.filter(is_old, pk=key.pk).update(last_used_at=now)


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes the authentication in the OpenAPI document."""

    target_class = "accounts.identity.api_key.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API key: rs_..."}
