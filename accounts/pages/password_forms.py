from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm

from accounts import known_browser, rate_limit
from accounts.models import record


class LimitedAttempts(forms.Form):
    """A form that checks a password: repeated failures make its user wait longer and longer."""

    wait_s = 0  # seconds that this user has to wait after too many failures

    @contextmanager
    def attempt(self, username: str, source: rate_limit.Source) -> Iterator[None]:
        """Count an attempt around the check of its password. Raises ValidationError while the user has to wait.

        What ends the check without an answer, such as Busy, is no attempt.
        """
        self.wait_s = rate_limit.seconds_to_wait(username, source)
        if self.wait_s:
            sentence = f"Too many wrong passwords. Wait {_in_words(self.wait_s)}, then try again."
            raise forms.ValidationError(sentence, "throttled")
        rate_limit.note_attempt(username, source)
        try:
            yield
        except forms.ValidationError:
            _note_lockout(username, source)
            raise
        except BaseException:
            rate_limit.take_back(username, source)
            raise
        rate_limit.forget(username, source)


class LoginForm(LimitedAttempts, AuthenticationForm):
    """Name and password."""

    error_messages = {
        "invalid_login": "This name and password do not match. Check both; capital letters matter.",
        "inactive": "This account is deactivated. Ask an operator.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = "input"

    def clean(self) -> dict[str, Any]:
        username = self.cleaned_data.get("username")
        if not username or not self.cleaned_data.get("password"):
            return self.cleaned_data  # the fields have said what is missing
        with self.attempt(username, self._source(username)):
            return super().clean()

    def _source(self, username: str) -> rate_limit.Source:
        if self.request is None:
            return rate_limit.Source("")
        browser = known_browser.id_for(self.request, username)
        return rate_limit.Source(str(self.request.META["REMOTE_ADDR"]), browser)


class OwnPasswordForm(LimitedAttempts, PasswordChangeForm):
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

    def clean_old_password(self) -> str:
        with self.attempt(self.user.username, rate_limit.LOGGED_IN):
            return super().clean_old_password()


def _note_lockout(username: str, source: rate_limit.Source) -> None:
    if wait_s := rate_limit.seconds_to_wait(username, source):
        record(None, "login.throttled", username, address=source.address, wait_s=wait_s)


def _in_words(seconds: int) -> str:
    minutes = -(-seconds // 60)
    if seconds < 90:
        return f"{seconds} second{'s' if seconds != 1 else ''}"
    return f"{minutes} minutes"
