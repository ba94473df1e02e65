from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from workspaces.languages import LANGUAGES
from workspaces.models import Workspace


class _FilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """One or more files; what is in them is the intake's to judge."""

    widget = _FilesInput

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile[Any]]:
        files = data if isinstance(data, (list, tuple)) else [data]
        if not [file for file in files if file]:
            raise forms.ValidationError("Choose at least one file.")
        return list(files)


class AddFilesForm(forms.Form):
    file = FilesField()
    language = forms.ChoiceField(widget=forms.Select({"class": "select"}))

    def __init__(self, workspace: Workspace, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        language = self.fields["language"]
        assert isinstance(language, forms.ChoiceField)
        language.choices = [(code, LANGUAGES[code]) for code in workspace.languages]
        language.initial = workspace.languages[0]
        language.help_text = (
            "What the files are written in, so that their words are matched in the basic form."
        )
        language.error_messages["invalid_choice"] = "Choose one of this workspace's languages."
