"""The laboratory: pages on which users compare models and search configurations. They change nothing."""

from collections.abc import Callable
from typing import Any

from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache

from accounts.http import UserRequest
from documents.fields.filters import filters_in
from documents.pages.filter_inputs import filter_context
from workspaces.errors import InvalidValue

from .compare_models import ModelResult, rankings, similarities
from .compare_searches import beside
from .forms import ConfigForm, EmbeddingsForm, RankingForm, SearchForm


def laboratory(request: UserRequest) -> HttpResponse:
    return redirect("laboratory-search")


@never_cache
def search(request: UserRequest) -> HttpResponse:
    """Search a question with two configurations. The URL contains everything, so that users can share it."""
    asked = request.GET if "q" in request.GET else None
    form = SearchForm(request.user, asked, initial={"workspace": request.GET.get("workspace")})
    forms = [ConfigForm(asked, prefix=name) for name in ("a", "b")]
    context: dict[str, Any] = {"configs": list(zip("AB", forms, strict=True))} | _filtering(request, form)
    if all(each.is_valid() for each in (form, *forms)):
        workspace, question = form.cleaned_data["workspace"], form.cleaned_data["q"]
        configs = [each.config(workspace) for each in forms]
        try:
            ways = beside(request.user, workspace, question, filters_in(request.GET), configs)
        except InvalidValue as problem:
            form.add_error(None, str(problem))
        else:
            context |= {
                "outcomes": list(zip(("Search A", "Search B"), ways, strict=True)),
                "workspace": workspace,
            }
            context["is_same"] = configs[0] == configs[1]
    return _page(request, "search", form, context)


@never_cache
def filters(request: UserRequest) -> HttpResponse:
    """Render the filter inputs for the workspace in `?workspace=`: a part of the page."""
    form = SearchForm(request.user, initial={"workspace": request.GET.get("workspace")})
    return render(request, "documents/_filter_fold.html", _filtering(request, form))


def _filtering(request: UserRequest, form: SearchForm) -> dict[str, Any]:
    workspace = form.chosen
    return filter_context(request.user, workspace, filters_in(request.GET)) if workspace else {}


@never_cache
def embeddings(request: UserRequest) -> HttpResponse:
    return _show_comparison(request, "embeddings", EmbeddingsForm(request.POST or None), similarities)


@never_cache
def ranking(request: UserRequest) -> HttpResponse:
    return _show_comparison(request, "ranking", RankingForm(request.POST or None), rankings)


def _show_comparison(
    request: UserRequest, tab: str, form: Form, compare: Callable[..., list[ModelResult[Any]]]
) -> HttpResponse:
    """Show the results of the models. The form's fields are the arguments of `compare`."""
    outcomes = compare(request.user, **form.cleaned_data) if form.is_valid() else []
    return _page(request, tab, form, {"outcomes": [(each.endpoint.name, each) for each in outcomes]})


def _page(request: UserRequest, tab: str, form: Form, context: dict[str, Any]) -> HttpResponse:
    template = f"documents/laboratory/{'_' if request.htmx else ''}{tab}.html"
    return render(request, template, {"tab": tab, "form": form, **context})
