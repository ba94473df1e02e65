"""The forms that add a website or a feed, and that change its options."""

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
    """One glob per line."""

    widget = forms.Textarea(_PATTERNS)

    def clean(self, value: Any) -> list[str]:
        return [line.strip() for line in (super().clean(value) or "").splitlines() if line.strip()]


class WebsiteOptions(forms.Form):
    follows_links = forms.BooleanField(
        label="Follow links",
        required=False,
        initial=True,
        help_text="Read the pages that it links to and those in the site's sitemaps, on the same host. "
        "If off: only this page, or the pages that a sitemap lists.",
    )
    is_below_start = forms.BooleanField(
        label="Stay below the start address",
        required=False,
        help_text="Read only addresses in the same folder: for https://example.org/docs/, only /docs/.",
    )
    max_pages = forms.IntegerField(
        label="Maximum number of pages",
        initial=DEFAULT_PAGES,
        min_value=1,
        max_value=settings.CRAWL_MAX_PAGES,
        widget=forms.NumberInput(_NUMBER),
        help_text="Further pages are left out, and the site's page says so.",
    )
    max_depth = forms.IntegerField(
        label="Maximum number of links away",
        initial=DEFAULT_DEPTH,
        min_value=0,
        max_value=settings.CRAWL_MAX_DEPTH,
        widget=forms.NumberInput(_NUMBER),
        help_text="Counted from the start address.",
    )
    include = _PatternsField(
        label="Include only",
        required=False,
        help_text="One pattern per line, where * matches anything: /docs/* or *.pdf. Empty: everything.",
    )
    exclude = _PatternsField(label="Exclude", required=False, help_text="For example /blog/* or *?print=*.")
    schedule = forms.ChoiceField(
        label="Read again",
        choices=[each for each in _SCHEDULES if each[0] != Source.Schedule.HOURLY],
        widget=forms.Select(_SELECT),
        help_text="Pages that changed are replaced, and pages that no longer exist are removed.",
    )


class FeedOptions(forms.Form):
    prefers_own_text = forms.BooleanField(
        label="Use the text in the feed",
        required=False,
        help_text="For feeds with whole posts. If off, their text is used only if a page cannot be read.",
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
        help_text="A page to start from, or a sitemap. Ragsite reads only what robots.txt allows.",
    )


class FeedForm(SourceMetadataForm, LanguageForm, FeedOptions):
    url = forms.CharField(
        label="Address of the feed",
        max_length=2000,
        widget=forms.TextInput(_ADDRESS | {"placeholder": "https://example.org/feed.xml"}),
        help_text="RSS or Atom. Each post is read once, from its own page.",
    )
