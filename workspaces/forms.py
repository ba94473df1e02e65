"""Making a workspace, changing it, and letting people in."""

from collections.abc import Collection, Mapping
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.forms.utils import flatatt
from django.utils.datastructures import MultiValueDict
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.models import User
from models_registry.models import Endpoint

from .engines import ENGINES
from .languages import LANGUAGES
from .models import MAX_INDEXED_DIMENSIONS, ChunkingStrategy, IndexKind, Role, Workspace
from .settings import change_settings, create_workspace, index_changes

LANGUAGE_CHOICES = list(LANGUAGES.items())


class LanguagesSelect(forms.SelectMultiple):
    """Three pickers with one name: a fourth language cannot be chosen."""

    LABELS = ("First language", "Second language, optional", "Third language, optional")

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        chosen = [*(value or []), "", "", ""]
        pickers = [
            (self._picker(name, chosen[i], {**(attrs or {}), "id": f"id_{name}_{i}", "aria-label": label}),)
            for i, label in enumerate(self.LABELS)
        ]
        return format_html('<div class="pickers">{}</div>', format_html_join("", "{}", pickers))

    def _picker(self, name: str, value: str, attrs: dict[str, Any]) -> SafeString:
        options = [("", "None" if "optional" in attrs["aria-label"] else "Choose…"), *LANGUAGE_CHOICES]
        rows = ((code, SafeString(" selected") if code == value else "", label) for code, label in options)
        return format_html(
            '<select name="{}"{}>{}</select>',
            name,
            flatatt({**attrs, "class": "select"}),
            format_html_join("", '<option value="{}"{}>{}</option>', rows),
        )

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> list[str]:
        return [value for value in cast("MultiValueDict[str, str]", data).getlist(name) if value]

    def id_for_label(self, id_: str, index: str | None = None) -> str:
        return f"{id_}_0"


class PeopleField(forms.CharField):
    """Usernames, separated by commas or spaces; their users after cleaning."""

    def clean(self, value: Any) -> Any:
        names = str(super().clean(value) or "").replace(",", " ").split()
        people = list(User.objects.filter(username__in=names, is_active=True))
        if unknown := set(names) - {person.username for person in people}:
            raise ValidationError(
                f"There is no user called {' or '.join(sorted(unknown))}. "
                "Check the spelling, or ask an operator to make an account."
            )
        return people


class WorkspaceForm(forms.ModelForm[Workspace]):
    """What can be changed at any time."""

    languages = forms.MultipleChoiceField(
        choices=LANGUAGE_CHOICES,
        required=False,  # Workspace.clean says it better
        widget=LanguagesSelect,
        help_text="One to three. Words are matched in their basic form in each of them.",
        error_messages={"invalid_choice": "%(value)s is not a language we know."},
    )

    class Meta:
        model = Workspace
        fields = (
            "name", "description", "languages", "is_hybrid", "reranker", "condenser", "merges_neighbours",
            "most_per_document", "summarizer", "parser", "chunking",
            "chunk_size", "chunk_overlap",
        )  # fmt: skip
        labels = {
            "is_hybrid": "Find by meaning and by words",
            "reranker": "Read the best candidates twice",
            "condenser": "Rewrite follow-up questions",
            "merges_neighbours": "Join passages that lie side by side",
            "most_per_document": "Passages of one document before others come",
            "summarizer": "Summarise each document",
            "parser": "How files are read",
            "chunking": "Where documents are cut into passages",
            "chunk_size": "Length of a passage",
            "chunk_overlap": "Shared with the passage before",
        }
        help_texts = {
            "name": "As people will see it where they choose what to ask.",
            "description": "One sentence on what is in here, for those who choose.",
            "is_hybrid": "Names, codes and rare words are found too. Leave it on unless words mislead you.",
            "reranker": "A second model reorders what was found. Better order, slower answers.",
            "condenser": "A language model puts a follow-up and what was asked before it into one question. It works beside "
            "the search, and what it says within a second is searched as well. Its tokens count with the answer.",
            "merges_neighbours": "Nothing is quoted twice, and there is room for more.",
            "most_per_document": "Empty: as many as are best. With a number, passages of others go before any more of one, "
            "if they are at least half as good.",
            "summarizer": "A language model reads each document that is added, and says in a few sentences what it is.",
            "parser": "Fast suits nearly all files. Layout-aware takes longer, and reads tables and columns better.",
            "chunk_size": "Characters. Shorter finds single facts; longer keeps an argument whole. 101 to 9,999.",
            "chunk_overlap": "Characters, fewer than the length. It keeps a sentence on the seam findable.",
        }
        error_messages = {"name": {"unique": "There is a workspace with this name already. Choose another."}}
        widgets = {
            "description": forms.Textarea({"rows": 2, "maxlength": 300}),
            "chunking": forms.RadioSelect,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        reranker = cast("forms.ModelChoiceField[Endpoint]", self.fields["reranker"])
        reranker.queryset = Endpoint.objects.offered(Endpoint.Kind.RERANKER)
        reranker.empty_label = "No"
        for name in ("condenser", "summarizer"):
            writer = cast("forms.ModelChoiceField[Endpoint]", self.fields[name])
            writer.queryset = Endpoint.objects.offered(Endpoint.Kind.CHAT).writing()
            writer.empty_label = "No"
        # A label that is the strategy itself, so that the page can show its sentence.
        cast(forms.ChoiceField, self.fields["chunking"]).choices = [
            (each.value, each) for each in ChunkingStrategy
        ]
        for field in self.fields.values():
            match field.widget:
                case forms.Textarea():
                    field.widget.attrs["class"] = "textarea"
                case forms.RadioSelect() | forms.CheckboxInput() | LanguagesSelect():
                    pass
                case forms.Select():
                    field.widget.attrs["class"] = "select"
                case _:
                    field.widget.attrs["class"] = "input"
        for name in ("chunk_size", "chunk_overlap"):
            self.fields[name].widget.attrs.update(inputmode="numeric", min=0, max=9999)
        self.fields["most_per_document"].widget.attrs.update(inputmode="numeric", max=50)

    def change(self, user: User) -> bool:
        """Save what can be changed at once; see `needs_reindex` for the rest. False: the errors say why not."""
        held = self.needs_reindex()
        fields = {name: self.cleaned_data[name] for name in self.changed_data if name not in held}
        try:
            change_settings(user, self.instance, **fields)
        except ValidationError as error:
            self.add_error(None, error)
        return not self.errors

    def needs_reindex(self) -> dict[str, Any]:
        """Return what was changed, and holds only once the documents are read again."""
        return index_changes(self.instance, {name: self.cleaned_data[name] for name in self.changed_data})


class NewWorkspaceForm(WorkspaceForm):
    """Four fields that matter, and the rest with good defaults."""

    members = PeopleField(
        required=False,
        label="Who may see it",
        help_text="Usernames, separated by commas. They can ask and read; you can give them more later. "
        "You are its manager.",
    )

    class Meta(WorkspaceForm.Meta):
        fields = (*WorkspaceForm.Meta.fields, "embedder", "engine", "metric", "index_kind")  # type: ignore[assignment]
        labels = WorkspaceForm.Meta.labels | {
            "embedder": "How meaning is understood",
            "metric": "How nearness is measured",
        }
        help_texts = WorkspaceForm.Meta.help_texts | {
            "embedder": "Another one later means that all documents are embedded again.",
            "metric": "Keep cosine unless the model's maker says otherwise.",
        }
        widgets = WorkspaceForm.Meta.widgets | {
            "embedder": forms.RadioSelect,
            "index_kind": forms.RadioSelect,
        }
        error_messages = WorkspaceForm.Meta.error_messages | {
            "embedder": {"required": "Choose a model.", "invalid_choice": "This model is no longer offered."}
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        embedder = cast("forms.ModelChoiceField[Endpoint]", self.fields["embedder"])
        embedder.queryset = Endpoint.objects.offered(Endpoint.Kind.EMBEDDING)
        embedder.empty_label = None
        embedder.initial = embedder.queryset.first()
        self.fields["languages"].initial = ["en"]
        _offer_engines(self)
        _offer_index_kinds(self, {kind for each in ENGINES.values() for kind in each.index_kinds})

    def create(self, user: User) -> Workspace | None:
        """Make the workspace; None: the errors say why not."""
        try:
            return create_workspace(user, **self.cleaned_data)
        except ValidationError as error:
            self.add_error(None, error)
        return None


def is_beyond_index(embedder: Endpoint) -> bool:
    """Say whether this model's vectors are too long for an index, so that searches are exact."""
    return (embedder.dimensions or 0) > MAX_INDEXED_DIMENSIONS


class IndexKindForm(forms.ModelForm[Workspace]):
    class Meta:
        model = Workspace
        fields = ("index_kind",)
        widgets = {"index_kind": forms.RadioSelect}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _offer_index_kinds(self, ENGINES[self.instance.engine].index_kinds)


def _offer_engines(form: forms.ModelForm[Workspace]) -> None:
    """Offer the engines where there are several; a single one is no choice."""
    if len(ENGINES) < 2:
        del form.fields["engine"]
        return
    choices = [(key, each.label) for key, each in ENGINES.items()]
    form.fields["engine"] = forms.ChoiceField(
        choices=choices, label="Where passages are kept", widget=forms.Select({"class": "select"})
    )


def _offer_index_kinds(form: forms.ModelForm[Workspace], kinds: Collection[IndexKind]) -> None:
    """Offer each with a label that is the kind itself, so that the page can show its sentence."""
    choices = [(each.value, each) for each in IndexKind if each in kinds]
    cast(forms.ChoiceField, form.fields["index_kind"]).choices = choices


class NewMemberForm(forms.Form):
    username = PeopleField(widget=forms.TextInput({"class": "input", "autocomplete": "off"}))
    role = forms.ChoiceField(choices=Role, initial=Role.VIEWER, widget=forms.Select({"class": "select"}))

    def clean_username(self) -> User:
        people: list[User] = self.cleaned_data["username"]
        if len(people) != 1:
            raise ValidationError("Add one person at a time.")
        return people[0]


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role)
    access_level = forms.IntegerField(required=False)  # the page asks for it where there are levels
