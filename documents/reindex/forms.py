from copy import copy
from typing import Any, cast

from django import forms
from django.http import QueryDict

from models_registry.models import Endpoint
from workspaces.forms import LANGUAGE_CHOICES, LanguagesSelect, NewWorkspaceForm
from workspaces.models import INDEX_SETTINGS, Workspace


class IndexForm(forms.ModelForm[Workspace]):
    """The settings of the next index. The page sends them with GET, so that each estimate has its own URL."""

    languages = forms.MultipleChoiceField(choices=LANGUAGE_CHOICES, required=False, widget=LanguagesSelect)

    class Meta:
        model = Workspace
        fields = (
            "embedder",
            "languages",
            "parser",
            "chunking",
            "chunk_size",
            "chunk_overlap",
            "metric",
        )
        labels = NewWorkspaceForm.Meta.labels
        help_texts = {
            name: text for name, text in NewWorkspaceForm.Meta.help_texts.items() if name != "embedder"
        }

    def __init__(self, workspace: Workspace, chosen: QueryDict) -> None:
        """chosen: any of the fields; the others keep their current values."""
        data = QueryDict(mutable=True)
        for name in self.Meta.fields:
            value = getattr(workspace, f"{name}_id" if name == "embedder" else name)
            now = [str(each) for each in (value if isinstance(value, list) else [value])]
            data.setlist(name, chosen.getlist(name) or now)
        super().__init__(data, instance=copy(workspace))  # a copy, because validation writes to the instance
        embedder = cast("forms.ModelChoiceField[Endpoint]", self.fields["embedder"])
        embedder.queryset = Endpoint.objects.filter(
            pk__in=[
                *Endpoint.objects.offered(Endpoint.Kind.EMBEDDING).values_list("pk", flat=True),
                workspace.embedder_id,
            ]
        )
        embedder.empty_label = None
        for field in self.fields.values():
            if not isinstance(field.widget, LanguagesSelect):
                field.widget.attrs["class"] = "select" if isinstance(field.widget, forms.Select) else "input"

    def settings(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in INDEX_SETTINGS if name in self.cleaned_data}
