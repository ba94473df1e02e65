from dataclasses import replace
from typing import Any

from django import forms
from django.conf import settings

from accounts.models import User
from core.text import storable
from documents.retrieval import SearchConfig
from models_registry.models import Endpoint
from workspaces.access import workspaces_for
from workspaces.models import Metric, Workspace

from .compare_models import MAX_CHARACTERS, MAX_MODELS, MAX_PASSAGES, MAX_TEXTS

_SELECT, _INPUT = {"class": "select"}, {"class": "input", "dir": "auto"}
AS_IT_IS = "As in the workspace"
NO_RERANKER = "none"
_CHOOSE = "Choose one from the list."
_SENTENCES = {  # these replace Django's own messages
    "required": _CHOOSE,
    "invalid_choice": _CHOOSE,
    "max_length": "Shorten it to %(limit_value)d characters; it has %(show_value)d.",
    "null_characters_not_allowed": "Remove the NUL character.",
}


_ASK = _SENTENCES | {"required": "Enter a question or a few words."}


class _Models(forms.ModelMultipleChoiceField[Endpoint]):
    """A choice of up to MAX_MODELS of the offered models."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(
            Endpoint.objects.none(),
            label="Models",
            widget=forms.CheckboxSelectMultiple,
            help_text=f"At most {MAX_MODELS}.",
        )

    def clean(self, value: Any) -> Any:
        try:
            chosen = list(super().clean(value))
        except forms.ValidationError:
            chosen = []
        if not 1 <= len(chosen) <= MAX_MODELS:
            raise forms.ValidationError(f"Choose 1 to {MAX_MODELS} models.")
        return chosen


class _LaboratoryForm(forms.Form):
    """A form with a choice of models of one kind. The first one is preselected."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        models = self.fields["models"]
        assert isinstance(models, _Models)
        models.queryset = Endpoint.objects.offered(models.kind)
        first = models.queryset.first()
        models.initial = [first] if first else []


class _Pieces(forms.CharField):
    """Several texts in one text box; the cleaned value is a list."""

    def __init__(self, separator: str, least: int, most: int, what: str, **kwargs: Any) -> None:
        self.separator, self.least, self.most, self.what = separator, least, most, what
        widget = forms.Textarea({"class": "textarea", "rows": 8, "dir": "auto"})
        sentences = _SENTENCES | {"required": f"Enter {least} to {most} {what}."}
        most_characters = most * (MAX_CHARACTERS + 10)
        super().__init__(widget=widget, max_length=most_characters, error_messages=sentences, **kwargs)

    def clean(self, value: Any) -> Any:
        whole = storable(super().clean(value)).replace("\r\n", "\n")
        pieces = [piece.strip() for piece in whole.split(self.separator) if piece.strip()]
        if not self.least <= len(pieces) <= self.most:
            raise forms.ValidationError(
                f"Enter {self.least} to {self.most} {self.what}; there are {len(pieces)}."
            )
        if longest := max((len(piece) for piece in pieces if len(piece) > MAX_CHARACTERS), default=0):
            raise forms.ValidationError(
                f"One text has {longest:,} characters. Shorten it to {MAX_CHARACTERS:,} or fewer."
            )
        return pieces


class EmbeddingsForm(_LaboratoryForm):
    texts = _Pieces(
        "\n",
        2,
        MAX_TEXTS,
        "texts",
        help_text=f"One per line: 2 to {MAX_TEXTS}, of at most {MAX_CHARACTERS:,} characters. Nothing is stored.",
    )
    models = _Models(Endpoint.Kind.EMBEDDING)
    metric = forms.ChoiceField(
        label="Similarity metric",
        choices=Metric.choices,
        widget=forms.Select(_SELECT),
        error_messages=_SENTENCES,
        help_text="Cosine and inner product: higher is more similar. Euclidean: lower is more similar.",
    )
    role = forms.ChoiceField(
        label="The texts are",
        choices=[("passage", "Passages"), ("query", "Questions")],
        widget=forms.Select(_SELECT),
        error_messages=_SENTENCES,
        help_text="Some models embed questions and passages differently.",
    )


class RankingForm(_LaboratoryForm):
    query = forms.CharField(
        label="Question",
        max_length=MAX_CHARACTERS,
        widget=forms.TextInput(_INPUT),
        error_messages=_ASK,
    )
    passages = _Pieces(
        "\n\n",
        2,
        MAX_PASSAGES,
        "passages",
        help_text=f"Separate them by empty lines: 2 to {MAX_PASSAGES}, of at most {MAX_CHARACTERS:,} characters. "
        "Nothing is stored.",
    )
    models = _Models(Endpoint.Kind.RERANKER)


class SearchForm(forms.Form):
    """The question, and the workspace to search."""

    workspace = forms.ChoiceField(widget=forms.Select(_SELECT), error_messages=_SENTENCES)
    q = forms.CharField(
        label="Question",
        max_length=settings.QUESTION_MAX_CHARACTERS,
        widget=forms.TextInput({**_INPUT, "type": "search", "placeholder": "A question or a few words"}),
        error_messages=_ASK,
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        workspace = self.fields["workspace"]
        assert isinstance(workspace, forms.ChoiceField)
        found = workspaces_for(user).select_related("embedder", "reranker", "summarizer")
        self.workspaces = {str(each.pk): each for each in found}
        workspace.choices = [(id, each.name) for id, each in self.workspaces.items()]

    @property
    def chosen(self) -> Workspace | None:
        """Return the selected workspace: the user's choice, or the first."""
        first = next(iter(self.workspaces.values()), None)
        return self.workspaces.get(str(self["workspace"].value()), first)

    def clean_workspace(self) -> Workspace:
        return self.workspaces[self.cleaned_data["workspace"]]


class ConfigForm(forms.Form):
    """One search configuration, as changes to the workspace's own. Empty inputs change nothing."""

    is_hybrid = forms.ChoiceField(
        label="Search by words too",
        required=False,
        choices=[("", AS_IT_IS), ("on", "Yes"), ("off", "No, by meaning only")],
        widget=forms.Select(_SELECT),
        help_text="Finds names, codes and rare words.",
        error_messages=_SENTENCES,
    )
    reranker = forms.ChoiceField(
        label="Cross-encoder",
        required=False,
        widget=forms.Select(_SELECT),
        help_text="A second model that reranks the best passages.",
        error_messages=_SENTENCES,
    )
    merges_neighbours = forms.ChoiceField(
        label="Merge neighbours",
        required=False,
        choices=[("", AS_IT_IS), ("on", "Yes"), ("off", "No")],
        widget=forms.Select(_SELECT),
        help_text="Adjacent passages become one.",
        error_messages=_SENTENCES,
    )
    most_per_document = forms.IntegerField(
        label="Most passages per document",
        required=False,
        min_value=0,
        max_value=100,
        widget=forms.NumberInput({"class": "input", "placeholder": AS_IT_IS}),
        help_text="0: no limit.",
        error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), "Enter a number from 0 to 100."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        reranker = self.fields["reranker"]
        assert isinstance(reranker, forms.ChoiceField)
        self.rerankers = {str(each.pk): each for each in Endpoint.objects.offered(Endpoint.Kind.RERANKER)}
        offered = [(id, each.name) for id, each in self.rerankers.items()]
        reranker.choices = [("", AS_IT_IS), (NO_RERANKER, "No cross-encoder"), *offered]

    def config(self, workspace: Workspace) -> SearchConfig:
        """Return the chosen configuration. The form must be valid."""
        return replace(SearchConfig.of(workspace), **self._changes())

    def _changes(self) -> dict[str, Any]:
        asked = self.cleaned_data
        changes: dict[str, Any] = {
            name: asked[name] == "on" for name in ("is_hybrid", "merges_neighbours") if asked[name]
        }
        if asked["reranker"]:
            changes["reranker"] = self.rerankers.get(asked["reranker"])
        if asked["most_per_document"] is not None:
            changes["most_per_document"] = asked["most_per_document"] or None
        return changes
