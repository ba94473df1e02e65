from django.contrib.auth.views import LogoutView
from django.urls import path

from .keys import api_keys, revoke_key
from .login import ChangePassword, RateLimitedLogin
from .profile import account

urlpatterns = [
    path("login/", RateLimitedLogin.as_view(), name="login"),
    path("account/", account, name="account"),
    path("account/keys/", api_keys, name="api-keys"),
    path("account/keys/<int:key_id>/revoke/", revoke_key, name="api-key-revoke"),
    path("account/password/", ChangePassword.as_view(), name="change-password"),
    path("logout/", LogoutView.as_view(), name="logout"),
]
