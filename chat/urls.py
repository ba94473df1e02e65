from django.urls import path, re_path

from .openai import views as completions
from .pages import command_palette, organizing, prompts, session_list, transfers, views
from .pages.usage import own_usage
from .sharing import reading
from .sharing import views as sharing
from .socket import http

urlpatterns = [
    path("account/usage/", own_usage, name="own-usage"),
    path("prompts/", prompts.prompts, name="prompts"),
    path("prompts/<int:prompt_id>/", prompts.prompts, name="prompt"),
    path("prompts/<int:prompt_id>/delete/", prompts.remove_prompt, name="prompt-delete"),
    path("chat/complete/prompts/", prompts.complete_prompt, name="complete-prompt"),
    path("chat/complete/documents/", prompts.complete_document, name="complete-document"),
    path("", views.chat, name="chat"),
    path("palette/", command_palette.palette, name="palette"),
    path("palette/found/", command_palette.found, name="palette-found"),
    path("chat/filters/", views.filters, name="chat-filters"),
    path("chat/frames/", http.receive, name="chat-frames"),
    path("chat/sessions/", session_list.sessions, name="sessions"),
    path("chat/folders/<uuid:folder_id>/", organizing.folder, name="session-folder"),
    path("chat/<uuid:session_id>/", views.session, name="session"),
    path("chat/<uuid:session_id>/rename/", views.rename, name="session-rename"),
    path("chat/<uuid:session_id>/title/", views.title, name="session-title"),
    path("chat/<uuid:session_id>/pin/", views.pin, name="session-pin"),
    path("chat/<uuid:session_id>/organize/", organizing.organize, name="session-organize"),
    path("chat/<uuid:session_id>/archive/", organizing.archive, name="session-archive"),
    path("chat/<uuid:session_id>/summary/", views.summary, name="session-summary"),
    path("chat/<uuid:session_id>/branch/", views.branch, name="session-branch"),
    path("chat/<uuid:session_id>/alive/", views.stay_alive, name="session-alive"),
    path("turns/<uuid:turn_id>/tools/", views.tools, name="turn-tools"),
    path("chat/<uuid:session_id>/delete/", views.delete, name="session-delete"),
    path("chat/import/", transfers.import_page, name="import"),
    path("chat/export/", transfers.all_json, name="sessions-export"),
    path("chat/delete-all/", transfers.delete_all, name="sessions-delete-all"),
    path("chat/<uuid:session_id>/markdown/", transfers.session_markdown, name="session-markdown"),
    path("chat/<uuid:session_id>/json/", transfers.session_json, name="session-json"),
    path("chat/<uuid:session_id>/print/", transfers.session_print, name="session-print"),
    path("answers/<uuid:answer_id>/markdown/", transfers.answer_markdown, name="answer-markdown"),
    path("answers/<uuid:answer_id>/json/", transfers.answer_json, name="answer-json"),
    path("answers/<uuid:answer_id>/copy/", transfers.answer_copy, name="answer-copy"),
    path("answers/<uuid:answer_id>/", views.answer, name="answer"),
    path("answers/<uuid:answer_id>/continue/", views.go_on, name="answer-continue"),
    path("answers/<uuid:answer_id>/fork/", views.fork, name="answer-fork"),
    path("answers/<uuid:answer_id>/rating/", views.rate, name="answer-rating"),
    path("answers/<uuid:answer_id>/why/", views.why, name="answer-why"),
    path("answers/<uuid:answer_id>/replay/", views.replay, name="answer-replay"),
    path("answers/<uuid:answer_id>/passages/<int:number>/", views.passage, name="answer-passage"),
    path("chat/<uuid:session_id>/share/", sharing.share, name="session-share"),
    path("shared-links/", sharing.shared_links, name="shared-links"),
    path("shared-links/<uuid:link_id>/", sharing.change, name="shared-link"),
    path("shared-links/<uuid:link_id>/update/", sharing.update, name="shared-link-update"),
    path("shared-links/<uuid:link_id>/revoke/", sharing.revoke, name="shared-link-revoke"),
    path("shared/<str:token>/", reading.shared, name="shared"),
    path("shared/<str:token>/continue/", reading.continue_as_mine, name="shared-continue"),
    path("v1/models", completions.models, name="openai-models"),
    path("v1/models/<path:name>", completions.one_model, name="openai-model"),
    path("v1/chat/completions", completions.completions, name="openai-completions"),
    # Any other address of this API
    re_path("^v1/?$", completions.unknown, name="openai-root"),
    path("v1/<path:rest>", completions.unknown, name="openai-unknown"),
]
