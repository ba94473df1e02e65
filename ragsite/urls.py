from django.contrib import admin
from django.urls import include, path

from . import api

urlpatterns = [
    path("", include("accounts.urls")),
    path("", include("chat.urls")),
    path("", include("workspaces.urls")),
    path("", include("documents.urls")),
    path("", include(api.urlpatterns)),
    path("admin/", admin.site.urls),
]
