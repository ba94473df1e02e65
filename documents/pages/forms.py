from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from documents.adding.validation import MAX_TITLE_CHARACTERS
from documents.fields.forms import LanguageForm

_PLAIN = {"class": "input", "autocomplete": "off", "dir": "auto"}
_LONG = {"class": "textarea", "dir": "auto"}


class _FilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """One or more files. `add_file` checks their content, not this field."""

    widget = _FilesInput

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile[Any]]:
        files = data if isinstance(data, (list, tuple)) else [data]
        if not [file for file in files if file]:
            raise forms.ValidationError("Choose at least one file.")
        return list(files)


class FilesForm(LanguageForm):
    file = FilesField()


class TextForm(forms.Form):
    title = forms.CharField(max_length=MAX_TITLE_CHARACTERS, widget=forms.TextInput(_PLAIN))
    text = forms.CharField(strip=False, widget=forms.Textarea(_LONG | {"rows": 14}))
    is_markdown = forms.BooleanField(
        label="This text is Markdown",
        required=False,
        help_text="Lines that begin with # become headings, which show where a passage comes from.",
    )


class NewTextForm(TextForm, LanguageForm):
    pass


class PairForm(forms.Form):
    question = forms.CharField(
        max_length=MAX_TITLE_CHARACTERS,
        widget=forms.TextInput(_PLAIN),
        help_text="Write it as people would ask it: search compares their questions with this one.",
    )
    answer = forms.CharField(
        strip=False,
        widget=forms.Textarea(_LONG | {"rows": 8}),
        help_text="Answers quote it together with its question, whatever its length.",
    )


class NewPairForm(PairForm, LanguageForm):
    pass


class PairsFileForm(LanguageForm):
    prefix = "table"
    file = forms.FileField(
        label="Table", widget=forms.FileInput({"accept": ".csv,.tsv,text/csv"}),
        error_messages={"required": "Choose a table."},
    )  # fmt: skip
