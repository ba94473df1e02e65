from django.urls import path

from . import adding, bucket_events, views

_WORKSPACE = "workspaces/<uuid:workspace_id>/"
_DOCUMENT = _WORKSPACE + "documents/<uuid:document_id>/"

urlpatterns = [
    path("s3-events", bucket_events.s3_events, name="s3-events"),
    path("workspaces/", views.workspaces, name="workspaces"),
    path(_WORKSPACE, views.documents, name="workspace"),
    path(_WORKSPACE + "add/", adding.files, name="workspace-add"),
    path(_WORKSPACE + "add/text/", adding.text, name="workspace-add-text"),
    path(_WORKSPACE + "add/questions/", adding.pairs, name="workspace-add-pairs"),
    path(_WORKSPACE + "add/questions/table/", adding.pairs_file, name="workspace-add-pairs-file"),
    path(_WORKSPACE + "search/", views.search, name="workspace-search"),
    path(_WORKSPACE + "documents/retry/", views.retry_selected, name="documents-retry"),
    path(_WORKSPACE + "documents/delete/", views.delete_selected, name="documents-delete"),
    path(_DOCUMENT, views.document, name="document"),
    path(_DOCUMENT + "edit/", adding.edit, name="document-edit"),
    path(_DOCUMENT + "download/", views.download, name="document-download"),
    path(_DOCUMENT + "retry/", views.retry, name="document-retry"),
    path(_DOCUMENT + "delete/", views.delete, name="document-delete"),
]
