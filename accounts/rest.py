"""Base class of the REST API's views that knows the authenticated user."""

from typing import cast

from core.rest import views

from .models import ApiKey, User


class ApiView(views.ApiView):
    @property
    def user(self) -> User:
        """The authenticated person or program; the permission class ensures that there is one."""
        return cast(User, self.request.user)

    @property
    def key(self) -> ApiKey | None:
        """The API key of this request, or None if it uses a login session."""
        return cast(ApiKey | None, self.request.auth)
