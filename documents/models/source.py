"""A website or feed: its crawl options, and the table of its addresses, which is also the crawl frontier."""

from datetime import timedelta
from typing import Any

from django.db import models
from django.db.models import Count, Q
from django.utils import timezone

from accounts.models import User

# Selects the addresses that could not be fetched, or whose document could not be read
TROUBLE = Q(state="failed") | Q(document__status="failed")
# Selects the addresses whose page is still searchable, but was not found by the last visit
MISSING = Q(document__isnull=False) & ~Q(finding="")
PERIODS = {"hourly": timedelta(hours=1), "daily": timedelta(days=1), "weekly": timedelta(days=7)}


class LiveSources(models.Manager["Source"]):
    """Selects all sources but those that are being deleted. `Source.every` adds these."""

    def get_queryset(self) -> models.QuerySet["Source"]:
        return super().get_queryset().filter(document__deleted_at=None)


class Source(models.Model):
    """The crawl options and the schedule of a website or feed. Its document holds everything else."""

    class Schedule(models.TextChoices):
        NEVER = "never", "Only when somebody asks"
        HOURLY = "hourly", "Every hour"
        DAILY = "daily", "Every day"
        WEEKLY = "weekly", "Every week"

    document = models.OneToOneField(
        "documents.Document", models.CASCADE, primary_key=True, related_name="source"
    )
    home = models.URLField(max_length=2000)  # the start address, or where that redirects to
    follows_links = models.BooleanField(default=True)
    max_pages = models.PositiveIntegerField(default=0)  # 0: no limit
    max_depth = models.PositiveIntegerField(default=0)  # links from the start address
    is_below_start = models.BooleanField(default=False)
    include = models.JSONField(default=list)  # globs over path and query
    exclude = models.JSONField(default=list)
    prefers_own_text = models.BooleanField(default=False)  # of feeds: their text, not the posts' pages
    schedule = models.CharField(max_length=10, choices=Schedule, default=Schedule.NEVER)
    next_visit_at = models.DateTimeField(null=True)
    visited_at = models.DateTimeField(null=True)  # when the last visit ended
    is_under_way = models.BooleanField(default=False)  # a visit has begun, and the next claim continues it
    pages_before = models.PositiveIntegerField(default=0, db_default=0)  # searchable as the visit began
    # Words of one text that this visit found at several addresses, which had different pages before
    placeholder = models.JSONField(null=True)

    objects = LiveSources()
    every = models.Manager()  # noqa: DJ012 - it is a manager

    class Meta:
        indexes = [models.Index(fields=["next_visit_at"])]  # for start_due_visits()

    def __str__(self) -> str:
        return self.home

    @property
    def is_feed(self) -> bool:
        return self.document.kind == "feed"

    @property
    def period(self) -> timedelta | None:
        return PERIODS.get(self.schedule)

    def counts(self) -> dict[str, int]:
        """Return the number of pages by state, and how many are ready, unreadable, and known in all."""
        counted = self.pages().aggregate(
            **{state.value: Count("pk", filter=Q(state=state)) for state in Address.State},
            ready=Count("pk", filter=Q(document__status="ready")),
            unreadable=Count("pk", filter=Q(document__status="failed")),
        )
        return counted | {"known": counted["done"] + counted["queued"] + counted["failed"]}

    def pages(self) -> models.QuerySet["Address"]:
        return self.addresses.filter(role=Address.Role.PAGE)

    def missing(self) -> models.QuerySet["Address"]:
        """Return the addresses whose page is searchable, but was not found by the last visit."""
        return self.pages().filter(MISSING)

    def troubles(self) -> models.QuerySet["Address"]:
        """Return every address that could not be fetched or read, with the reason."""
        return self.addresses.filter(TROUBLE).select_related("document").order_by("priority", "pk")


class Finding(models.TextChoices):
    """What a visit found at an address instead of the page that it had before."""

    NONE = "", ""
    GONE = "gone", "There is no such page"
    ROBOTS = "robots", "robots.txt does not allow it"
    REFUSED = "refused", "The server requires a login"
    SAME_TEXT = "same_text", "Many addresses have the same text"
    MOVED = "moved", "It leads to another website"
    NO_INDEX = "no_index", "The page asks not to be indexed"
    ELSEWHERE = "elsewhere", "Another address has its page"
    FAILED = "failed", "It could not be fetched"


class SourceHold(models.Model):
    """A website or feed whose last visit missed so many pages that they are kept until a user decides."""

    source = models.OneToOneField(Source, models.CASCADE, primary_key=True, related_name="hold")
    finding = models.CharField(max_length=10, choices=Finding)  # the most frequent one
    page_count = models.PositiveIntegerField()  # the pages that were missed
    known_count = models.PositiveIntegerField()  # the pages before the visit
    example = models.TextField(blank=True)  # the address and the reason of one of them
    since = models.DateTimeField(default=timezone.now)
    visits = models.PositiveIntegerField(default=1)  # in a row with this finding, each on another day
    counted_at = models.DateTimeField(default=timezone.now)
    # A user decided to keep the pages as long as the finding stays the same
    kept_at = models.DateTimeField(null=True)
    kept_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    def __str__(self) -> str:
        return f"{self.source_id}: {self.finding}"


class Address(models.Model):
    """One address of a website or feed, and its last outcome. The queued rows are the crawl frontier."""

    class Role(models.TextChoices):
        PAGE = "page", "Page"
        SITEMAP = "sitemap", "Sitemap"
        FEED = "feed", "Feed"

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting"
        DONE = "done", "Read"
        SKIPPED = "skipped", "Left out"
        FAILED = "failed", "Failed"
        GONE = "gone", "Gone"

    source = models.ForeignKey(Source, models.CASCADE, related_name="addresses")
    url = models.URLField(max_length=2100)
    role = models.CharField(max_length=10, choices=Role, default=Role.PAGE)
    depth = models.PositiveIntegerField(default=0)  # links from the start address
    priority = models.PositiveIntegerField(default=0)  # the lowest comes first
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    # A sentence for people; empty when the page was read, or waits for its first try
    reason = models.TextField(blank=True)
    # Why its page was missed although it is still searchable; "" if it was found, or has none
    finding = models.CharField(max_length=10, choices=Finding, blank=True, default="", db_default="")
    # Of an address that was left out: the address that has its page instead
    elsewhere = models.URLField(max_length=2100, blank=True)
    tries = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(default=timezone.now)
    fetched_at = models.DateTimeField(null=True)
    etag = models.CharField(max_length=500, blank=True)
    last_modified = models.CharField(max_length=100, blank=True)
    content_sha256 = models.CharField(max_length=64, blank=True)  # of what the server sent
    # The document that the page or post became
    document = models.OneToOneField("documents.Document", models.SET_NULL, null=True, related_name="address")
    # Of posts: the title and text that the feed carries
    guid_sha256 = models.CharField(max_length=64, blank=True)
    own_title = models.CharField(max_length=300, blank=True)
    own_text = models.TextField(blank=True)  # HTML

    class Meta:
        ordering = ("priority", "pk")
        verbose_name_plural = "addresses"
        constraints = [
            models.UniqueConstraint(fields=["source", "url"], name="one_row_per_address"),
            models.UniqueConstraint(
                fields=["source", "guid_sha256"],
                name="one_row_per_post",
                condition=~models.Q(guid_sha256=""),
            ),
        ]
        indexes = [
            models.Index(fields=["source", "state", "priority", "id"]),  # the frontier
            models.Index(fields=["source", "content_sha256"]),  # duplicates under another address
            models.Index(
                fields=["source", "elsewhere"], name="kept_elsewhere", condition=~models.Q(elsewhere="")
            ),
        ]

    def __str__(self) -> str:
        return self.url

    @property
    def has_page(self) -> bool:
        """Return whether it can be fetched. A post without a link has a fragment of its feed's address."""
        return "#" not in self.url

    @property
    def conditions(self) -> dict[str, str]:
        """Return the headers of a conditional request, which the server may answer with 304 Not Modified."""
        if self.role == self.Role.PAGE and self.document_id is None:
            return {}
        wanted: dict[str, Any] = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in wanted.items() if value}
