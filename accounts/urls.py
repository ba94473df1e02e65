from django.contrib.auth.views import LogoutView
from django.urls import path

from .views import ChangePassword, RateLimitedLogin

urlpatterns = [
    path("login/", RateLimitedLogin.as_view(), name="login"),
    path("account/password/", ChangePassword.as_view(), name="change-password"),
    path("logout/", LogoutView.as_view(), name="logout"),
]
