from django.urls import path

from .adding import bucket_events
from .fields import views as field_views
from .laboratory import chunking_views
from .laboratory import views as laboratory
from .pages import add, views
from .reindex import views as ledger_views
from .sources import views as sources

_WORKSPACE = "workspaces/<uuid:workspace_id>/"
_DOCUMENT = _WORKSPACE + "documents/<uuid:document_id>/"

urlpatterns = [
    path("s3-events", bucket_events.s3_events, name="s3-events"),
    path("workspaces/", views.workspaces, name="workspaces"),
    path(_WORKSPACE, views.documents, name="workspace"),
    path(_WORKSPACE + "add/", add.files, name="workspace-add"),
    path(_WORKSPACE + "add/text/", add.text, name="workspace-add-text"),
    path(_WORKSPACE + "add/questions/", add.pairs, name="workspace-add-pairs"),
    path(_WORKSPACE + "add/questions/table/", add.pairs_file, name="workspace-add-pairs-file"),
    path(_WORKSPACE + "add/website/", sources.website, name="workspace-add-website"),
    path(_WORKSPACE + "add/feed/", sources.feed, name="workspace-add-feed"),
    path(_WORKSPACE + "search/", views.search, name="workspace-search"),
    path("laboratory/", laboratory.laboratory, name="laboratory"),
    path("laboratory/search/", laboratory.search, name="laboratory-search"),
    path("laboratory/search/filters/", laboratory.filters, name="laboratory-filters"),
    path("laboratory/embeddings/", laboratory.embeddings, name="laboratory-embeddings"),
    path("laboratory/ranking/", laboratory.ranking, name="laboratory-ranking"),
    path("searches/<uuid:search_id>/", views.search_why, name="search-why"),
    path(_WORKSPACE + "index/", ledger_views.index, name="workspace-index"),
    path(_WORKSPACE + "strip/", views.status_bar, name="workspace-strip"),
    path(_WORKSPACE + "documents/replay/", views.replay_failed, name="documents-replay"),
    path(_WORKSPACE + "chunking/", chunking_views.compare, name="workspace-chunking"),
    path(_WORKSPACE + "documents/retry/", views.retry_selected, name="documents-retry"),
    path(_WORKSPACE + "documents/describe/", views.describe_selected, name="documents-describe"),
    path(_WORKSPACE + "fields/", field_views.fields, name="workspace-fields"),
    path(_WORKSPACE + "fields/levels/", field_views.levels, name="workspace-levels"),
    path(_WORKSPACE + "fields/<slug:field>/", field_views.change, name="workspace-field"),
    path(_WORKSPACE + "fields/<slug:field>/delete/", field_views.delete, name="workspace-field-delete"),
    path(_WORKSPACE + "documents/delete/", views.delete_selected, name="documents-delete"),
    path(_DOCUMENT, views.document, name="document"),
    path(_DOCUMENT + "edit/", add.edit, name="document-edit"),
    path(_DOCUMENT + "download/", views.download, name="document-download"),
    path(_DOCUMENT + "retry/", views.retry, name="document-retry"),
    path(_DOCUMENT + "options/", sources.change, name="document-options"),
    path(_DOCUMENT + "stop/", sources.stop, name="document-stop"),
    path(_DOCUMENT + "missing/", sources.decide, name="document-missing"),
    path(_DOCUMENT + "language/", views.language, name="document-language"),
    path(_DOCUMENT + "describe/", views.describe_one, name="document-describe"),
    path(_DOCUMENT + "delete/", views.delete, name="document-delete"),
]
