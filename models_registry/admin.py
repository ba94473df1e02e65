"""Admin of models: add a model in two steps, see its health, check it, see which rows use it."""

from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.views.decorators.http import require_POST

from accounts.changes import form_changes
from accounts.models import User, record
from core.admin.cells import time_ago
from inference.providers import PROVIDERS

from . import probe
from .forms import PREFIX, endpoint_form, option_fields
from .models import Endpoint
from .status_filters import HealthFilter, ProviderFilter, health_of

KINDS = {
    Endpoint.Kind.CHAT: "Writes the answers.",
    Endpoint.Kind.EMBEDDING: "Turns text into vectors, so that search can find passages by meaning.",
    Endpoint.Kind.RERANKER: "Reads a question and a passage together and scores how well they fit.",
}


@admin.register(Endpoint)
class EndpointAdmin(admin.ModelAdmin[Endpoint]):
    list_display = (
        "name", "health", "kind", "provider_label", "model", "checked", "latency", "in_use_by", "price", "licence",
        "size",
    )  # fmt: skip
    list_filter = ("kind", HealthFilter, ProviderFilter)
    search_fields = ("name", "model", "note")
    actions = ("check_selected",)
    show_facets = admin.ShowFacets.ALWAYS
    save_on_top = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Endpoint]:
        return super().get_queryset(request).prefetch_related(*Endpoint.protecting_relations())

    # --- columns and read-only fields ---------------------------------------------------------

    @admin.display(description="provider", ordering="provider")
    def provider_label(self, endpoint: Endpoint) -> str:
        provider = PROVIDERS.get(endpoint.provider)
        return provider.label if provider else f"{endpoint.provider} (unknown)"

    @admin.display(description="health", ordering="last_check_ok")
    def health(self, endpoint: Endpoint) -> str:
        state, label = health_of(endpoint)
        return format_html('<span class="state {}">{}</span>', state, label)

    @admin.display(description="last check", ordering="last_check_at")
    def checked(self, endpoint: Endpoint) -> str:
        return time_ago(endpoint.last_check_at)

    @admin.display(description="latency", ordering="last_check_ms")
    def latency(self, endpoint: Endpoint) -> str:
        return "–" if endpoint.last_check_ms is None else f"{endpoint.last_check_ms:,} ms"

    @admin.display(description="in use by")
    def in_use_by(self, endpoint: Endpoint) -> str:
        links = [(_admin_url(row), str(row)) for row in endpoint.used_by()]
        return format_html_join(", ", '<a href="{}">{}</a>', links) or "–"

    @admin.display(description="price", ordering="output_price")
    def price(self, endpoint: Endpoint) -> str:
        if not endpoint.input_price and not endpoint.output_price:
            return "–"
        return f"${endpoint.input_price.normalize():f} / ${endpoint.output_price.normalize():f}"

    @admin.display(description="size", ordering="size_bytes")
    def size(self, endpoint: Endpoint) -> str:
        return filesizeformat(endpoint.size_bytes) if endpoint.size_bytes else "–"

    @admin.display(description="context reported by its server")
    def served_context(self, endpoint: Endpoint) -> str:
        found = endpoint.served_context_tokens
        counts = f", counted by {endpoint.tokenizer}'s tokenizer near the limit" if endpoint.tokenizer else ""
        return f"{found:,} tokens{counts}" if found else "Not reported."

    @admin.display(description="last error")
    def error(self, endpoint: Endpoint) -> str:
        return endpoint.last_error or "–"

    # --- the form -----------------------------------------------------------------------------

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        chosen = _read_choice(request)
        if chosen is None:
            return self._choose(request)
        title = f"Add a {Endpoint.Kind(chosen[1]).label.lower()}"
        return super().add_view(request, form_url, {**(extra_context or {}), "title": title})

    def _choose(self, request: HttpRequest) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        kinds = [
            (kind, sentence, [(key, each) for key, each in PROVIDERS.items() if each.supports(kind)])
            for kind, sentence in KINDS.items()
        ]
        context = {
            **self.admin_site.each_context(request),
            "title": "Add a model",
            "opts": self.opts,
            "kinds": kinds,
        }
        return TemplateResponse(request, "admin/models_registry/endpoint/choose.html", context)

    def get_form(
        self, request: HttpRequest, obj: Endpoint | None = None, change: bool = False, **kwargs: Any
    ) -> type[ModelForm[Endpoint]]:
        provider, kind = (obj.provider, obj.kind) if obj else _read_choice(request) or ("", "")
        form = endpoint_form(provider, kind)
        return super().get_form(request, obj, change, **kwargs | {"form": form})

    def get_fieldsets(self, request: HttpRequest, obj: Endpoint | None = None) -> Any:
        provider_key, kind = (obj.provider, obj.kind) if obj else _read_choice(request) or ("", "")
        provider = PROVIDERS[provider_key]
        reached = [
            *(["model"] if provider.needs_model else []),
            *option_fields(provider_key, kind),
            *(["secret_ref"] if provider.takes_secret else []),
        ]
        locked = (
            f" In use by {', '.join(str(row) for row in obj.used_by())}, whose passages hold its vectors: "
            "the model and its dimensions cannot change. You may change its address if the new one serves "
            "the same model. To use another model, add another endpoint."
            if obj and obj.is_locked
            else ""
        )
        return [
            *([_LAST_CHECK] if obj else []),
            ("Display", {"fields": ("name", "note", "is_enabled", "rank")}),
            (
                f"Connection: {provider.label}",
                {
                    "fields": ("kind", "provider_label", *reached),
                    "description": provider.description + locked,
                },
            ),
            *_KIND_FIELDSETS[kind],
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Endpoint | None = None) -> tuple[str, ...]:
        always = (
            "kind",
            "provider_label",
            "dimensions",
            "served_context",
            "health",
            "checked",
            "latency",
            "error",
            "in_use_by",
        )
        return (*always, "model") if obj and obj.is_locked else always

    def has_delete_permission(self, request: HttpRequest, obj: Endpoint | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and obj.used_by())

    def save_model(
        self, request: HttpRequest, obj: Endpoint, form: ModelForm[Endpoint], change: bool
    ) -> None:
        changed = any(name == "model" or name.startswith(PREFIX) for name in form.changed_data)
        if changed and not obj.is_locked:
            # The check that follows detects these again.
            obj.dimensions, obj.served_context_tokens, obj.tokenizer = None, None, ""
        super().save_model(request, obj, form, change)
        action = "endpoint.change" if change else "endpoint.add"
        record(_operator(request), action, obj.name, id=str(obj.pk), changes=form_changes(form, PREFIX))
        # After the commit, so that a slow model does not keep a transaction open.
        transaction.on_commit(lambda: self._check(request, obj))

    def delete_model(self, request: HttpRequest, obj: Endpoint) -> None:
        record(_operator(request), "endpoint.delete", obj.name, id=str(obj.pk))
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> None:
        for endpoint in queryset:
            self.delete_model(request, endpoint)

    # --- Check --------------------------------------------------------------------------------

    @admin.action(description="Check: make one tiny real call to each")
    def check_selected(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> None:
        endpoints = list(queryset)
        probe.probe_each(endpoints)
        for endpoint in endpoints:
            self._report(request, endpoint)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.check_view))
        return [
            path("<uuid:endpoint_id>/check/", view, name="models_registry_endpoint_check"),
            *super().get_urls(),
        ]

    def check_view(self, request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
        endpoint = get_object_or_404(Endpoint, pk=endpoint_id)
        self._check(request, endpoint)
        return HttpResponseRedirect(_admin_url(endpoint))

    def _check(self, request: HttpRequest, endpoint: Endpoint) -> None:
        probe.probe(endpoint)
        self._report(request, endpoint)

    def _report(self, request: HttpRequest, endpoint: Endpoint) -> None:
        if endpoint.last_check_ok:
            found = f", {endpoint.dimensions} dimensions" if endpoint.dimensions else ""
            if endpoint.served_context_tokens:
                found = f", and takes {endpoint.served_context_tokens:,} tokens"
            self.message_user(request, f"{endpoint.name} answered in {endpoint.last_check_ms:,} ms{found}.")
        else:
            sentence = f"{endpoint.name} is not healthy: {endpoint.last_error}"
            self.message_user(request, sentence, messages.WARNING)


_LAST_CHECK = ("Health", {"fields": (("health", "checked", "latency"), "error", "in_use_by")})
_COSTS = ("Licence and costs", {"fields": ("licence", "size_bytes", ("input_price", "output_price"))})
_TIMEOUT = "How many seconds Ragsite waits before the model counts as down."
_BRIEF_TIMEOUT = (
    "Timeouts",
    {
        "fields": ("connect_timeout_s", "whole_reply_timeout_s"),
        "description": _TIMEOUT,
        "classes": ("collapse",),
    },
)
_KIND_FIELDSETS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    Endpoint.Kind.CHAT: [
        ("Limits", {"fields": ("context_tokens", "served_context", "max_concurrent")}),
        (
            "Timeouts",
            {
                "fields": (
                    "connect_timeout_s",
                    "first_token_timeout_s",
                    "between_tokens_timeout_s",
                    "whole_reply_timeout_s",
                ),
                "description": _TIMEOUT,
                "classes": ("collapse",),
            },
        ),
        _COSTS,
    ],
    Endpoint.Kind.EMBEDDING: [
        ("Vectors", {"fields": ("dimensions",)}),
        _BRIEF_TIMEOUT,
        _COSTS,
    ],
    Endpoint.Kind.RERANKER: [
        _BRIEF_TIMEOUT,
        _COSTS,
    ],
}


def _read_choice(request: HttpRequest) -> tuple[str, str] | None:
    """Return the provider and kind from the first step, or None if they do not fit together."""
    provider, kind = request.GET.get("provider", ""), request.GET.get("kind", "")
    return (provider, kind) if provider in PROVIDERS and PROVIDERS[provider].supports(kind) else None


def _admin_url(row: Any) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def _operator(request: HttpRequest) -> User:
    return cast(User, request.user)
