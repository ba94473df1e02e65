from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm

from . import known_browser, rate_limit
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
        rate_limit.note_attempt(username, self._source(username))
        try:
            cleaned = super().clean()
        except forms.ValidationError:
            self._note_lockout(username)
            raise
        rate_limit.forget(username, self._source(username))
        return cleaned

    def _source(self, username: str) -> rate_limit.Source:
        if self.request is None:
            return rate_limit.Source("")
        browser = known_browser.id_for(self.request, username)
        return rate_limit.Source(str(self.request.META["REMOTE_ADDR"]), browser)

    def _refuse_while_waiting(self, username: str) -> None:
        self.wait_s = rate_limit.seconds_to_wait(username, self._source(username))
        if self.wait_s:
            raise forms.ValidationError(
                f"Too many wrong passwords. Wait {_in_words(self.wait_s)}, then try again.", "throttled"
            )

    def _note_lockout(self, username: str) -> None:
        source = self._source(username)
        if wait_s := rate_limit.seconds_to_wait(username, source):
            record(None, "login.throttled", username, address=source.address, wait_s=wait_s)


class OwnPasswordForm(PasswordChangeForm):
    """The current password, and the new one twice."""

    error_messages = PasswordChangeForm.error_messages | {
        "password_incorrect": "This is not your current password. Check it; capital letters matter.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["old_password"].label = "Current password"
        self.fields[
            "new_password1"
        ].help_text = "At least 8 characters; not a common password, not only digits, and not like your name."
        self.fields["new_password2"].label = "New password again"
        self.fields["new_password2"].help_text = ""
        for field in self.fields.values():
            field.widget.attrs["class"] = "input"


def _in_words(seconds: int) -> str:
    minutes = -(-seconds // 60)
    if seconds < 90:
        return f"{seconds} second{'s' if seconds != 1 else ''}"
    return f"{minutes} minutes"
