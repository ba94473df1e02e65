from django.urls import path

from . import comparison_views, views

_WORKSPACE = "workspaces/<uuid:workspace_id>/"
_DOCUMENT = _WORKSPACE + "documents/<uuid:document_id>/"

urlpatterns = [
    path("workspaces/", views.workspaces, name="workspaces"),
    path(_WORKSPACE, views.documents, name="workspace"),
    path(_WORKSPACE + "add/", views.add, name="workspace-add"),
    path(_WORKSPACE + "search/", views.search, name="workspace-search"),
    path(_WORKSPACE + "chunking/", comparison_views.compare, name="workspace-chunking"),
    path(_WORKSPACE + "documents/delete/", views.delete_selected, name="documents-delete"),
    path(_DOCUMENT, views.document, name="document"),
    path(_DOCUMENT + "download/", views.download, name="document-download"),
    path(_DOCUMENT + "retry/", views.retry, name="document-retry"),
    path(_DOCUMENT + "language/", views.language, name="document-language"),
    path(_DOCUMENT + "delete/", views.delete, name="document-delete"),
]
