from django.urls import path, re_path

from .openai import views as completions
from .pages import views
from .pages.usage import own_usage
from .socket import http

urlpatterns = [
    path("account/usage/", own_usage, name="own-usage"),
    path("", views.chat, name="chat"),
    path("chat/filters/", views.filters, name="chat-filters"),
    path("chat/frames/", http.receive, name="chat-frames"),
    path("chat/sessions/", views.sessions, name="sessions"),
    path("chat/<uuid:session_id>/", views.session, name="session"),
    path("chat/<uuid:session_id>/rename/", views.rename, name="session-rename"),
    path("chat/<uuid:session_id>/pin/", views.pin, name="session-pin"),
    path("chat/<uuid:session_id>/summary/", views.summary, name="session-summary"),
    path("chat/<uuid:session_id>/branch/", views.branch, name="session-branch"),
    path("turns/<uuid:turn_id>/tools/", views.tools, name="turn-tools"),
    path("chat/<uuid:session_id>/delete/", views.delete, name="session-delete"),
    path("answers/<uuid:answer_id>/", views.answer, name="answer"),
    path("answers/<uuid:answer_id>/continue/", views.go_on, name="answer-continue"),
    path("answers/<uuid:answer_id>/fork/", views.fork, name="answer-fork"),
    path("answers/<uuid:answer_id>/rating/", views.rate, name="answer-rating"),
    path("answers/<uuid:answer_id>/why/", views.why, name="answer-why"),
    path("answers/<uuid:answer_id>/replay/", views.replay, name="answer-replay"),
    path("answers/<uuid:answer_id>/passages/<int:number>/", views.passage, name="answer-passage"),
    path("v1/models", completions.models, name="openai-models"),
    path("v1/models/<path:name>", completions.one_model, name="openai-model"),
    path("v1/chat/completions", completions.completions, name="openai-completions"),
    # Any other address of this API
    re_path("^v1/?$", completions.unknown, name="openai-root"),
    path("v1/<path:rest>", completions.unknown, name="openai-unknown"),
]
