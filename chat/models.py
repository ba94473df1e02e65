"""Sessions, turns, answers, and the log of each answer (docs/architecture.md, "The chat spine")."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Lower, Now
from django.utils import timezone

from accounts.models import User
from documents.models import Document
from models_registry.models import Endpoint
from workspaces.models import Workspace

_NEVER = datetime.min.replace(tzinfo=UTC)


class Folder(models.Model):
    """A folder of a user's sessions; a session is in one at most."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="folders")
    name = models.CharField(max_length=60)
    position = models.PositiveIntegerField()  # in the user's own order, with gaps where one was deleted
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("position",)
        constraints = [
            models.UniqueConstraint("user", Lower("name"), name="one_folder_per_name"),
        ]

    def __str__(self) -> str:
        return self.name


class Tag(models.Model):
    """A word that a user marks sessions with. It is gone with the last session that has it."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=40)

    class Meta:
        ordering = (Lower("name"),)
        constraints = [
            models.UniqueConstraint("user", Lower("name"), name="one_tag_per_name"),
        ]

    def __str__(self) -> str:
        return self.name


class Session(models.Model):
    """One conversation of one user."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # Null: it is being deleted. So it is out of reach at once, because every way to it asks for its user.
    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="sessions")

    class Naming(models.TextChoices):
        OPEN = "open", "The first question's words, which a model may replace once"
        SETTLED = "settled", "A model was asked for a title"
        OWN = "own", "A person's"

    title = models.CharField(max_length=120, blank=True)  # "" until the first question names it
    naming = models.CharField(max_length=8, choices=Naming, default=Naming.OPEN, db_default=Naming.OPEN)
    is_pinned = models.BooleanField(default=False)
    is_archived = models.BooleanField(default=False, db_default=False)  # out of the list, but not deleted
    folder = models.ForeignKey(Folder, null=True, on_delete=models.SET_NULL, related_name="sessions")
    tags = models.ManyToManyField(Tag, related_name="sessions")
    # The earlier messages that a chat completions client sent (chat.answering.imported_history). Null if the
    # session began on the page or over the REST API.
    preface = models.JSONField(null=True, editable=False)
    # Null: it is kept. Else when it is deleted, unless there is a sign of life before (chat.asking.temporary).
    temporary_until = models.DateTimeField(null=True, editable=False)
    # The title that the index of chat.finding has
    indexed_title = models.CharField(max_length=120, blank=True, default="", db_default="", editable=False)
    # An import sets these times, so the database does not (auto_now_add).
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    LIFETIME = timedelta(minutes=30)  # of a temporary one, after its last sign of life

    class Meta:
        ordering = ("-is_pinned", "-updated_at")
        indexes = [
            models.Index(fields=["user", "-updated_at"]),  # the session list
            models.Index(
                fields=["temporary_until"],
                name="temporary_end",
                condition=models.Q(temporary_until__isnull=False),
            ),  # for the cleaning
            models.Index(
                fields=["user"], name="title_to_index", condition=~models.Q(title=models.F("indexed_title"))
            ),
        ]

    def __str__(self) -> str:
        return self.title or "New chat"

    @classmethod
    def new_end(cls) -> datetime:
        """Return until when a temporary session lives without another sign of life."""
        return timezone.now() + cls.LIFETIME

    @property
    def is_temporary(self) -> bool:
        return self.temporary_until is not None

    @property
    def keeps_words(self) -> bool:
        """Whether its words may be written to anything but its own rows. All that does so must ask this."""
        return not self.is_temporary

    @property
    def tag_names(self) -> list[str]:
        return [tag.name for tag in self.tags.all()]

    @property
    def owner(self) -> User:
        """Return its user. Raises DoesNotExist if it is being deleted."""
        if self.user is None:
            raise Session.DoesNotExist("The session is being deleted.")
        return self.user


class Turn(models.Model):
    """One message of a user. The client's message id is its idempotency key: a resend finds the same turn.

    A question that was edited and sent again is another child of the same parent, so the turns of a session are a tree
    (chat.answering.branches). The path on the screen ends at the turn that was shown last.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="turns")
    # The turn before it; null for the first one. Turns are deleted only with their session, in parts.
    parent = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")
    shown_at = models.DateTimeField(
        default=timezone.now, db_default=Now()
    )  # when it became the end of the path
    message_id = models.CharField(max_length=64)  # generated by the client
    text = models.TextField()
    workspace = models.ForeignKey(Workspace, null=True, on_delete=models.SET_NULL, related_name="+")
    # Which of the workspace's documents the search covers (documents.fields.filters)
    filters = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
    is_indexed = models.BooleanField(default=False, db_default=False, editable=False)  # chat.finding
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    just_recorded: Sequence["Answer"] = ()  # the answers stored with it, on the instance that stored them

    class Meta:
        ordering = ("created_at",)
        constraints = [
            models.UniqueConstraint(fields=["session", "message_id"], name="one_turn_per_message_id")
        ]
        indexes = [
            models.Index(fields=["session", "-created_at"]),
            models.Index(
                fields=["session", "-shown_at"], name="chat_turn_session_shown"
            ),  # the end of the path
            models.Index(
                fields=["session"], name="turn_to_index", condition=models.Q(is_indexed=False)
            ),  # chat.finding
        ]

    def __str__(self) -> str:
        return f"{self.session_id}: {self.message_id}"

    def first_answers(self) -> Sequence["Answer"]:
        """Return the answers that the user requested with the question itself, one for each lane."""
        return self.just_recorded or [each for each in self.answers.all() if each.message_id is None]

    def goes_on_with(self) -> "Answer | None":
        """Return the answer that later turns build on, by the same rule as chat.answering.history.

        It is the answer that the user chose last. If the user chose none, it is the newest answer in the
        first lane that has text.
        """
        return max(
            (each for each in self.answers.all() if each.has_words),
            key=lambda answer: (answer.chosen_at or _NEVER, -answer.lane, answer.created_at),
            default=None,
        )


class Answer(models.Model):
    """One model's answer to a turn.

    The event log is the source of truth; `text` is filled in when it ends.
    """

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
    endpoint_name = models.CharField(max_length=80)  # kept after the endpoint is deleted
    # Several models answer side by side in lanes. Regenerating an answer adds another version to its lane.
    lane = models.PositiveSmallIntegerField(default=0, db_default=0)  # from 0, left to right
    # The client's idempotency key for a regenerated version. Null for an answer that came with the turn.
    message_id = models.CharField(max_length=64, null=True)  # noqa: DJ001 - "" would not be unique
    # The version that was cut, whose text and passages this one begins with (inference.continuation)
    continues = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    # When the user chose to continue from it; the latest choice in a turn counts
    chosen_at = models.DateTimeField(null=True)
    parameters = models.JSONField(default=dict)
    is_batch = models.BooleanField(default=False, db_default=False)  # low priority: chat.queue.claims
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    grounding = models.CharField(max_length=20, choices=Grounding, default=Grounding.NONE)
    text = models.TextField(blank=True)
    error = models.TextField(blank=True)  # a sentence for users
    stop_requested = models.BooleanField(default=False)
    # The fencing token and the lease of the process that writes it. Each claim increments the fence, and the
    # log rejects a writer with a lower one.
    fence = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    # Usage, summed over all attempts
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    cost = models.DecimalField(max_digits=12, decimal_places=6, default=Decimal(0))  # US dollars
    # The share of these sums that belongs to attempts interrupted by a crash or a restart:
    # chat.queue.lost_attempts
    broken_off = models.JSONField(default=list, db_default=models.Value([], models.JSONField()))
    trace = models.JSONField(default=dict)  # chat.answering.answer.Traced, and "finish_reason"
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True)
    first_token_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    has_compact_log = models.BooleanField(default=False)  # chat.log.compaction
    # A file of its user says so, and no model of this site has written it: operators see nothing of it.
    is_imported = models.BooleanField(default=False, db_default=False)
    is_indexed = models.BooleanField(default=False, db_default=False, editable=False)  # chat.finding

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
            ),  # for the runner's claim
            models.Index(
                fields=["endpoint", "-started_at"],
                name="batch_begun",
                condition=models.Q(is_batch=True),
            ),  # for the claim: when an endpoint last began a batch answer
            models.Index(
                fields=["ended_at"],
                name="log_to_compact",
                condition=models.Q(has_compact_log=False, ended_at__isnull=False),
            ),
            models.Index(fields=["-created_at"], name="answer_newest"),  # the admin's list and the console
            models.Index(
                fields=["turn"],
                name="answer_to_index",
                condition=models.Q(is_indexed=False, ended_at__isnull=False),
            ),  # chat.finding
            models.Index(
                fields=["continues"], name="answer_continued", condition=models.Q(continues__isnull=False)
            ),  # few answers continue another one
        ]

    def __str__(self) -> str:
        return f"{self.endpoint_name}: {self.status}"

    @property
    def has_ended(self) -> bool:
        return self.status in self.ENDED

    @property
    def age(self) -> timedelta:
        """The time since it was asked for."""
        return timezone.now() - self.created_at

    @property
    def has_words(self) -> bool:
        """Whether the conversation can continue from it: a stopped answer counts, a failed one does not."""
        return bool(self.text) and self.status in (self.Status.FINISHED, self.Status.STOPPED)

    @property
    def was_cut(self) -> bool:
        """Whether it ended because it reached the length limit that the user chose."""
        return bool(self.trace.get("finish_reason") == "length")

    @property
    def can_continue(self) -> bool:
        """Whether it has text that ended too early: at its limit, by a stop, or by a failure."""
        is_broken_off = self.status in (self.Status.STOPPED, self.Status.FAILED)
        return bool(self.text) and (is_broken_off or self.was_cut)


class AnswerEvent(models.Model):
    """One event of an answer's log. It is committed before any client sees it."""

    pk = models.CompositePrimaryKey("answer_id", "seq")
    answer = models.ForeignKey(Answer, on_delete=models.CASCADE, related_name="events")
    seq = models.PositiveIntegerField()  # from 1, without gaps
    # One of chat.log.events, or "deltas" or "thinkings": several of them, merged by chat.log.compaction
    kind = models.CharField(max_length=12)
    data = models.JSONField(default=dict)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("seq",)

    def __str__(self) -> str:
        return f"{self.answer_id} {self.seq} {self.kind}"


class AnswerPassage(models.Model):
    """A passage as the prompt quoted it. The answer keeps it even if the document is deleted."""

    answer = models.ForeignKey(Answer, on_delete=models.CASCADE, related_name="passages")
    number = models.PositiveSmallIntegerField()  # from 1, as cited: [1]
    document = models.ForeignKey(Document, null=True, on_delete=models.SET_NULL, related_name="+")
    document_title = models.CharField(max_length=300)
    section = models.PositiveIntegerField()  # Section.position
    start = models.PositiveIntegerField()  # character offset in the section's text
    end = models.PositiveIntegerField()
    text = models.TextField()
    title_path = models.JSONField(default=list)
    page = models.PositiveIntegerField(null=True)
    # It came with an imported conversation, so it is no proof of what a document says.
    is_imported = models.BooleanField(default=False, db_default=False)

    class Meta:
        ordering = ("number",)
        constraints = [models.UniqueConstraint(fields=["answer", "number"], name="one_passage_per_number")]

    def __str__(self) -> str:
        return f"{self.answer_id} [{self.number}]"


class AnswerRating(models.Model):
    """A user's rating of an answer. Operators can read it, and evaluations may use it."""

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
    """A summary of the messages that no longer fit a prompt (chat.answering.session_summary).

    One row per session.
    """

    class Status(models.TextChoices):
        IDLE = "idle", "As it stands"
        QUEUED = "queued", "To be written"
        RUNNING = "running", "Being written"

    session = models.OneToOneField(Session, on_delete=models.CASCADE, primary_key=True)
    text = models.TextField(blank=True)
    # The last turn that it covers; null if there is no summary. Deleting the turn deletes the summary too.
    last_turn = models.ForeignKey(Turn, null=True, on_delete=models.CASCADE, related_name="+")
    written_at = models.DateTimeField(null=True)
    is_off = models.BooleanField(default=False)  # the user switched summaries off
    # The session gets a title from the same place in the queue (chat.answering.session_title).
    is_title_due = models.BooleanField(default=False, db_default=False)
    # Why the last attempt failed, as a sentence. `text` is then still the previous summary.
    error = models.TextField(blank=True)
    # Its place in the queue of answers, and the fencing token and lease of the process that writes it
    status = models.CharField(max_length=10, choices=Status, default=Status.IDLE)
    endpoint = models.ForeignKey(Endpoint, null=True, on_delete=models.SET_NULL, related_name="+")
    queued_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    fence = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    # Usage, summed over all of its versions
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
            ),  # for the runner's claim
        ]

    def __str__(self) -> str:
        return f"{self.session_id}: {self.status}"

    @property
    def is_on(self) -> bool:
        return not self.is_off

    @property
    def is_due(self) -> bool:
        return self.status != self.Status.IDLE


class SharedLink(models.Model):
    """A link under which others read a conversation as it was when the link was made or updated (chat.sharing).

    Its address follows from its id (chat.sharing.tokens), so it is not stored.
    """

    class Audience(models.TextChoices):
        USERS = "users", "People who are logged in here"
        MEMBERS = "members", "Members of its workspaces"
        ANYBODY = "anybody", "Anybody with the link"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="shared_links")
    name = models.CharField(max_length=120)  # the heading that readers see
    audience = models.CharField(max_length=10, choices=Audience, default=Audience.USERS)
    names_owner = models.BooleanField(default=False)  # whether readers see who shared it
    # chat.sharing.snapshot.Snapshot: which turns and answers are shown. Their words stay in their own rows.
    snapshot = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)
    taken_at = models.DateTimeField()  # when the snapshot was made
    ends_at = models.DateTimeField()

    class Meta:
        ordering = ("-created_at",)
        indexes = [models.Index(fields=["ends_at"], name="shared_link_end")]  # for the cleaning

    def __str__(self) -> str:
        return f"link {self.pk}"


class SharingPolicy(models.Model):
    """What operators allow of sharing conversations. There is one row at most; without it, the defaults hold."""

    is_on = models.BooleanField(
        "conversations can be shared",
        default=True,
        help_text="If this is off, no link opens and none can be made. The links stay, for when it is on again.",
    )
    most_days = models.PositiveSmallIntegerField(
        "longest life of a link, in days",
        default=365,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text="A new link lives 30 days, or as long as this if that is less. A lower number does not shorten "
        "links that exist.",
    )
    allows_anybody = models.BooleanField(
        "links for anybody, without a login",
        default=False,
        help_text="If this is off, a link for anybody asks for a login.",
    )
    open_workspaces = models.ManyToManyField(
        Workspace,
        blank=True,
        related_name="+",
        verbose_name="workspaces that anybody may read",
        help_text="Links for anybody show answers that rest on the documents of the lowest access level in these "
        "workspaces, and answers that rest on no document. They withhold all other answers.",
    )

    class Meta:
        verbose_name = "sharing of conversations"
        verbose_name_plural = "sharing of conversations"

    def __str__(self) -> str:
        return "Sharing of conversations"


class TemporaryUsage(models.Model):
    """What an answer or a summary of a temporary chat has cost. It stays when the chat is deleted, without words."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    endpoint = models.ForeignKey(Endpoint, null=True, on_delete=models.SET_NULL, related_name="+")
    endpoint_name = models.CharField(max_length=80)
    input_tokens = models.PositiveIntegerField()
    output_tokens = models.PositiveIntegerField()
    cost = models.DecimalField(max_digits=12, decimal_places=6)  # US dollars
    asked_at = models.DateTimeField()

    class Meta:
        verbose_name = verbose_name_plural = "usage of temporary chats"
        ordering = ("-asked_at",)
        indexes = [models.Index(fields=["-asked_at"], name="temporary_usage_newest")]  # the admin's list

    def __str__(self) -> str:
        return f"{self.endpoint_name}: {self.asked_at}"

    @property
    def is_any(self) -> bool:
        return bool(self.input_tokens or self.output_tokens or self.cost)


class Import(models.Model):
    """A file of conversations that a user brings along, and what became of it (chat.transfer.importer)."""

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Being read"
        FINISHED = "finished", "Finished"
        FAILED = "failed", "Failed"

    ENDED = (Status.FINISHED, Status.FAILED)
    KEPT = timedelta(days=90)  # the row, after its end; the file goes at the end

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="imports")
    name = models.CharField(max_length=200)  # of the file
    size_bytes = models.PositiveBigIntegerField()
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    error = models.TextField(blank=True)  # a sentence for users
    # Conversations: those that were looked at, added, there already, and left out
    done = models.PositiveIntegerField(default=0)
    added = models.PositiveIntegerField(default=0)
    already_here = models.PositiveIntegerField(default=0)
    # What was left out of the conversations, or of the file: how many, by kind (chat.transfer.left_out)
    left_out = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)
    # The fencing token and lease of the worker that reads it. Each claim is one attempt.
    fence = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-created_at",)
        indexes = [
            models.Index(fields=["user", "-created_at"], name="imports_of_user"),  # the page
            models.Index(
                fields=["status"],
                name="import_to_claim",
                condition=models.Q(status__in=["waiting", "running"]),
            ),  # for the workers
        ]

    def __str__(self) -> str:
        return f"import of {self.user_id}: {self.status}"  # operators read it, and the file's name is private

    @property
    def key(self) -> str:
        """Return the name of its file in the storage."""
        return f"imports/{self.pk}"

    @property
    def has_ended(self) -> bool:
        return self.status in self.ENDED


class ImportedSession(models.Model):
    """Where a session was imported from, so that a second import of it makes no double."""

    session = models.OneToOneField(
        Session, on_delete=models.CASCADE, primary_key=True, related_name="imported"
    )
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    origin = models.CharField(max_length=120)  # "chatgpt 6712...": the kind of the file, and the id in it

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "origin"], name="one_import_per_origin")]

    def __str__(self) -> str:
        return self.origin


class LastTurn(models.Model):
    """When a runner last claimed an answer of this user while other users waited.

    chat.queue.claims schedules fairly by it: it serves first the user for whom this was longest ago.
    """

    user = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="+")
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.user_id}: {self.at}"


class IndexedText(models.Model):
    """The terms of one text that people search: a title, a question, or an answer with its question.

    Each lexeme begins with the id of the user (chat.finding.text_index), so a search reads only the user's own part of
    the index, and so does a search for words that begin with some letters.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="+")
    turn = models.ForeignKey(Turn, null=True, on_delete=models.CASCADE, related_name="+")  # null: the title
    answer = models.ForeignKey(Answer, null=True, on_delete=models.CASCADE, related_name="+")
    words = SearchVectorField()
    language = models.CharField(max_length=8)  # detected; an ISO 639 code
    analyzer = models.PositiveSmallIntegerField()  # inference.language.analyzer.VERSION

    class Meta:
        indexes = [
            GinIndex(fields=["words"], name="indexed_words", fastupdate=False),
            models.Index(fields=["user", "language"], name="indexed_languages"),
            models.Index(fields=["analyzer"], name="indexed_analyzer"),  # the rows of an earlier analyzer
        ]

    def __str__(self) -> str:
        return f"{self.session_id}: {self.answer_id or self.turn_id or 'title'}"


class SavedPrompt(models.Model):
    """A text that people insert into the composer by its name: `/name`. It belongs to a user, or to a workspace."""

    owner = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="saved_prompts")
    workspace = models.ForeignKey(Workspace, null=True, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=40)  # lower case, without the slash
    text = models.TextField()  # {{a name}} is a place that its user fills in
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)
        constraints = [
            models.CheckConstraint(
                condition=models.Q(owner=None) ^ models.Q(workspace=None),
                name="prompt_of_a_user_or_a_workspace",
            ),
            models.UniqueConstraint(fields=["owner", "name"], name="one_own_prompt_per_name"),
            models.UniqueConstraint(fields=["workspace", "name"], name="one_prompt_per_name_of_a_workspace"),
        ]

    def __str__(self) -> str:
        return f"/{self.name}"
