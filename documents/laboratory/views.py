"""Pages on which people try models and ways of searching. Nothing changes by them."""

from collections.abc import Sequence
from typing import Any

from asgiref.sync import async_to_sync
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache

from accounts.http import UserRequest
from documents.access import where_for
from documents.retrieval import Scope
from workspaces.models import Metric

from .forms import ConfigForm, EmbeddingsForm, RankingForm, SearchForm
from .models_beside import Outcome, Similarities, rankings, similarities
from .searches_beside import beside

_LEVELS = 10  # of the heat map


def laboratory(request: UserRequest) -> HttpResponse:
    return redirect("laboratory-search")


@never_cache
def search(request: UserRequest) -> HttpResponse:
    """A question searched in two ways; the address holds it all, so that it can be passed on."""
    asked = request.GET if "q" in request.GET else None
    form = SearchForm(request.user, asked, initial={"workspace": request.GET.get("workspace")})
    forms = [ConfigForm(asked, prefix=name) for name in ("a", "b")]
    context: dict[str, Any] = {"form": form, "configs": list(zip("AB", forms, strict=True))}
    if all(each.is_valid() for each in (form, *forms)):
        workspace = form.cleaned_data["workspace"]
        configs = [each.config(workspace) for each in forms]
        ways = beside(
            request.user,
            Scope(workspace, where_for(request.user, workspace, {})),
            form.cleaned_data["q"],
            configs,
        )
        context |= {"ways": list(zip("AB", ways, strict=True)), "workspace": workspace}
        context["is_same"] = configs[0] == configs[1]
    return _page(request, "search", context)


@never_cache
def embeddings(request: UserRequest) -> HttpResponse:
    form = EmbeddingsForm(request.POST or None)
    context: dict[str, Any] = {"form": form}
    if form.is_valid():
        asked = form.cleaned_data
        metric = Metric(asked["metric"])
        outcomes = async_to_sync(similarities)(asked["texts"], list(asked["models"]), metric, asked["role"])
        context |= {"maps": [_heat_map(each, asked["texts"], metric) for each in outcomes], "metric": metric}
    return _page(request, "embeddings", context)


@never_cache
def ranking(request: UserRequest) -> HttpResponse:
    form = RankingForm(request.POST or None)
    context: dict[str, Any] = {"form": form}
    if form.is_valid():
        asked = form.cleaned_data
        context["outcomes"] = async_to_sync(rankings)(
            asked["question"], asked["passages"], list(asked["models"])
        )
    return _page(request, "ranking", context)


def _page(request: UserRequest, tab: str, context: dict[str, Any]) -> HttpResponse:
    template = f"documents/laboratory/{'_' if request.htmx else ''}{tab}.html"
    return render(request, template, {"tab": tab, **context})


def _heat_map(outcome: Outcome[Similarities], texts: Sequence[str], metric: Metric) -> dict[str, Any]:
    """Return a model's matrix as rows of a text with its numbers, each with how warm it is, 0 to _LEVELS."""
    rows = []
    if outcome.result:
        largest = max(max(map(abs, row)) for row in outcome.result.matrix) or 1.0
        for text, values in zip(texts, outcome.result.matrix, strict=True):
            rows.append((text, [(value, _level(value, largest, metric)) for value in values]))
    return {"outcome": outcome, "rows": rows}


def _level(value: float, largest: float, metric: Metric) -> int:
    share = (
        1 - value / largest if metric == Metric.L2 else value / (1 if metric == Metric.COSINE else largest)
    )
    return round(_LEVELS * min(1.0, max(0.0, share)))
