"""Every row belongs to a workspace, or is on the short list of what does not."""

import pytest
from django.apps import apps
from django.db.models import ForeignKey

from accounts.models import ApiKey, AuditEvent, Deletion, User
from chat.models import (
    Folder,
    Import,
    ImportedSession,
    LastTurn,
    Session,
    SharedLink,
    SharingPolicy,
    Tag,
    TemporaryUsage,
)
from models_registry.models import Endpoint, ReferenceVectors
from ragsite.models import Beat, CleaningRun, Tick, WriteProbe
from ragsite.release.models import Release
from workspaces.models import Workspace

APPS = ("accounts", "models_registry", "workspaces", "documents", "chat", "ragsite", "release")
OF_NO_WORKSPACE = {
    User: "people are in several",
    ApiKey: "a person's",
    AuditEvent: "about all of the site",
    CleaningRun: "about all of the site",
    Deletion: "the operators', of users and workspaces",
    LastTurn: "a person's",
    Import: "a person's, and none of its conversations names a workspace",
    ImportedSession: "a person's",
    Endpoint: "the operators', for everybody",
    ReferenceVectors: "of an endpoint, and of no text of a document",
    Beat: "of the installation",
    Tick: "of the installation",
    WriteProbe: "of the installation, and empty",
    Release: "about the whole database",
    SharedLink: "a person's, like its session",
    TemporaryUsage: "a person's, and has no words",
    SharingPolicy: "about all of the site",
    Folder: "a person's",
    Tag: "a person's",
    Session.tags.through: "a person's",
    Session: "a person's; each turn names the workspace it asked",
}
MODELS = [
    model
    for app in APPS
    for model in apps.get_app_config(app).get_models(include_auto_created=True)
    if model._meta.auto_created is not User
]


def reaches_workspace(model, seen=frozenset()):
    """Say whether foreign keys lead from a row of this model to its workspace."""
    if model is Workspace:
        return True
    keys = (field for field in model._meta.get_fields() if isinstance(field, ForeignKey))
    return any(
        reaches_workspace(key.related_model, seen | {model})
        for key in keys
        if key.related_model not in seen and key.related_model not in OF_NO_WORKSPACE
    )


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_every_model_leads_to_its_workspace(model):
    assert reaches_workspace(model) != (model in OF_NO_WORKSPACE)


def test_every_app_of_ours_is_looked_at():
    ours = {config.label for config in apps.get_app_configs() if "site-packages" not in config.path}
    assert ours == set(APPS)


def test_the_guard_notices_a_model_without_a_way():
    assert not reaches_workspace(Session)
