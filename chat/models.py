"""Sessions, turns, answers, and the log of each answer (docs/architecture.md, "The chat spine")."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import User
from documents.models import Document
from models_registry.models import Endpoint
from workspaces.models import Workspace

_NEVER = datetime.min.replace(tzinfo=UTC)


class Session(models.Model):
    """One conversation of one user."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sessions")
    title = models.CharField(max_length=120, blank=True)  # "" until the first question names it
    is_pinned = models.BooleanField(default=False)
    # chat.answering.imported_history: what was said before, when a chat completions client began it; null: it began here
    preface = models.JSONField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("-is_pinned", "-updated_at")
        indexes = [models.Index(fields=["user", "-updated_at"])]  # the session list

    def __str__(self) -> str:
        return self.title or "New chat"


class Turn(models.Model):
    """One message of a user. The client's message id makes it unique: a resend finds the same turn."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="turns")
    message_id = models.CharField(max_length=64)  # made by the client
    text = models.TextField()
    workspace = models.ForeignKey(Workspace, null=True, on_delete=models.SET_NULL, related_name="+")
    # documents.fields.filters: which of its documents were asked
    filters = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
    created_at = models.DateTimeField(auto_now_add=True)

    just_recorded: Sequence["Answer"] = ()  # with it, for the one who did it; not stored

    class Meta:
        ordering = ("created_at",)
        constraints = [
            models.UniqueConstraint(fields=["session", "message_id"], name="one_turn_per_message_id")
        ]
        indexes = [models.Index(fields=["session", "-created_at"])]  # a session's latest turns: the history

    def __str__(self) -> str:
        return f"{self.session_id}: {self.message_id}"

    def first_answers(self) -> Sequence["Answer"]:
        """Return the answers that were asked for with the turn, one for each lane."""
        return self.just_recorded or [each for each in self.answers.all() if each.message_id is None]

    def goes_on_with(self) -> "Answer | None":
        """Return the answer that later turns build on, as chat.answering.history finds it for their prompts.

        It is the one chosen last; if none was, the newest in the first lane that has words.
        """
        return max(
            (each for each in self.answers.all() if each.has_words),
            key=lambda answer: (answer.chosen_at or _NEVER, -answer.lane, answer.created_at),
            default=None,
        )


class Answer(models.Model):
    """What one model replied to a turn. Its log is the truth; `text` is filled when it ends."""

    class Status(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Writing"
        FINISHED = "finished", "Finished"
        STOPPED = "stopped", "Stopped"
        FAILED = "failed", "Failed"

    ENDED = (Status.FINISHED, Status.STOPPED, Status.FAILED)
    LEASE = timedelta(seconds=8)

    class Grounding(models.TextChoices):
        NONE = "none", "No workspace asked"
        FOUND = "found", "Passages found"
        NOTHING_RELEVANT = "nothing_relevant", "Nothing relevant found"
        EMPTY = "empty", "The workspace is empty"
        DEGRADED = "degraded", "Search failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    turn = models.ForeignKey(Turn, on_delete=models.CASCADE, related_name="answers")
    endpoint = models.ForeignKey(Endpoint, null=True, on_delete=models.SET_NULL, related_name="+")
    endpoint_name = models.CharField(max_length=80)  # outlives the endpoint
    # Models answer side by side in lanes; regenerating an answer puts another version into its lane.
    lane = models.PositiveSmallIntegerField(default=0, db_default=0)  # from 0, from the left
    # Of a version: made by the client that asked for it. Null: it was asked for with the turn.
    message_id = models.CharField(max_length=64, null=True)  # noqa: DJ001 - "" would not be unique
    chosen_at = models.DateTimeField(null=True)  # to go on with; the one chosen last counts
    parameters = models.JSONField(default=dict)
    is_batch = models.BooleanField(default=False, db_default=False)  # nobody waits for it: chat.queue.claims
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    grounding = models.CharField(max_length=20, choices=Grounding, default=Grounding.NONE)
    text = models.TextField(blank=True)
    error = models.TextField(blank=True)  # in words, for people
    stop_requested = models.BooleanField(default=False)
    # Who writes it now. A claim raises the fence; a writer with a lower one is refused.
    fence = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    # What it took
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    cost = models.DecimalField(max_digits=12, decimal_places=6, default=Decimal(0))  # US dollars
    # What is in these sums of attempts that were broken off, by a crash or a restart: chat.queue.lost_attempts
    broken_off = models.JSONField(default=list, db_default=models.Value([], models.JSONField()))
    trace = models.JSONField(default=dict)  # chat.answering.answer, "trace"
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    first_token_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    has_compact_log = models.BooleanField(default=False)  # chat.log.compaction

    class Meta:
        ordering = ("lane", "created_at")
        constraints = [
            models.UniqueConstraint(
                fields=["turn", "message_id"],
                name="one_version_per_message_id",
                condition=models.Q(message_id__isnull=False),
            )
        ]
        indexes = [
            models.Index(
                fields=["status", "lease_until"],
                name="answer_to_claim",
                condition=models.Q(status__in=["queued", "running"]),
            ),  # the runner's claim
            models.Index(
                fields=["endpoint", "-started_at"],
                name="batch_begun",
                condition=models.Q(is_batch=True),
            ),  # the claim: when an endpoint last began an answer nobody waits for
            models.Index(
                fields=["ended_at"],
                name="log_to_compact",
                condition=models.Q(has_compact_log=False, ended_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint_name}: {self.status}"

    @property
    def has_ended(self) -> bool:
        return self.status in self.ENDED

    @property
    def has_words(self) -> bool:
        """The conversation can go on with it: a stopped one counts, a failed one does not."""
        return bool(self.text) and self.status in (self.Status.FINISHED, self.Status.STOPPED)


class AnswerEvent(models.Model):
    """One event of an answer's log, committed before anybody saw it."""

    pk = models.CompositePrimaryKey("answer_id", "seq")
    answer = models.ForeignKey(Answer, on_delete=models.CASCADE, related_name="events")
    seq = models.PositiveIntegerField()  # from 1, without a gap
    kind = models.CharField(max_length=12)  # one of chat.log.events; "deltas": several, of an old log
    data = models.JSONField(default=dict)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("seq",)

    def __str__(self) -> str:
        return f"{self.answer_id} {self.seq} {self.kind}"


class AnswerPassage(models.Model):
    """A passage as it stood in the prompt, kept with the answer even if its document goes."""

    answer = models.ForeignKey(Answer, on_delete=models.CASCADE, related_name="passages")
    number = models.PositiveSmallIntegerField()  # from 1, as cited: [1]
    document = models.ForeignKey(Document, null=True, on_delete=models.SET_NULL, related_name="+")
    document_title = models.CharField(max_length=300)
    section = models.PositiveIntegerField()  # Section.position
    start = models.PositiveIntegerField()  # characters into the section's text
    end = models.PositiveIntegerField()
    text = models.TextField()
    title_path = models.JSONField(default=list)
    page = models.PositiveIntegerField(null=True)

    class Meta:
        ordering = ("number",)
        constraints = [models.UniqueConstraint(fields=["answer", "number"], name="one_passage_per_number")]

    def __str__(self) -> str:
        return f"{self.answer_id} [{self.number}]"


class AnswerRating(models.Model):
    """What a user thought of an answer. Operators read it; evaluations may."""

    answer = models.ForeignKey(Answer, on_delete=models.CASCADE, related_name="ratings")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    is_good = models.BooleanField()
    comment = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("-updated_at",)
        constraints = [models.UniqueConstraint(fields=["answer", "user"], name="one_rating_per_user")]

    def __str__(self) -> str:
        return f"{self.answer_id}: {'good' if self.is_good else 'bad'}"

    @property
    def thumb(self) -> str:
        return "up" if self.is_good else "down"


class Summary(models.Model):
    """What a session was about before the messages that still fit a prompt: chat.answering.session_summary. One row a session."""

    class Status(models.TextChoices):
        IDLE = "idle", "As it stands"
        QUEUED = "queued", "To be written"
        RUNNING = "running", "Being written"

    session = models.OneToOneField(Session, on_delete=models.CASCADE, primary_key=True)
    text = models.TextField(blank=True)
    # The last turn that is in it; null: there is no summary. A turn that goes takes what was made of it along.
    last_turn = models.ForeignKey(Turn, null=True, on_delete=models.CASCADE, related_name="+")
    written_at = models.DateTimeField(null=True)
    is_off = models.BooleanField(default=False)  # the user wants none
    error = models.TextField(blank=True)  # why the last try failed, in words; the text is the one before
    # Its place in the queue of answers, and who writes it now
    status = models.CharField(max_length=10, choices=Status, default=Status.IDLE)
    endpoint = models.ForeignKey(Endpoint, null=True, on_delete=models.SET_NULL, related_name="+")
    queued_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    fence = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    # What all of its versions took
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    cost = models.DecimalField(max_digits=12, decimal_places=6, default=Decimal(0))  # US dollars

    class Meta:
        verbose_name_plural = "summaries"
        indexes = [
            models.Index(
                fields=["status"],
                name="summary_to_claim",
                condition=models.Q(status__in=["queued", "running"]),
            ),  # the runner's claim
        ]

    def __str__(self) -> str:
        return f"{self.session_id}: {self.status}"

    @property
    def is_on(self) -> bool:
        return not self.is_off

    @property
    def is_due(self) -> bool:
        return self.status != self.Status.IDLE


class LastTurn(models.Model):
    """When a user last got an answer begun while others waited: chat.queue.claims serves whose was longest ago."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="+")
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.user_id}: {self.at}"
