from datetime import datetime, time
from typing import Any
from uuid import UUID

from django import forms
from django.utils import timezone

from chat.models import SharedLink

from .links import LinkSettings


class LinkForm(forms.Form):
    """The settings of a shared link. chat.sharing.links checks them."""

    name = forms.CharField(required=False, strip=True)
    audience = forms.ChoiceField(choices=SharedLink.Audience.choices, required=False)
    names_owner = forms.BooleanField(required=False)
    ends_on = forms.DateField(
        required=False,
        error_messages={"invalid": "Enter the last day of the link as a date, such as 2026-12-31."},
    )
    last_turn = forms.UUIDField(required=False)

    def settings(self) -> LinkSettings:
        """Return the settings of this valid form."""
        said: dict[str, Any] = self.cleaned_data
        day = said["ends_on"]
        # Where the time zone of the site ends the day
        ends_at = timezone.make_aware(datetime.combine(day, time.max)) if day else None
        return LinkSettings(said["name"] or None, said["audience"] or None, said["names_owner"], ends_at)

    @property
    def turn(self) -> UUID | None:
        found: UUID | None = self.cleaned_data["last_turn"]
        return found

    @property
    def problem(self) -> str:
        """Return the first thing that is wrong, as a sentence."""
        return next((str(each) for errors in self.errors.values() for each in errors), "")
