"""Form fields for the metadata of documents: the workspace's fields, the access level, the language."""

from typing import Any

from django import forms

from accounts.models import User
from documents.models import Document
from workspaces.access import level_in
from workspaces.errors import InvalidValue
from workspaces.languages import choices_of
from workspaces.metadata_schema import MAX_CHARACTERS, FieldDefinition, fields_of
from workspaces.models import Field, Workspace

from .metadata import MetadataChange, parse_change

_PLAIN = {"class": "input", "autocomplete": "off", "dir": "auto"}
_PREFIX = "m."  # of the form inputs of the workspace's fields


class MetadataForm(forms.Form):
    """The metadata of documents: the workspace's fields, and the access level if the workspace has levels.

    `cleaned_data` holds all of it as one value, `about`. is_whole: an empty input removes the field's value.
    sent_with: the id of the form that the inputs belong to, if they are outside of it.
    """

    level_help = "Members with this access level or a higher one."

    def __init__(
        self,
        user: User,
        workspace: Workspace,
        *args: Any,
        is_whole: bool = False,
        sent_with: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._user, self._workspace, self._is_whole = user, workspace, is_whole
        self._known = fields_of(workspace)
        for each in self._known.values():
            self.fields[_PREFIX + each.name] = _input(
                each, "Not set" if is_whole or not sent_with else "No change"
            )
        if workspace.access_levels:
            self.fields["access_level"] = _level_input(user, workspace, is_whole, self.level_help)
        if sent_with:
            for field in self.fields.values():
                field.widget.attrs["form"] = sent_with

    @staticmethod
    def initial_of(document: Document) -> dict[str, Any]:
        said = {True: "yes", False: "no"}
        values = {
            _PREFIX + name: said[value] if isinstance(value, bool) else value
            for name, value in document.metadata.items()
        }
        return values | {"access_level": document.access_level}

    def known_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith(_PREFIX) or name == "access_level"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        level = cleaned.pop("access_level", None)
        said = {name: cleaned.pop(_PREFIX + name, "") for name in self._known}
        read: dict[str, Any] = {}
        for name, value in said.items():
            if value or self._is_whole:
                try:
                    read |= parse_change(self._workspace, self._user, {name: value}).metadata
                except InvalidValue as problem:
                    self.add_error(_PREFIX + name, str(problem))
        try:
            cleaned["about"] = MetadataChange(
                read,
                parse_change(self._workspace, self._user, None, int(level) if level else None).access_level,
            )
        except InvalidValue as problem:
            self.add_error("access_level", str(problem))
        return cleaned


class SourceMetadataForm(MetadataForm):
    """The same form for documents that may be websites or feeds."""

    level_help = f"{MetadataForm.level_help} For a website or feed, it applies to all pages."


def _input(field: FieldDefinition, when_empty: str) -> forms.Field:
    choices = {Field.Type.YES_NO: (("yes", "Yes"), ("no", "No"))}.get(Field.Type(field.type), field.choices)
    if choices:
        listed = [("", when_empty), *choices]
        return forms.ChoiceField(
            label=field.label, required=False, choices=listed, widget=forms.Select({"class": "select"})
        )
    kind = {Field.Type.DATE: "date", Field.Type.NUMBER: "number"}.get(Field.Type(field.type), "text")
    attributes = _PLAIN | ({"step": "any"} if kind == "number" else {}) | {"type": kind}
    return forms.CharField(
        label=field.label, required=False, max_length=MAX_CHARACTERS, widget=forms.TextInput(attributes)
    )


def _level_input(user: User, workspace: Workspace, is_whole: bool, help_text: str) -> forms.Field:
    return forms.ChoiceField(
        label="Who may see it",
        required=is_whole,
        choices=[
            *([] if is_whole else [("", "No change")]),
            *_levels(user, workspace),
        ],
        widget=forms.Select({"class": "select"}),
        help_text=help_text,
    )


def _levels(user: User, workspace: Workspace) -> list[tuple[str, str]]:
    own = level_in(user, workspace)
    names = workspace.access_levels if own is None else workspace.access_levels[: own + 1]
    return [(str(number), name) for number, name in enumerate(names)]


class LanguageForm(MetadataForm):
    language = forms.ChoiceField(widget=forms.Select({"class": "select"}))

    def __init__(self, user: User, workspace: Workspace, *args: Any, **kwargs: Any) -> None:
        super().__init__(user, workspace, *args, **kwargs)
        if level := self.fields.get("access_level"):
            assert isinstance(level, forms.ChoiceField)
            level.choices = _levels(user, workspace)  # the lowest is the default
        language = self.fields["language"]
        assert isinstance(language, forms.ChoiceField)
        choices = choices_of(workspace.languages)
        if len(choices) > 1:
            choices.insert(0, ("", "Detect from the text"))
        language.choices = choices
        language.required = False
        language.help_text = "The language of the text: search matches its words in their basic form."
        language.error_messages["invalid_choice"] = "Choose one of this workspace's languages."
