"""The page of one's own account: name and time zone."""

from functools import cache

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from accounts.changes import form_changes
from accounts.http import UserRequest
from accounts.identity.time_zone import zones
from accounts.models import User, record
from core.text import one_line

AUTOMATIC = "The one of your browser"


class ProfileForm(forms.ModelForm[User]):
    """One name, because names of many countries have no first and last part (https://www.w3.org/International/questions/qa-personal-names)."""

    name = forms.CharField(
        max_length=150,
        required=False,
        label="Name",
        help_text="How others see you, for example in the list of a workspace's members. Empty: your user name.",
        widget=forms.TextInput({"class": "input", "autocomplete": "name"}),
    )
    time_zone = forms.ChoiceField(
        required=False,
        label="Time zone",
        help_text="Times on the pages are in this zone. The API always uses UTC.",
        widget=forms.Select({"class": "select"}),
    )

    class Meta:
        model = User
        fields = ("name", "time_zone")

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["name"].initial = self.instance.get_full_name()
        zones = [(name, name.replace("_", " ")) for name in zone_names()]
        self.fields["time_zone"].choices = [("", AUTOMATIC), *zones]  # type: ignore[attr-defined]

    def clean_name(self) -> str:
        return one_line(self.cleaned_data["name"])

    def save(self, commit: bool = True) -> User:
        self.instance.first_name, self.instance.last_name = self.cleaned_data["name"], ""
        return super().save(commit)


@cache
def zone_names() -> list[str]:
    """Return the zones that are named after a place, and UTC."""
    return [
        "UTC",
        *sorted(name for name in zones() if "/" in name and not name.startswith(("Etc/", "SystemV/"))),
    ]


def account(request: UserRequest) -> HttpResponse:
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        record(request.user, "user.profile", request.user.username, **form_changes(form))
        messages.success(request, "Your account was saved.")
        return redirect("account")
    return render(request, "accounts/profile.html", {"form": form})
