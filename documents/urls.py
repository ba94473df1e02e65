from django.urls import path

from . import ledger_views, views

_WORKSPACE = "workspaces/<uuid:workspace_id>/"
_DOCUMENT = _WORKSPACE + "documents/<uuid:document_id>/"

urlpatterns = [
    path("workspaces/", views.workspaces, name="workspaces"),
    path(_WORKSPACE, views.documents, name="workspace"),
    path(_WORKSPACE + "add/", views.add, name="workspace-add"),
    path(_WORKSPACE + "search/", views.search, name="workspace-search"),
    path(_WORKSPACE + "index/", ledger_views.index, name="workspace-index"),
    path(_WORKSPACE + "strip/", ledger_views.strip, name="workspace-strip"),
    path(_WORKSPACE + "documents/replay/", ledger_views.replay_failed, name="documents-replay"),
    path(_WORKSPACE + "documents/delete/", views.delete_selected, name="documents-delete"),
    path(_DOCUMENT, views.document, name="document"),
    path(_DOCUMENT + "download/", views.download, name="document-download"),
    path(_DOCUMENT + "retry/", views.retry, name="document-retry"),
    path(_DOCUMENT + "delete/", views.delete, name="document-delete"),
]
