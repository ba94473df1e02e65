from django.contrib import admin
from django.urls import include, path

from . import api
from .pages.diagrams import diagram_frame
from .pages.guide import guide
from .personal_data.views import own_data

handler400 = "ragsite.door.refusals.handle_400"
handler404 = "ragsite.door.refusals.handle_404"
handler500 = "ragsite.door.refusals.handle_500"
urlpatterns = [
    path("", include("accounts.pages.urls")),
    path("account/data/", own_data, name="own-data"),
    path("diagram/", diagram_frame, name="diagram-frame"),
    path("help/", guide, name="guide"),
    path("help/<slug:slug>/", guide, name="help"),
    path("", include("chat.urls")),
    path("", include("workspaces.urls")),
    path("", include("documents.urls")),
    path("", include(api.urlpatterns)),
    path("admin/", admin.site.urls),
]
