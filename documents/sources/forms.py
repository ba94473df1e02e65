"""Adding a website or a feed in the page, and changing how it is read."""

from typing import Any

from django import forms
from django.conf import settings

from documents.fields.forms import LanguageForm, SourceMetadataForm
from documents.models import Source

from .service import DEFAULT_DEPTH, DEFAULT_PAGES

_ADDRESS = {"class": "input", "inputmode": "url", "autocomplete": "off", "spellcheck": "false", "dir": "ltr"}
_NUMBER = {"class": "input"}
_PATTERNS = {"class": "textarea", "rows": 3, "spellcheck": "false", "dir": "ltr"}
_SELECT = {"class": "select"}
_SCHEDULES = Source.Schedule.choices


class _PatternsField(forms.CharField):
    """One glob on each line."""

    widget = forms.Textarea(_PATTERNS)

    def clean(self, value: Any) -> list[str]:
        return [line.strip() for line in (super().clean(value) or "").splitlines() if line.strip()]


class WebsiteOptions(forms.Form):
    follows_links = forms.BooleanField(
        label="Follow links",
        required=False,
        initial=True,
        help_text="Read the pages that it links to and those in the site's sitemaps, on the same host. "
        "Off: only this page, or the pages that a sitemap lists.",
    )
    is_below_start = forms.BooleanField(
        label="Stay below the start address",
        required=False,
        help_text="Read only addresses in the same folder: of https://example.org/docs/ nothing but /docs/.",
    )
    max_pages = forms.IntegerField(
        label="At most so many pages",
        initial=DEFAULT_PAGES,
        min_value=1,
        max_value=settings.CRAWL_MAX_PAGES,
        widget=forms.NumberInput(_NUMBER),
        help_text="The rest is left out, and the site's page says so.",
    )
    max_depth = forms.IntegerField(
        label="At most so many links away",
        initial=DEFAULT_DEPTH,
        min_value=0,
        max_value=settings.CRAWL_MAX_DEPTH,
        widget=forms.NumberInput(_NUMBER),
        help_text="Counted from the start address.",
    )
    include = _PatternsField(
        label="Only these",
        required=False,
        help_text="Patterns, one on each line, where * stands for anything: /docs/* or *.pdf. Empty: everything.",
    )
    exclude = _PatternsField(label="Not these", required=False, help_text="Such as /blog/* or *?print=*.")
    schedule = forms.ChoiceField(
        label="Read it again",
        choices=[each for each in _SCHEDULES if each[0] != Source.Schedule.HOURLY],
        widget=forms.Select(_SELECT),
        help_text="Pages that changed are replaced, those that are gone are removed.",
    )


class FeedOptions(forms.Form):
    prefers_own_text = forms.BooleanField(
        label="Take the text that the feed carries",
        required=False,
        help_text="For feeds that hold whole posts. Otherwise their text is only used where a page cannot be read.",
    )
    schedule = forms.ChoiceField(
        label="Look for new posts",
        choices=_SCHEDULES,
        initial=Source.Schedule.HOURLY,
        widget=forms.Select(_SELECT),
    )


def options_form(source: Source) -> type[WebsiteOptions | FeedOptions]:
    return FeedOptions if source.is_feed else WebsiteOptions


class WebsiteForm(SourceMetadataForm, LanguageForm, WebsiteOptions):
    url = forms.CharField(
        label="Start address",
        max_length=2000,
        widget=forms.TextInput(_ADDRESS | {"placeholder": "https://docs.example.org/"}),
        help_text="A page to begin with, or a sitemap. Only what robots.txt allows is read.",
    )


class FeedForm(SourceMetadataForm, LanguageForm, FeedOptions):
    url = forms.CharField(
        label="Address of the feed",
        max_length=2000,
        widget=forms.TextInput(_ADDRESS | {"placeholder": "https://example.org/feed.xml"}),
        help_text="RSS or Atom. Each post is read once, from its own page.",
    )
