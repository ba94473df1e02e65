"""The models that can be called, with their health and their prices."""

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from inference.errors import Misconfigured
from inference.providers import PROVIDERS, parse_options
from inference.types import Deadlines, EndpointSpec, ServerFacts

from . import secrets
from .errors import OtherModel

_SECONDS = [MinValueValidator(0.1), MaxValueValidator(600)]
_PRICE = [MinValueValidator(0)]
_ANSWERS_COUNT_FOR = timedelta(minutes=15)  # afterwards pings count again, as users avoid a failing model
CONTEXT_TOKENS = 4_096  # fallback if neither the operator nor the server states a limit


class EndpointQuerySet(models.QuerySet["Endpoint"]):
    def offered(self, kind: str) -> "EndpointQuerySet":
        """Return the models that a member may choose from, best first."""
        return self.filter(kind=kind, is_enabled=True).order_by("rank", "name")

    def writing(self) -> "EndpointQuerySet":
        """Return the models that generate text: `can_write`."""
        return self.filter(provider__in=[key for key, each in PROVIDERS.items() if each.writes])

    def default_chat(self) -> "Endpoint | None":
        """Return the first chat model by rank that was healthy at its last check."""
        return self.offered(Endpoint.Kind.CHAT).filter(last_check_ok=True).first()

    def default_writer(self) -> "Endpoint | None":
        """Return the same among the models that need no documents to answer."""
        return self.offered(Endpoint.Kind.CHAT).writing().filter(last_check_ok=True).first()


class Endpoint(models.Model):
    """A model we can call: provider, model id, options, secret reference, prices."""

    class Kind(models.TextChoices):
        CHAT = "chat", "Chat model"
        EMBEDDING = "embedding", "Embedding model"
        RERANKER = "reranker", "Cross-encoder"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(
        max_length=80, unique=True, help_text="As people see it where they choose a model."
    )
    kind = models.CharField(max_length=12, choices=Kind)
    provider = models.CharField(max_length=40)  # a key of PROVIDERS; checked in clean, so no migration
    model = models.CharField("model id", max_length=200, blank=True, help_text="As the provider names it.")
    options = models.JSONField(default=dict, blank=True)
    secret_ref = models.CharField(
        "secret reference",
        max_length=300,
        blank=True,
        help_text="Where the key lies, never the key: env:OPENAI_API_KEY or file:/run/secrets/openai.",
    )
    is_enabled = models.BooleanField("enabled", default=True)
    rank = models.PositiveSmallIntegerField(
        default=50, help_text="Lower is offered first; the first healthy chat model is the default."
    )
    note = models.CharField(
        max_length=200, blank=True, help_text="One line shown under the name, e.g. what it is good for."
    )
    # Deadlines, in seconds
    connect_timeout_s = models.FloatField(default=5, validators=_SECONDS)
    first_token_timeout_s = models.FloatField(default=120, validators=_SECONDS)
    between_tokens_timeout_s = models.FloatField(default=30, validators=_SECONDS)
    whole_reply_timeout_s = models.FloatField(
        default=120, db_default=120, validators=_SECONDS, help_text="For a reply that comes in one piece."
    )
    # Properties of the model
    dimensions = models.PositiveIntegerField(
        null=True, blank=True, help_text="Of an embedding. Filled by Check."
    )
    context_tokens = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(256)],
        help_text="Prompt and answer together, in the model's own tokens. Empty: what its server says, "
        f"else {CONTEXT_TOKENS:,}.",
    )
    # Reported by the server at a check
    served_context_tokens = models.PositiveIntegerField(null=True, editable=False)
    tokenizer = models.CharField(
        max_length=20, blank=True, default="", db_default="", editable=False
    )  # ServerFacts.tokenizer
    max_concurrent = models.PositiveSmallIntegerField(
        "answers at once",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Over all web processes; more wait. Empty: no limit.",
    )
    licence = models.CharField(max_length=80, blank=True)
    size_bytes = models.BigIntegerField(null=True, blank=True, help_text="Bytes of the weights on disk.")
    input_price = models.DecimalField(
        max_digits=10,
        decimal_places=4,
        default=Decimal(0),
        validators=_PRICE,
        help_text="US dollars per million tokens read.",
    )
    output_price = models.DecimalField(
        max_digits=10,
        decimal_places=4,
        default=Decimal(0),
        validators=_PRICE,
        help_text="US dollars per million tokens written.",
    )
    # The last check
    last_check_at = models.DateTimeField(null=True, editable=False)
    last_check_ok = models.BooleanField(null=True, editable=False)
    last_check_ms = models.PositiveIntegerField(null=True, editable=False)
    last_error = models.CharField(max_length=500, blank=True, editable=False)
    # When a real answer last failed; null once one succeeds. It outweighs the pings of the next while.
    answer_failed_at = models.DateTimeField(null=True, editable=False)
    # Of an embedding: since when another model answers than the one whose vectors are stored (identity.py)
    other_model_since = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    # Of a row that the installation made for a server of its own: which one, and the values that it wrote last. A
    # field that still has its value follows the settings at the next start; see ragsite/embedded/own_endpoints.py.
    seeded = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()), editable=False)

    objects = EndpointQuerySet.as_manager()

    class Meta:
        ordering = ("kind", "rank", "name")

    def __str__(self) -> str:
        return self.name

    def spec(self) -> EndpointSpec:
        """Return the argument of `inference.open_*`.

        Raises SecretMissing if the reference leads to no secret, and OtherModel for an embedding whose vectors
        would not fit the stored ones.
        """
        if self.other_model_since:
            raise OtherModel(self.last_error or "Another model answers at this address.")
        return self.unchecked_spec()

    def unchecked_spec(self) -> EndpointSpec:
        """Return the same for a check, which finds out whether the model is the right one. Raises SecretMissing."""
        deadlines = Deadlines(
            self.connect_timeout_s,
            self.first_token_timeout_s,
            self.between_tokens_timeout_s,
            self.whole_reply_timeout_s,
        )
        secret = secrets.resolve(self.secret_ref)
        return EndpointSpec(
            self.provider, self.model, self.options, secret, deadlines, self.name, self.tokenizer
        )

    @property
    def context_limit(self) -> int:
        """Tokens of prompt and answer together: the operator's limit, capped at the server's limit."""
        return min(filter(None, (self.context_tokens, self.served_context_tokens)), default=CONTEXT_TOKENS)

    def cost(self, input_tokens: int, output_tokens: int) -> Decimal:
        """Return the cost of a call in US dollars."""
        return (input_tokens * self.input_price + output_tokens * self.output_price) / 1_000_000

    def used_by(self) -> list[models.Model]:
        """Return the rows that depend on this endpoint: their foreign keys protect it from deletion."""
        return [row for name in self.protecting_relations() for row in getattr(self, name).all()]

    @classmethod
    def protecting_relations(cls) -> list[str]:
        """Return the names of the reverse relations of `used_by`, for prefetching.

        Django finds them, so apps above add theirs without a change here.
        """
        relations = [each for each in cls._meta.related_objects if each.on_delete is models.PROTECT]
        return [name for each in relations if (name := each.get_accessor_name())]

    @property
    def can_write(self) -> bool:
        """It generates text and does not only quote, so it can summarise and rewrite."""
        return self.kind == self.Kind.CHAT and PROVIDERS[self.provider].writes

    @property
    def is_locked(self) -> bool:
        """An embedding model in use cannot change, because workspaces hold its vectors.

        Others would not fit.
        """
        return self.kind == self.Kind.EMBEDDING and not self._state.adding and bool(self.used_by())

    def clean(self) -> None:
        provider = PROVIDERS.get(self.provider)
        if provider is None:
            raise ValidationError({"provider": f"Choose one of: {', '.join(PROVIDERS)}."})
        if not provider.supports(self.kind):
            raise ValidationError({"kind": f"{provider.label} offers no {self.get_kind_display().lower()}."})
        if provider.needs_model and not self.model:
            raise ValidationError({"model": f"{provider.label} has several models: fill in the model id."})
        self.options = self._check_options()
        secrets.validate(self.secret_ref)
        if not self._state.adding and self.used_by():
            self._check_unchanged()

    def _check_options(self) -> dict[str, Any]:
        """Return the validated options, with defaults for those that are missing."""
        try:
            return parse_options(self.provider, self.options).model_dump(mode="json")
        except Misconfigured as error:
            raise ValidationError({"options": str(error)}) from error

    def _check_unchanged(self) -> None:
        before = Endpoint.objects.get(pk=self.pk)
        # The options may change, because the server may move.
        fixed = ("kind", "provider", "model", "dimensions") if before.is_locked else ("kind",)
        if changed := [name for name in fixed if getattr(self, name) != getattr(before, name)]:
            users = ", ".join(str(row) for row in self.used_by())
            sentence = f"In use by {users}: this cannot change. Add another embedding model instead."
            raise ValidationError(dict.fromkeys(changed, sentence))

    def note_check(
        self,
        *,
        took_ms: int,
        error: str = "",
        dimensions: int | None = None,
        facts: ServerFacts = ServerFacts(),  # noqa: B008 - it is frozen
        is_ping: bool = False,
    ) -> None:
        """Store the result of a check. Do nothing if the endpoint was deleted meanwhile.

        is_ping: a routine check, which does not overrule a real answer that failed a while ago.
        """
        if is_ping and not error:
            error = self._failure_of_answers()
        else:
            self.answer_failed_at = None
        self.last_check_at = timezone.now()
        self.last_check_ok, self.last_check_ms, self.last_error = not error, took_ms, error[:500]
        self.other_model_since = self.other_model_since if error else None
        self.dimensions = self.dimensions or dimensions
        self.served_context_tokens = facts.context_tokens or self.served_context_tokens
        self.tokenizer = facts.tokenizer or self.tokenizer
        Endpoint.objects.filter(pk=self.pk).update(
            last_check_at=self.last_check_at,
            last_check_ok=self.last_check_ok,
            last_check_ms=self.last_check_ms,
            last_error=self.last_error,
            answer_failed_at=self.answer_failed_at,
            other_model_since=self.other_model_since,
            dimensions=self.dimensions,
            served_context_tokens=self.served_context_tokens,
            tokenizer=self.tokenizer,
        )

    def _failure_of_answers(self) -> str:
        """Return why a real answer failed lately, or "" if none did."""
        lately = timezone.now() - _ANSWERS_COUNT_FOR
        found = Endpoint.objects.filter(pk=self.pk, answer_failed_at__gt=lately)
        failed = found.values_list("answer_failed_at", "last_error").first()
        self.answer_failed_at, error = failed or (None, "")
        return error

    def note_other_model(self, error: str) -> None:
        """Store that another model answers at this address, unless that is known."""
        endpoint, now = Endpoint.objects.filter(pk=self.pk), timezone.now()
        endpoint.update(last_check_ok=False, last_error=error[:500])
        endpoint.filter(other_model_since=None).update(other_model_since=now)
        self.last_check_ok, self.last_error = False, error[:500]
        self.other_model_since = self.other_model_since or now

    def note_answer(self, error: str = "") -> None:
        """Store that a real answer failed with this error, or that one succeeded."""
        endpoint = Endpoint.objects.filter(pk=self.pk)
        if error:
            words = f"A real answer failed: {error}"[:500]
            endpoint.update(last_check_ok=False, last_error=words, answer_failed_at=timezone.now())
        else:
            endpoint.filter(last_check_ok=False).update(
                last_check_ok=True, last_error="", answer_failed_at=None
            )


class ReferenceVectors(models.Model):
    """The vectors of a few known texts by an embedding model, as of its first good check."""

    endpoint = models.OneToOneField(
        Endpoint, models.CASCADE, primary_key=True, related_name="reference_vectors"
    )
    vectors = models.JSONField()  # of identity.TEXTS, in their order
    recorded_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"Reference vectors of {self.endpoint_id}"
