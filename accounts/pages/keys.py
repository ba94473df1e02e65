"""The page of one's own API keys."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from accounts.http import UserRequest
from accounts.identity.api_key import issue, revoke
from accounts.models import ApiKey
from core.text import one_line

MAX_KEYS = 20  # of one user that work


class KeyForm(forms.Form):
    name = forms.CharField(
        max_length=80,
        label="What will use this key?",
        help_text="So that you can revoke the right one, for example “Backup script”.",
        error_messages={"required": "Name what will use this key."},
        widget=forms.TextInput({"class": "input"}),
    )

    def __init__(self, *args: object, keys: int, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._keys = keys

    def clean_name(self) -> str:
        if self._keys >= MAX_KEYS:
            raise forms.ValidationError(f"You have {MAX_KEYS} keys already: revoke one that nothing uses.")
        return one_line(self.cleaned_data["name"])


def api_keys(request: UserRequest) -> HttpResponse:
    """List the keys, and create one. A new key is shown once, in the reply to the form that asked for it."""
    keys = request.user.api_keys.filter(revoked_at=None).order_by("-created_at")
    form = KeyForm(request.POST or None, keys=keys.count())
    key = ""
    if request.method == "POST" and form.is_valid():
        _, key = issue(request.user, form.cleaned_data["name"])
        form = KeyForm(keys=0)
    return render(request, "accounts/keys.html", {"form": form, "keys": keys, "new_key": key})


@require_POST
def revoke_key(request: UserRequest, key_id: int) -> HttpResponse:
    found = get_object_or_404(ApiKey, pk=key_id, user=request.user)
    revoke(found, by=request.user)
    messages.success(
        request, f"The key “{found.name}” was revoked. Programs that use it get an error from now on."
    )
    return redirect("api-keys")
