from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django_htmx.http import HttpResponseClientRefresh

from .forms import LoginForm


# This override replaces LoginView's decorated dispatch.
@method_decorator(login_not_required, name="dispatch")
class RateLimitedLogin(LoginView):
    form_class = LoginForm
    template_name = "accounts/login.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # htmx requested a part of a page after the login had expired: reload the whole page to show the
        # login.
        if request.htmx:  # type: ignore[attr-defined]
            return HttpResponseClientRefresh()
        return super().dispatch(request, *args, **kwargs)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_invalid(form)
        if isinstance(form, LoginForm) and form.wait_s:
            response.status_code = 429
            response["Retry-After"] = str(form.wait_s)
        return response
