"""Each limit of docs/configuration.md, just below and just above: it works, or a sentence says what to do."""

import re
from io import BytesIO

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files import File
from django.urls import reverse

from documents.adding.service import add_file
from documents.errors import DocumentRefused
from documents.models import Document
from documents.sources.crawl import crawler
from documents.sources.options import check_options
from documents.sources.service import add_website
from ragsite import environment
from tests import factories
from tests.fakes.site import Page, html, running_site

_NUMBER = re.compile(r'env\.number\(\s*"(\w+)",\s*(\d+),\s*least=([\d_]+),\s*most=([\d_]+)\s*\)')


def numbers(root):
    found = _NUMBER.findall((root / "ragsite" / "settings.py").read_text())
    assert len(found) > 20
    return [(name, int(least), int(most)) for name, _, least, most in found]


def test_every_number_of_the_environment_is_taken_up_to_its_limits_and_refused_beyond(root, monkeypatch):
    for name, least, most in numbers(root):
        for value in (least, most):
            monkeypatch.setenv(name, str(value))
            assert environment.number(name, 1, least=least, most=most) == value
        for value in (least - 1, most + 1, "", "many", "1.5", "--5", "²", "9" * 5000):
            monkeypatch.setenv(name, str(value) or "x")
            with pytest.raises(ImproperlyConfigured, match=f"{name}=.*whole number from {least} to {most}"):
                environment.number(name, 1, least=least, most=most)


def test_every_number_of_the_environment_is_documented(root):
    told = (root / "docs" / "configuration.md").read_text()
    assert [name for name, *_ in numbers(root) if f"`{name}`" not in told] == []


def file_of(size):
    start = b"A text. "
    return File(BytesIO(start + b"word " * ((size - len(start)) // 5) + b"x" * ((size - len(start)) % 5)))


@pytest.mark.django_db
def test_a_file_of_exactly_the_limit_is_taken_and_a_byte_more_is_not(settings):
    settings.UPLOAD_MAX_BYTES = 1024 * 1024
    workspace = factories.workspace()
    taken = add_file(workspace, None, file_of(settings.UPLOAD_MAX_BYTES), "a.txt", ask_worker=False)
    assert taken.size_bytes == settings.UPLOAD_MAX_BYTES
    with pytest.raises(DocumentRefused, match=r"1\.0\sMB"):
        add_file(workspace, None, file_of(settings.UPLOAD_MAX_BYTES + 1), "b.txt", ask_worker=False)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("option", "setting"), [("max_pages", "CRAWL_MAX_PAGES"), ("max_depth", "CRAWL_MAX_DEPTH")]
)
def test_a_website_takes_its_limits_and_says_the_highest(settings, option, setting):
    most = getattr(settings, setting)
    assert check_options({"schedule": "never", option: most})[option] == most
    with pytest.raises(DocumentRefused, match=f"to {most:,}"):
        check_options({"schedule": "never", option: most + 1})


@pytest.mark.django_db
def test_patterns_are_taken_up_to_their_limits():
    check_options({"schedule": "never", "include": ["/" + "x" * 199] * 50})
    for too_much in (["/x"] * 51, ["/" + "x" * 200]):
        with pytest.raises(DocumentRefused, match="at most 50 patterns of at most 200 characters"):
            check_options({"schedule": "never", "include": too_much})


@pytest.mark.django_db(transaction=True)
def test_a_page_of_exactly_the_limit_is_read_and_a_byte_more_is_not(settings):
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    settings.CRAWL_PAGE_MAX_BYTES = 20_000
    start = html("Start", "/more").body

    def page(size):
        return Page(start + b" " * (size - len(start)))

    with running_site() as site:
        site.pages |= {"/": page(20_000), "/more": page(20_001)}
        document = add_website(factories.workspace(), None, site.at("/"), ask_worker=False)
        while crawler.crawl(document.pk, lambda document_id: None):
            pass
        reasons = dict(document.source.addresses.values_list("url", "reason"))
    assert Document.objects.filter(parent=document).count() == 1
    assert reasons[document.url] == ""
    assert "larger than" in reasons[site.at("/more")]


@pytest.mark.django_db(transaction=True)
def test_a_question_of_exactly_the_limit_is_searched_and_a_character_more_is_refused(client, settings):
    workspace = factories.workspace()
    client.force_login(factories.member(workspace))
    most = settings.QUESTION_MAX_CHARACTERS
    for length, status in ((most, 200), (most + 1, 400)):
        body = {"workspaceId": str(workspace.id), "query": "w" * length}
        reply = client.post(reverse("api-semantic-search"), body, content_type="application/json")
        assert reply.status_code == status, reply.content
    assert f"{most}" in reply.content.decode()
