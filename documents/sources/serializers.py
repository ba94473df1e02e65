from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.rest.serializers import CamelCase
from documents.api.serializers import Describing, DocumentSerializer, language_to_detect
from documents.models import Address, Finding, Source, SourceHold

from .missing_pages import describe, hold_of, outlook
from .service import DEFAULT_DEPTH, DEFAULT_PAGES

SHOWN_TROUBLES = 100
_PATTERN = "Globs over path and query: * matches anything."


class _NewSource(Describing):
    url = serializers.CharField(max_length=2000)
    title = serializers.CharField(max_length=300, required=False, help_text="Default: its own title.")
    language = language_to_detect()


class NewWebsite(_NewSource):
    follows_links = serializers.BooleanField(default=True, help_text="Also read the site's sitemaps.")
    max_pages = serializers.IntegerField(
        default=DEFAULT_PAGES, min_value=1, max_value=settings.CRAWL_MAX_PAGES
    )
    max_depth = serializers.IntegerField(
        default=DEFAULT_DEPTH,
        min_value=0,
        max_value=settings.CRAWL_MAX_DEPTH,
        help_text="Links away from the url.",
    )
    is_below_start = serializers.BooleanField(
        default=False, help_text="Only addresses in the folder of the url."
    )
    include = serializers.ListField(child=serializers.CharField(), default=list, help_text=_PATTERN)
    exclude = serializers.ListField(child=serializers.CharField(), default=list, help_text=_PATTERN)
    schedule = serializers.ChoiceField(Source.Schedule.choices, default=Source.Schedule.NEVER)


class NewFeed(_NewSource):
    prefers_own_text = serializers.BooleanField(
        default=False, help_text="Use the text in the feed instead of the posts' pages."
    )
    schedule = serializers.ChoiceField(Source.Schedule.choices, default=Source.Schedule.HOURLY)


class SourceOptions(CamelCase):
    """The options to change. Absent options stay as they are. Feeds have only the first two."""

    schedule = serializers.ChoiceField(Source.Schedule.choices, required=False)
    prefers_own_text = serializers.BooleanField(required=False, help_text="Feeds only.")
    follows_links = serializers.BooleanField(required=False)
    max_pages = serializers.IntegerField(required=False, min_value=1, max_value=settings.CRAWL_MAX_PAGES)
    max_depth = serializers.IntegerField(required=False, min_value=0, max_value=settings.CRAWL_MAX_DEPTH)
    is_below_start = serializers.BooleanField(required=False)
    include = serializers.ListField(child=serializers.CharField(), required=False, help_text=_PATTERN)
    exclude = serializers.ListField(child=serializers.CharField(), required=False, help_text=_PATTERN)


class AddressSerializer(CamelCase):
    url = serializers.CharField()
    state = serializers.ChoiceField(Address.State.choices)
    reason = serializers.SerializerMethodField(help_text="Why it failed, as a sentence.")
    document_id = serializers.UUIDField(allow_null=True)

    def get_reason(self, address: Address) -> str:
        return address.reason or (address.document.error if address.document else "")


class HoldSerializer(CamelCase):
    seen = serializers.SerializerMethodField(help_text="What the last visit saw, as sentences.")
    outlook = serializers.SerializerMethodField(help_text="What becomes of the pages, as sentences.")
    finding = serializers.ChoiceField([(each.value, each.label) for each in Finding if each])
    page_count = serializers.IntegerField(help_text="The pages that the last visit did not find.")
    known_count = serializers.IntegerField(help_text="The pages that were searchable before it.")
    since = serializers.DateTimeField()
    visits = serializers.IntegerField(help_text="In a row with this finding, on different days.")
    kept_at = serializers.DateTimeField(allow_null=True, help_text="When a user decided to keep the pages.")

    def get_seen(self, hold: SourceHold) -> str:
        return describe(hold)

    def get_outlook(self, hold: SourceHold) -> str:
        return outlook(hold)


class SourceSerializer(DocumentSerializer):
    url = serializers.CharField()
    schedule = serializers.ChoiceField(Source.Schedule.choices, source="source.schedule")
    next_visit_at = serializers.DateTimeField(allow_null=True, source="source.next_visit_at")
    visited_at = serializers.DateTimeField(allow_null=True, source="source.visited_at")
    pages = serializers.DictField(
        child=serializers.IntegerField(),
        source="source.counts",
        help_text="How many pages are known, done (fetched), queued, failed, skipped and gone, and how many "
        "of their documents are ready and unreadable.",
    )
    held = serializers.SerializerMethodField(
        help_text="Null, unless the last visit missed so many pages that they are kept until a user decides."
    )
    troubles = serializers.SerializerMethodField(
        help_text=f"The first {SHOWN_TROUBLES} addresses that failed."
    )

    @extend_schema_field(HoldSerializer(allow_null=True))
    def get_held(self, document: object) -> dict[str, object] | None:
        hold = hold_of(document.source)  # type: ignore[attr-defined]
        return dict(HoldSerializer(hold).data) if hold else None

    @extend_schema_field(AddressSerializer(many=True))
    def get_troubles(self, document: object) -> list[dict[str, object]]:
        found = document.source.troubles()[:SHOWN_TROUBLES]  # type: ignore[attr-defined]
        return list(AddressSerializer(found, many=True).data)
