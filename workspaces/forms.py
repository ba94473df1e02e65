"""Forms to create and change a workspace, and to add members."""

from collections.abc import Collection, Iterable, Mapping
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
from .languages import AUTO, CHOICES, LANGUAGES, STEMMED
from .models import MAX_INDEXED_DIMENSIONS, ChunkingStrategy, IndexKind, Role, Workspace
from .settings import change_settings, create_workspace, index_changes

LANGUAGE_CHOICES = list(CHOICES.items())
# The pickers list the languages first whose words are compared by their stems.
_GROUPS = (
    ("Words in their basic form", [each for each in LANGUAGES.items() if each[0] in STEMMED]),
    ("Words as they are written", [each for each in LANGUAGES.items() if each[0] not in STEMMED]),
)


class LanguagesSelect(forms.SelectMultiple):
    """Three selects with the same name, so that a fourth language cannot be chosen."""

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
        is_optional = "optional" in attrs["aria-label"]
        first = [("", "None")] if is_optional else [("", "Choose…"), (AUTO, CHOICES[AUTO])]
        groups = ((label, _options(choices, value)) for label, choices in _GROUPS)
        return format_html(
            '<select name="{}"{}>{}{}</select>',
            name,
            flatatt({**attrs, "class": "select"}),
            _options(first, value),
            format_html_join("", '<optgroup label="{}">{}</optgroup>', groups),
        )

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> list[str]:
        return [value for value in cast("MultiValueDict[str, str]", data).getlist(name) if value]

    def id_for_label(self, id_: str, index: str | None = None) -> str:
        return f"{id_}_0"


def _options(choices: Iterable[tuple[str, str]], value: str) -> SafeString:
    rows = ((code, SafeString(" selected") if code == value else "", label) for code, label in choices)
    return format_html_join("", '<option value="{}"{}>{}</option>', rows)


class PeopleField(forms.CharField):
    """Usernames, separated by commas or spaces; its cleaned value is a list of users."""

    def clean(self, value: Any) -> Any:
        names = str(super().clean(value) or "").replace(",", " ").split()
        people = list(User.objects.filter(username__in=names, is_active=True))
        if unknown := set(names) - {person.username for person in people}:
            raise ValidationError(
                f"There is no user called {' or '.join(sorted(unknown))}. Check the spelling, or ask an "
                "operator to create an account."
            )
        return people


class WorkspaceForm(forms.ModelForm[Workspace]):
    """The settings that can be changed at any time."""

    languages = forms.MultipleChoiceField(
        choices=LANGUAGE_CHOICES,
        required=False,  # Workspace.clean has a better message
        widget=LanguagesSelect,
        help_text="One to three, or let the language of each document be detected.",
        error_messages={"invalid_choice": "%(value)s is not a known language."},
    )

    class Meta:
        model = Workspace
        fields = (
            "name", "description", "languages", "is_hybrid", "reranker", "condenser", "merges_neighbours",
            "most_per_document", "summarizer", "parser", "chunking",
            "chunk_size", "chunk_overlap",
        )  # fmt: skip
        labels = {
            "is_hybrid": "Search by meaning and by words",
            "reranker": "Rerank the best candidates",
            "condenser": "Rewrite follow-up questions",
            "merges_neighbours": "Join adjacent passages",
            "most_per_document": "Most passages per document",
            "summarizer": "Summarise each document",
            "parser": "How files are read",
            "chunking": "How documents are split into passages",
            "chunk_size": "Passage length",
            "chunk_overlap": "Overlap with the previous passage",
        }
        help_texts = {
            "name": "Members see it when they choose a workspace to ask.",
            "description": "One sentence about its content, for members who choose a workspace.",
            "is_hybrid": "It also finds names, codes and rare words. Leave it on unless word matches mislead "
            "you.",
            "reranker": "A second model reorders the passages found: better order, slower answers.",
            "condenser": "A language model rewrites a follow-up and its context into one question. It runs "
            "in parallel with the search, and its result is searched too if it takes less than a second. Its "
            "tokens count with the answer.",
            "merges_neighbours": "The prompt repeats nothing, which leaves room for more passages.",
            "most_per_document": "Empty: no limit. With a number, passages of other documents come before "
            "any more of the same one, if they are at least half as good.",
            "summarizer": "A language model reads each added document and summarises it in a few sentences.",
            "parser": "Fast suits nearly all files. Layout-aware takes longer, but reads tables and columns "
            "better.",
            "chunk_size": "Characters. Shorter passages find single facts; longer ones keep an argument "
            "whole. 101 to 9,999.",
            "chunk_overlap": "Characters, fewer than the length. So sentences at a boundary can still be "
            "found.",
        }
        error_messages = {"name": {"unique": "There is a workspace with this name already. Choose another."}}
        widgets = {
            "description": forms.Textarea({"rows": 2}),
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
        """Save the settings that need no new index; see `needs_reindex` for the rest.

        False: the form has errors.
        """
        held = self.needs_reindex()
        fields = {name: self.cleaned_data[name] for name in self.changed_data if name not in held}
        try:
            change_settings(user, self.instance, **fields)
        except ValidationError as error:
            self.add_error(None, error)
        return not self.errors

    def needs_reindex(self) -> dict[str, Any]:
        """Return the changed settings that need a new index."""
        return index_changes(self.instance, {name: self.cleaned_data[name] for name in self.changed_data})


class NewWorkspaceForm(WorkspaceForm):
    """Four important fields, and the rest with good defaults."""

    members = PeopleField(
        required=False,
        label="Who may see it",
        help_text="Usernames, separated by commas. They can ask and read; you can give them another role "
        "later. You are its manager.",
    )

    class Meta(WorkspaceForm.Meta):
        fields = (*WorkspaceForm.Meta.fields, "embedder", "engine", "metric", "index_kind")  # type: ignore[assignment]
        labels = WorkspaceForm.Meta.labels | {
            "embedder": "Embedding model",
            "metric": "Similarity measure",
        }
        help_texts = WorkspaceForm.Meta.help_texts | {
            "embedder": "If you change it later, all documents are embedded again.",
            "metric": "Keep cosine unless the model's documentation says otherwise.",
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
        """Create the workspace; None: the form has errors."""
        try:
            return create_workspace(user, **self.cleaned_data)
        except ValidationError as error:
            self.add_error(None, error)
        return None


def is_beyond_index(embedder: Endpoint) -> bool:
    """Tell whether this model's vectors are too long for an index, so that searches are exact."""
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
    """Offer the engines if there are several."""
    if len(ENGINES) < 2:
        del form.fields["engine"]
        return
    choices = [(key, each.label) for key, each in ENGINES.items()]
    form.fields["engine"] = forms.ChoiceField(
        choices=choices, label="Where passages are stored", widget=forms.Select({"class": "select"})
    )


def _offer_index_kinds(form: forms.ModelForm[Workspace], kinds: Collection[IndexKind]) -> None:
    """Offer these kinds. The label is the IndexKind itself, so that the page can show its sentence."""
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
    access_level = forms.IntegerField(required=False)  # the page asks for it if there are levels
