"""What operators allow of sharing (the admin, under "Sharing of conversations")."""

from datetime import datetime, timedelta

from django.utils import timezone

from chat.errors import SharingRefused
from chat.models import SharingPolicy

DEFAULT_DAYS = 30
_ONE_ROW = 1


def current_policy() -> SharingPolicy:
    return SharingPolicy.objects.filter(pk=_ONE_ROW).first() or SharingPolicy(pk=_ONE_ROW)


def default_end(policy: SharingPolicy) -> datetime:
    return timezone.now() + timedelta(days=min(DEFAULT_DAYS, policy.most_days))


def check_is_on(policy: SharingPolicy) -> None:
    if not policy.is_on:
        raise SharingRefused("An operator has switched off sharing on this site.")


def check_end(policy: SharingPolicy, ends_at: datetime) -> None:
    """Raise SharingRefused unless a link may end at this time."""
    now = timezone.now()
    if ends_at <= now:
        raise SharingRefused("The end is in the past: choose a later day, or revoke the link.")
    if ends_at > now + timedelta(days=policy.most_days + 1):  # a day is meant to its end
        raise SharingRefused(f"A link can live {policy.most_days} days at most: choose an earlier end.")
