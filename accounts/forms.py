from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm

from . import rate_limit
from .models import record


class LoginForm(AuthenticationForm):
    """Name and password, rate-limited by a growing wait after repeated failures."""

    error_messages = {
        "invalid_login": "This name and password do not match. Check both; capital letters matter.",
        "inactive": "This account is deactivated. Ask an operator.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.wait_s = 0  # seconds that this user has to wait after too many failures
        for field in self.fields.values():
            field.widget.attrs["class"] = "input"

    def clean(self) -> dict[str, Any]:
        username = self.cleaned_data.get("username", "")
        self._refuse_while_waiting(username)
        rate_limit.note_attempt(username, self._address)
        try:
            cleaned = super().clean()
        except forms.ValidationError:
            self._note_lockout(username)
            raise
        rate_limit.forget(username, self._address)
        return cleaned

    @property
    def _address(self) -> str:
        return str(self.request.META["REMOTE_ADDR"]) if self.request else ""

    def _refuse_while_waiting(self, username: str) -> None:
        self.wait_s = rate_limit.seconds_to_wait(username, self._address)
        if self.wait_s:
            raise forms.ValidationError(
                f"Too many wrong passwords. Wait {_in_words(self.wait_s)}, then try again.", "throttled"
            )

    def _note_lockout(self, username: str) -> None:
        if wait_s := rate_limit.seconds_to_wait(username, self._address):
            record(None, "login.throttled", username, address=self._address, wait_s=wait_s)


def _in_words(seconds: int) -> str:
    minutes = -(-seconds // 60)
    if seconds < 90:
        return f"{seconds} second{'s' if seconds != 1 else ''}"
    return f"{minutes} minutes"
