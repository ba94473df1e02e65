"""What is wrong now, in words, newest first, each with the button that helps: for the operators' console."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from django.db.models import Count, Max
from django.urls import reverse
from django.utils import timezone

from accounts.models import Deletion
from accounts.status_filters import StateOfDeletion
from chat.models import Answer
from chat.status_filters import PeriodFilter, StateOfAnswer
from documents.models import Document
from models_registry.models import Endpoint
from ragsite.cleaning.status_filters import StateOfCleaning
from ragsite.models import CleaningRun

SHOWN = 10
_LATELY = timedelta(days=1)  # failed answers are not troubles for ever


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that an operator should look at.

    at: when it began, or happened last. url: its page. post_url: where its button sends a form; "": the button only opens
    the page.
    """

    at: datetime
    subject: str
    words: str  # a sentence: the reason
    button: str
    url: str
    post_url: str = ""


def newest_troubles() -> list[Trouble]:
    """Return the newest troubles of all kinds, at most SHOWN."""
    found = chain(_endpoints(), _documents(), _answers(), _deletions(), _cleanings())
    return sorted(found, key=lambda trouble: trouble.at, reverse=True)[:SHOWN]


def _endpoints() -> Iterator[Trouble]:
    failing = Endpoint.objects.filter(is_enabled=True, last_check_ok=False).order_by("-last_check_at")
    for each in failing[:SHOWN]:
        page = reverse("admin:models_registry_endpoint_change", args=[each.pk])
        check = reverse("admin:models_registry_endpoint_check", args=[each.pk])
        at = each.last_check_at or timezone.now()
        yield Trouble(
            at, f"Model {each.name}", each.last_error or "The last check failed.", "Check", page, check
        )


def _documents() -> Iterator[Trouble]:
    failed = Document.objects.filter(status=Document.Status.FAILED).select_related("workspace")
    for each in failed.order_by("-moved_at")[:SHOWN]:
        place = [each.workspace_id, each.pk]
        page, retry = reverse("document", args=place), reverse("document-retry", args=place)
        yield Trouble(
            each.moved_at, f"{each.title} in {each.workspace.name}", each.error, "Retry", page, retry
        )


def _answers() -> Iterator[Trouble]:
    """Yield one trouble for each reason of each model."""
    lately = Answer.objects.filter(status=Answer.Status.FAILED, ended_at__gte=timezone.now() - _LATELY)
    reasons = (
        lately.order_by().values("endpoint_name", "error").annotate(count=Count("pk"), at=Max("ended_at"))
    )
    url = f"{PeriodFilter.url('day')}&{StateOfAnswer.parameter_name}=failed"
    for each in reasons.order_by("-at")[:SHOWN]:
        answers = "1 answer" if each["count"] == 1 else f"{each['count']:,} answers"
        yield Trouble(each["at"], f"{answers} by {each['endpoint_name']} failed", each["error"], "Open", url)


def _deletions() -> Iterator[Trouble]:
    url = StateOfDeletion.url("troubled")
    put_off = Deletion.objects.filter(finished_at=None).exclude(error="")
    for each in put_off.order_by("-requested_at")[:SHOWN]:
        yield Trouble(each.moved_at or each.requested_at, f"Deletion of {each.name}", each.error, "Open", url)


def _cleanings() -> Iterator[Trouble]:
    for each in CleaningRun.objects.exclude(error=""):
        yield Trouble(each.ran_at, f"Cleaning {each.name}", each.error, "Open", StateOfCleaning.url("failed"))
