from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django_htmx.http import HttpResponseClientRefresh

from accounts import known_browser
from accounts.models import User, record

from .password_forms import LimitedAttempts, LoginForm, OwnPasswordForm


class _ReplyWhenLimited:
    """Replies with status 429 while the user has to wait after too many wrong passwords."""

    def form_invalid(self, form: Form) -> HttpResponse:
        response: HttpResponse = super().form_invalid(form)  # type: ignore[misc]
        if isinstance(form, LimitedAttempts) and form.wait_s:
            response.status_code = 429
            response["Retry-After"] = str(form.wait_s)
        return response


# This override replaces LoginView's decorated dispatch.
@method_decorator(login_not_required, name="dispatch")
class RateLimitedLogin(_ReplyWhenLimited, LoginView):
    form_class = LoginForm
    template_name = "accounts/login.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # htmx requested a part of a page after the login had expired: reload the whole page to show the
        # login.
        if request.htmx:  # type: ignore[attr-defined]
            return HttpResponseClientRefresh()
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        known_browser.remember(response, form.get_user().get_username())
        return response


class ChangePassword(_ReplyWhenLimited, PasswordChangeView):
    """Changes the user's own password. Django ends the user's other login sessions."""

    form_class = OwnPasswordForm
    template_name = "accounts/password.html"
    success_url = reverse_lazy("workspaces")

    def form_valid(self, form: Form) -> HttpResponse:
        user = cast(User, self.request.user)
        response = super().form_valid(cast(OwnPasswordForm, form))
        record(user, "user.password", user.username)
        messages.success(self.request, "Your password was changed.")
        return response
