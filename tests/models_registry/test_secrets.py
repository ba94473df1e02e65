"""A reference leads to the key of a model, and to no other secret of the installation."""

import os
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError

from models_registry import secrets
from models_registry.errors import SecretMissing
from tests import factories


@pytest.fixture
def folder(tmp_path, settings):
    settings.MODEL_SECRET_DIRS = [str(tmp_path / "keys")]
    (tmp_path / "keys").mkdir()
    return tmp_path / "keys"


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "MY_API_KEY_2", "HF_TOKEN", "RAGSITE_MODEL_EAST"])
def test_variables_for_keys_are_read(monkeypatch, name):
    monkeypatch.setenv(name, " sk-123\n")
    secrets.validate(f"env:{name}")
    assert secrets.resolve(f"env:{name}") == "sk-123"


@pytest.mark.parametrize(
    "name",
    [
        *("RAGSITE_SECRET_KEY", "SECRET_KEY", "DATABASE_URL", "REDIS_URL", "PGPASSWORD", "HOME", "PATH"),
        *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "RAGSITE_S3_EVENT_SECRET", "RAGSITE_ADMIN_PASSWORD"),
        *("DJANGO_SECRET_KEY", "DATABASE_API_KEY", "RAGSITE_MODEL_SECRET_DIRS", ""),
    ],
)
def test_other_variables_are_refused(monkeypatch, name):
    if name:
        monkeypatch.setenv(name, "hidden")
    with pytest.raises(ValidationError):
        secrets.validate(f"env:{name}")
    with pytest.raises(SecretMissing) as refusal:
        secrets.resolve(f"env:{name}")
    assert "hidden" not in str(refusal.value)


def test_a_file_in_the_directory_is_read_also_through_links_inside_it(folder):
    (folder / "data").mkdir()
    (folder / "data" / "key").write_text("sk-123\n")
    (folder / "key").symlink_to("data/key")  # as Kubernetes mounts its secrets
    assert secrets.resolve(f"file:{folder}/key") == "sk-123"


def test_a_file_that_holds_another_secret_is_refused(folder, monkeypatch):
    (folder / "ragsite_secret_key").write_text("hidden")
    (folder / "kubernetes.io").mkdir()
    (folder / "kubernetes.io" / "token").write_text("hidden")
    (folder / "alias").symlink_to("ragsite_secret_key")
    monkeypatch.setenv("RAGSITE_SECRET_KEY_FILE", str(folder / "ragsite_secret_key"))
    for name in ("ragsite_secret_key", "alias", "kubernetes.io/token"):
        with pytest.raises(SecretMissing):
            secrets.resolve(f"file:{folder}/{name}")


@pytest.mark.parametrize(
    "place", ["/etc/passwd", "/dev/zero", "/proc/self/environ", "{}/../other", "{}/link", "{}\0"]
)
def test_files_elsewhere_are_refused(folder, place):
    (folder.parent / "other").write_text("hidden")
    (folder / "link").symlink_to(folder.parent / "other")
    with pytest.raises(SecretMissing) as refusal:
        secrets.resolve(f"file:{place.format(folder)}")
    assert "hidden" not in str(refusal.value)


def test_a_file_is_small_and_a_file(folder):
    (folder / "large").write_text("x" * 5000)
    os.mkfifo(folder / "pipe")
    for name, sentence in (
        ("large", "larger than 4,096 bytes"),
        ("pipe", "is not a file"),
        ("none", "cannot be read"),
    ):
        with pytest.raises(SecretMissing, match=sentence):
            secrets.resolve(f"file:{Path(folder, name)}")


@pytest.mark.django_db
def test_the_rule_holds_for_each_door_of_an_endpoint(monkeypatch):
    monkeypatch.setenv("RAGSITE_SECRET_KEY", "hidden")
    endpoint = factories.chat_endpoint(base_url="http://127.0.0.1:9/v1")
    endpoint.secret_ref = "env:RAGSITE_SECRET_KEY"
    with pytest.raises(ValidationError, match="Only variables"):
        endpoint.full_clean()
    with pytest.raises(SecretMissing):
        endpoint.spec()
