"""The REST API's views know who asks."""

from typing import cast

from core.rest import views

from .models import ApiKey, User


class ApiView(views.ApiView):
    @property
    def user(self) -> User:
        """The person or program that asks; the permission has made sure that there is one."""
        return cast(User, self.request.user)

    @property
    def key(self) -> ApiKey | None:
        """The key they came with; None: they came through the login."""
        return cast(ApiKey | None, self.request.auth)
