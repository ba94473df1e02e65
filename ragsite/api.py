"""URLs of the REST API, of its OpenAPI document, and of the health checks."""

from django.contrib.auth.decorators import login_required
from django.urls import path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import IsAuthenticated

from chat.api import organizing, transfers
from chat.api import views as chat
from chat.sharing import api as sharing
from documents.api import ingestion
from documents.api import views as documents
from documents.fields import api as fields
from documents.laboratory import api as laboratory
from documents.laboratory import chunking_views as comparison
from documents.reindex import api as ledger
from documents.sources import api as sources
from models_registry import api as models
from workspaces import api as workspaces

from . import health

_V1 = "api/v1/"
_WORKSPACE = f"{_V1}workspaces/<uuid:workspace_id>"
_ANSWER = f"{_V1}answers/<uuid:answer_id>"
_DOCUMENTS = f"{_WORKSPACE}/documents"
_UPLOAD = f"{_WORKSPACE}/uploads/<uuid:upload_id>"

_docs = SpectacularSwaggerSplitView.as_view(
    url_name="api-schema", template_name="api/docs.html", permission_classes=[IsAuthenticated]
)

urlpatterns = [
    re_path("^health/?$", health.alive, name="health"),
    path(f"{_V1}health", health.Health.as_view(), name="api-health"),
    path(f"{_V1}llms", models.Llms.as_view(), name="api-llms"),
    path(f"{_V1}embeddings", models.Embeddings.as_view(), name="api-embeddings"),
    path(f"{_V1}cross-encoders", models.CrossEncoders.as_view(), name="api-cross-encoders"),
    path(f"{_V1}rag/engines", workspaces.Engines.as_view(), name="api-engines"),
    path(f"{_V1}workspaces", workspaces.Workspaces.as_view(), name="api-workspaces"),
    path(_WORKSPACE, workspaces.OneWorkspace.as_view(), name="api-workspace"),
    path(f"{_WORKSPACE}/vector-index", workspaces.WorkspaceVectorIndex.as_view(), name="api-vector-index"),
    path(f"{_WORKSPACE}/fields", fields.Fields.as_view(), name="api-fields"),
    path(f"{_WORKSPACE}/fields/<slug:field>", fields.OneField.as_view(), name="api-field"),
    path(f"{_WORKSPACE}/reindex", ledger.WorkspaceReindex.as_view(), name="api-reindex"),
    path(f"{_WORKSPACE}/dead-letters", ingestion.DeadLetters.as_view(), name="api-dead-letters"),
    path(f"{_WORKSPACE}/dead-letters/replay", ingestion.ReplayDeadLetters.as_view(), name="api-replay"),
    path(f"{_WORKSPACE}/dead-letters/discard", ingestion.DiscardDeadLetters.as_view(), name="api-discard"),
    path(f"{_V1}ingestion", ingestion.Ingestion.as_view(), name="api-ingestion"),
    path(
        f"{_WORKSPACE}/chunking-comparison",
        comparison.CompareChunking.as_view(),
        name="api-chunking-comparison",
    ),
    path(_DOCUMENTS, documents.Documents.as_view(), name="api-documents"),
    path(f"{_DOCUMENTS}/file-upload", documents.UploadFile.as_view(), name="api-file-upload"),
    path(f"{_DOCUMENTS}/texts", documents.AddText.as_view(), name="api-texts"),
    path(f"{_DOCUMENTS}/questions", documents.AddPairs.as_view(), name="api-questions"),
    path(f"{_DOCUMENTS}/questions/file-upload", documents.AddPairsFile.as_view(), name="api-questions-file"),
    path(f"{_DOCUMENTS}/<uuid:document_id>/content", documents.Content.as_view(), name="api-content"),
    path(f"{_WORKSPACE}/uploads", documents.Uploads.as_view(), name="api-uploads"),
    path(_UPLOAD, documents.OneUpload.as_view(), name="api-upload"),
    path(f"{_UPLOAD}/file", documents.ReceiveUpload.as_view(), name="api-upload-file"),
    path(f"{_UPLOAD}/complete", documents.CompleteUpload.as_view(), name="api-upload-complete"),
    path(f"{_DOCUMENTS}/<uuid:document_id>", documents.OneDocument.as_view(), name="api-document"),
    path(
        f"{_DOCUMENTS}/<uuid:document_id>/retry", documents.RetryDocument.as_view(), name="api-document-retry"
    ),
    path(f"{_DOCUMENTS}/<str:kind>", documents.DocumentsOfKind.as_view(), name="api-documents-of-kind"),
    path(f"{_WORKSPACE}/websites", sources.AddWebsite.as_view(), name="api-websites"),
    path(f"{_WORKSPACE}/feeds", sources.AddFeed.as_view(), name="api-feeds"),
    path(f"{_WORKSPACE}/sources/<uuid:document_id>", sources.OneSource.as_view(), name="api-source"),
    path(
        f"{_WORKSPACE}/sources/<uuid:document_id>/stop", sources.StopSource.as_view(), name="api-source-stop"
    ),
    path(
        f"{_WORKSPACE}/sources/<uuid:document_id>/remove-missing",
        sources.RemoveMissing.as_view(),
        name="api-source-remove-missing",
    ),
    path(
        f"{_WORKSPACE}/sources/<uuid:document_id>/keep-missing",
        sources.KeepMissing.as_view(),
        name="api-source-keep-missing",
    ),
    path(f"{_V1}semantic-search", documents.SemanticSearch.as_view(), name="api-semantic-search"),
    path(f"{_V1}searches/<uuid:search_id>", documents.OneSearch.as_view(), name="api-search"),
    path(f"{_V1}laboratory/search", laboratory.CompareSearches.as_view(), name="api-laboratory-search"),
    path(
        f"{_V1}laboratory/embeddings",
        laboratory.CompareEmbeddings.as_view(),
        name="api-laboratory-embeddings",
    ),
    path(
        f"{_V1}laboratory/ranking", laboratory.CompareCrossEncoders.as_view(), name="api-laboratory-ranking"
    ),
    path(f"{_V1}sessions", chat.Sessions.as_view(), name="api-sessions"),
    path(f"{_V1}sessions/all", transfers.AllSessions.as_view(), name="api-sessions-all"),
    path(f"{_V1}sessions/export", transfers.ExportSessions.as_view(), name="api-sessions-export"),
    path(
        f"{_V1}sessions/<uuid:session_id>/export",
        transfers.ExportSession.as_view(),
        name="api-session-export",
    ),
    path(f"{_V1}imports", transfers.Imports.as_view(), name="api-imports"),
    path(f"{_V1}imports/<uuid:import_id>", transfers.OneImport.as_view(), name="api-import"),
    path(f"{_V1}sessions/search", organizing.SearchSessions.as_view(), name="api-sessions-search"),
    path(f"{_V1}folders", organizing.Folders.as_view(), name="api-folders"),
    path(f"{_V1}folders/<uuid:folder_id>", organizing.OneFolder.as_view(), name="api-folder"),
    path(f"{_V1}sessions/<uuid:session_id>", chat.OneSession.as_view(), name="api-session"),
    path(
        f"{_V1}sessions/<uuid:session_id>/summary", chat.SessionSummary.as_view(), name="api-session-summary"
    ),
    path(f"{_V1}sessions/<uuid:session_id>/turns", chat.Turns.as_view(), name="api-turns"),
    path(
        f"{_V1}sessions/<uuid:session_id>/turns/<uuid:turn_id>/shown",
        chat.ShownBranch.as_view(),
        name="api-turn-shown",
    ),
    path(
        f"{_V1}sessions/<uuid:session_id>/shared-links",
        sharing.LinksOfSession.as_view(),
        name="api-session-links",
    ),
    path(f"{_V1}shared-links", sharing.SharedLinks.as_view(), name="api-shared-links"),
    path(f"{_V1}shared-links/<uuid:link_id>", sharing.OneSharedLink.as_view(), name="api-shared-link"),
    path(
        f"{_V1}shared-links/<uuid:link_id>/snapshot",
        sharing.SharedLinkSnapshot.as_view(),
        name="api-shared-link-snapshot",
    ),
    path(_ANSWER, chat.OneAnswer.as_view(), name="api-answer"),
    path(f"{_ANSWER}/events", chat.AnswerEvents.as_view(), name="api-answer-events"),
    path(f"{_ANSWER}/export", transfers.ExportAnswer.as_view(), name="api-answer-export"),
    path(f"{_ANSWER}/trace", chat.AnswerTrace.as_view(), name="api-answer-trace"),
    path(f"{_ANSWER}/stop", chat.StopAnswer.as_view(), name="api-answer-stop"),
    path(f"{_ANSWER}/regenerate", chat.RegenerateAnswer.as_view(), name="api-answer-regenerate"),
    path(f"{_ANSWER}/continue", chat.ContinueWithAnswer.as_view(), name="api-answer-continue"),
    path(f"{_ANSWER}/fork", chat.ForkSession.as_view(), name="api-answer-fork"),
    path(f"{_ANSWER}/rating", chat.RateAnswer.as_view(), name="api-answer-rating"),
    path("api/schema/", SpectacularAPIView.as_view(permission_classes=[IsAuthenticated]), name="api-schema"),
    path("api/docs/", login_required(_docs), name="api-docs"),
]
