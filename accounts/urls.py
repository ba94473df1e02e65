from django.contrib.auth.views import LogoutView
from django.urls import path

from .views import RateLimitedLogin

urlpatterns = [
    path("login/", RateLimitedLogin.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
]
