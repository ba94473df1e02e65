"""Forms of the users' admin. They refuse what would leave the site without an operator who can log in."""

from typing import Any

from django.contrib.auth.forms import AdminPasswordChangeForm, UserChangeForm

from .errors import LastOperator
from .models import User
from .operators import is_last_operator


class UserForm(UserChangeForm):  # type: ignore[type-arg]  # it is generic only for mypy
    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        lost = [name for name in ("is_superuser", "is_active") if not self.cleaned_data.get(name)]
        if lost and not self.instance._state.adding and is_last_operator(self.instance):
            self.add_error(lost[0], str(LastOperator()))
        return cleaned


class PasswordOfUserForm(AdminPasswordChangeForm):  # type: ignore[type-arg]  # as above
    user: User

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if not self.cleaned_data["set_usable_password"] and is_last_operator(self.user):
            self.add_error("usable_password", str(LastOperator()))
        return cleaned
