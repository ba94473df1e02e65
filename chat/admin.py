"""Admin lists of answers, ratings and sessions. Operators find slow, failing and expensive answers here.

Questions and answers are private: these pages never show them.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import Aggregate, Count, F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import filesizeformat, truncatechars
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

from core.admin.cells import time_ago
from core.admin.read_only import ReadOnlyAdmin

from .models import Answer, AnswerRating, Import, Session, Summary, TemporaryUsage, Turn
from .sharing import admin as _sharing  # noqa: F401 (registers its admin pages)
from .status_filters import AnswererFilter, PeriodFilter, StateOfAnswer, ThumbFilter

ONE_SESSION = "turn__session__id__exact"  # the list's query parameter that selects one session's answers


@admin.register(Answer)
class AnswerAdmin(ReadOnlyAdmin):
    list_display = (
        "asked", "asker", "endpoint_name", "state", "grounding", "first_token", "took", "tokens", "cost", "problem",
    )  # fmt: skip
    list_filter = (StateOfAnswer, PeriodFilter, "grounding", "endpoint_name")
    list_select_related = ("turn__session__user", "turn__workspace")
    search_fields = ("endpoint_name", "turn__session__user__username")
    ordering = ("-created_at",)
    show_facets = admin.ShowFacets.ALWAYS
    fieldsets = (
        (None, {"fields": ("asker", "workspace", "endpoint_name", "parameters")}),
        ("Outcome", {"fields": (("state", "grounding"), "error", ("first_token", "took"), "rated")}),
        ("Search", {"fields": ("legs", "passages_read")}),
        ("Usage", {"fields": (("input_tokens", "output_tokens"), "cost", "attempts")}),
        ("Timestamps", {"fields": ("created_at", "started_at", "first_token_at", "ended_at")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Answer]:
        """Leave texts and traces in the database: the list shows none, and a page of the list has a hundred."""
        answers: QuerySet[Answer] = super().get_queryset(request)
        answers = answers.filter(is_imported=False, turn__session__temporary_until=None)
        return answers.defer("text", "trace", "turn__text", "turn__session__preface")

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        return lookup == ONE_SESSION or super().lookup_allowed(lookup, value, request)

    @admin.display(ordering="created_at")
    def asked(self, answer: Answer) -> str:
        return time_ago(answer.created_at)

    @admin.display(description="asked by", ordering="turn__session__user__username")
    def asker(self, answer: Answer) -> str:
        return str(answer.turn.session.user or "–")  # none while the session is being deleted

    @admin.display(description="workspace")
    def workspace(self, answer: Answer) -> str:
        return str(answer.turn.workspace or "–")

    @admin.display(description="state", ordering="status")
    def state(self, answer: Answer) -> str:
        tones = {
            Answer.Status.FINISHED: "well",
            Answer.Status.FAILED: "failing",
            Answer.Status.RUNNING: "working",
        }
        tone = tones.get(Answer.Status(answer.status), "waiting")
        return format_html('<span class="state {}">{}</span>', tone, answer.get_status_display())

    @admin.display(description="time to first token", ordering="first_token_at")
    def first_token(self, answer: Answer) -> str:
        return _seconds(answer.created_at, answer.first_token_at)

    @admin.display(description="duration", ordering="ended_at")
    def took(self, answer: Answer) -> str:
        return _seconds(answer.created_at, answer.ended_at)

    @admin.display(description="tokens read / written", ordering="output_tokens")
    def tokens(self, answer: Answer) -> str:
        return f"{answer.input_tokens:,} / {answer.output_tokens:,}"

    @admin.display(description="attempts")
    def attempts(self, answer: Answer) -> str:
        if not answer.broken_off:
            return "1"
        lost = "; ".join(
            f"{each['input_tokens']:,} tokens read and {each['output_tokens']:,} written"
            f"{' (estimated)' if each['is_estimate'] else ''}"
            for each in answer.broken_off
        )
        return f"{len(answer.broken_off) + 1}; the totals include the interrupted attempts: {lost}"

    @admin.display(description="ratings")
    def rated(self, answer: Answer) -> str:
        ratings = [("Good" if each.is_good else "Bad", each.comment or "–") for each in answer.ratings.all()]
        return format_html_join(mark_safe("<br>"), "{}: {}", ratings) or "–"

    @admin.display(description="legs")
    def legs(self, answer: Answer) -> str:
        """Return what each leg of the search found. Its words are private, so they are left out."""
        legs = [
            (each["name"], each["found"], round(each["took_ms"]), each.get("error") or "")
            for each in answer.trace.get("legs", ())
        ]
        return format_html_join(mark_safe("<br>"), "{}: {} candidates in {} ms {}", legs) or "–"

    @admin.display(description="passages in the prompt")
    def passages_read(self, answer: Answer) -> str:
        """Return the titles of the documents that were quoted, which operators may see, without the quotes."""
        read = [(each.number, each.document_title) for each in answer.passages.all()]
        return format_html_join(mark_safe("<br>"), "[{}] {}", read) or "–"

    @admin.display(description="error", ordering="error")
    def problem(self, answer: Answer) -> str:
        return format_html('<span title="{}">{}</span>', answer.error, truncatechars(answer.error, 80) or "–")


def _seconds(start: datetime, end: datetime | None) -> str:
    return f"{(end - start).total_seconds():.1f} s" if end else "–"


@admin.register(AnswerRating)
class AnswerRatingAdmin(ReadOnlyAdmin):
    """Users' ratings of answers, with their comments.

    The rating form tells users that operators can read them.
    """

    list_display = ("rated", "by", "thumb", "comment", "answered_by", "workspace", "grounding")
    list_filter = (
        ThumbFilter,
        ("updated_at", admin.DateFieldListFilter),
        ("answer__endpoint_name", AnswererFilter),
    )
    list_select_related = ("user", "answer__turn__workspace")
    search_fields = ("comment", "user__username", "answer__endpoint_name")
    show_facets = admin.ShowFacets.ALWAYS
    fields = ("rated", "by", "thumb", "comment", "answered_by", "workspace", "grounding")

    def get_queryset(self, request: HttpRequest) -> QuerySet[AnswerRating]:
        """Leave out ratings in temporary chats, and of answers that no model of this site has written."""
        ratings: QuerySet[AnswerRating] = super().get_queryset(request)
        return ratings.filter(answer__is_imported=False, answer__turn__session__temporary_until=None)

    @admin.display(ordering="updated_at")
    def rated(self, rating: AnswerRating) -> str:
        return time_ago(rating.updated_at)

    @admin.display(ordering="user__username")
    def by(self, rating: AnswerRating) -> str:
        return str(rating.user)

    @admin.display(description="rating", ordering="is_good")
    def thumb(self, rating: AnswerRating) -> str:
        tone, word = ("well", "Good") if rating.is_good else ("failing", "Bad")
        return format_html('<span class="state {}">{}</span>', tone, word)

    @admin.display(ordering="answer__endpoint_name")
    def answered_by(self, rating: AnswerRating) -> str:
        """Return the model, as a link to what is known of its answer."""
        url = reverse("admin:chat_answer_change", args=[rating.answer_id])
        return format_html('<a href="{}">{}</a>', url, rating.answer.endpoint_name)

    @admin.display(ordering="answer__turn__workspace__name")
    def workspace(self, rating: AnswerRating) -> str:
        return str(rating.answer.turn.workspace or "–")

    @admin.display(ordering="answer__grounding")
    def grounding(self, rating: AnswerRating) -> str:
        return rating.answer.get_grounding_display()


def _answers_of_session(aggregate: Aggregate) -> QuerySet[Any, Any]:
    """Return this aggregate of the answers of the session in the outer query, as `total`."""
    answers = Answer.objects.filter(turn__session=OuterRef("pk")).order_by().values("turn__session")
    return answers.annotate(total=aggregate)


def _total(rows: QuerySet[Any, Any], nothing: Any = 0) -> Coalesce:
    return Coalesce(Subquery(rows.values("total")), nothing)


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    list_display = ("last_asked", "user", "turn_count", "answer_count", "tokens", "cost", "summary", "begun")
    list_filter = (("updated_at", admin.DateFieldListFilter),)
    list_select_related = ("user", "summary")
    search_fields = ("user__username",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        """Count by subqueries: a join would group all sessions of years, for a page of a hundred."""
        sessions: QuerySet[Session] = (
            super().get_queryset(request).filter(user__isnull=False, temporary_until=None)
        )
        turns = Turn.objects.filter(session=OuterRef("pk")).order_by().values("session")
        return sessions.annotate(
            turns_made=_total(turns.annotate(total=Count("pk"))),
            answers_given=_total(_answers_of_session(Count("pk"))),
            tokens_used=_total(_answers_of_session(Sum(F("input_tokens") + F("output_tokens"))))
            + Coalesce(F("summary__input_tokens") + F("summary__output_tokens"), 0),
            dollars=_total(_answers_of_session(Sum("cost")), Decimal(0))
            + Coalesce(F("summary__cost"), Decimal(0)),
        )

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """Redirect to the session's answers: its own page would show the title, which is private text."""
        return HttpResponseRedirect(f"{reverse('admin:chat_answer_changelist')}?{ONE_SESSION}={object_id}")

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        return self.change_view(request, object_id)

    @admin.display(description="last asked", ordering="updated_at")
    def last_asked(self, session: Session) -> str:
        return time_ago(session.updated_at)

    @admin.display(ordering="created_at")
    def begun(self, session: Session) -> str:
        return time_ago(session.created_at)

    @admin.display(description="turns", ordering="turns_made")
    def turn_count(self, session: Any) -> int:
        return int(session.turns_made)

    @admin.display(description="answers", ordering="answers_given")
    def answer_count(self, session: Any) -> int:
        return int(session.answers_given)

    @admin.display(description="tokens", ordering="tokens_used")
    def tokens(self, session: Any) -> str:
        return f"{session.tokens_used:,}"

    @admin.display(description="cost, US dollars", ordering="dollars")
    def cost(self, session: Any) -> str:
        return f"{session.dollars:.4f}"

    @admin.display(description="summary")
    def summary(self, session: Any) -> str:
        """Return whether the session has a summary, or why the last attempt failed. Never return its text."""
        found: Summary | None = getattr(session, "summary", None)
        if found is None or not (found.text or found.error):
            return "–"
        return found.error or f"as of {time_ago(found.written_at)}"


@admin.register(TemporaryUsage)
class TemporaryUsageAdmin(ReadOnlyAdmin):
    list_display = ("asked", "user", "endpoint_name", "tokens", "cost")
    list_filter = (("asked_at", admin.DateFieldListFilter), "endpoint_name")
    list_select_related = ("user",)
    search_fields = ("user__username", "endpoint_name")
    fields = ("asked", "user", "endpoint_name", "tokens", "cost")

    @admin.display(ordering="asked_at")
    def asked(self, usage: TemporaryUsage) -> str:
        return time_ago(usage.asked_at)

    @admin.display(description="tokens read / written", ordering="output_tokens")
    def tokens(self, usage: TemporaryUsage) -> str:
        return f"{usage.input_tokens:,} / {usage.output_tokens:,}"


@admin.register(Import)
class ImportAdmin(ReadOnlyAdmin):
    """Imports of conversations: what waits, and what failed. The names of the files are private."""

    list_display = ("begun", "user", "status", "size", "done", "added", "already_here", "error")
    list_filter = ("status",)
    list_select_related = ("user",)
    search_fields = ("user__username",)
    show_facets = admin.ShowFacets.ALWAYS
    fields = (*list_display, "ended_at", "fence")

    @admin.display(ordering="created_at")
    def begun(self, row: Import) -> str:
        return time_ago(row.created_at)

    @admin.display(ordering="size_bytes")
    def size(self, row: Import) -> str:
        return filesizeformat(row.size_bytes)
