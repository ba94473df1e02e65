"""The login page, the first page that a new user sees."""

import pytest
from django.core.cache import cache
from django.test import Client
from django.views.defaults import server_error

from accounts import rate_limit
from accounts.models import AuditEvent
from tests import factories

from .conftest import text_of

pytestmark = pytest.mark.django_db

WRONG = "This name and password do not match."


@pytest.fixture
def ada():
    return factories.user(username="ada", password="correct horse")


def log_in(client: Client, username: str = "ada", password: str = "correct horse", **extra):
    return client.post("/login/", {"username": username, "password": password}, **extra)


def test_the_right_password_leads_to_where_one_wanted_to_go(client, ada):
    asked = client.get("/workspaces/")
    assert asked.url == "/login/?next=/workspaces/"
    assert log_in(client).url == "/"
    assert client.post(asked.url, {"username": "ada", "password": "correct horse"}).url == "/workspaces/"


@pytest.mark.parametrize(
    ("sent_from", "page"),
    [
        ("http://testserver/workspaces/?q=a", "/workspaces/%3Fq%3Da"),
        ("https://evil.example/workspaces/", "/"),
        ("", "/"),
    ],
)
def test_after_the_login_a_form_is_shown_again_not_the_address_that_takes_it(client, ada, sent_from, page):
    workspace = factories.workspace()
    asked = client.post(f"/workspaces/{workspace.id}/delete/", {"name": "x"}, HTTP_REFERER=sent_from)
    assert asked.url == f"/login/?next={page}"
    assert "nothing was changed. Log in, then send it again." in text_of(client.get(asked.url))


def test_a_next_address_of_another_site_is_ignored(client, ada):
    response = client.post(
        "/login/?next=https://evil.example/", {"username": "ada", "password": "correct horse"}
    )
    assert response.url == "/"


@pytest.mark.parametrize(("username", "password"), [("ada", "wrong"), ("nobody", "correct horse")])
def test_a_wrong_name_and_a_wrong_password_read_the_same(client, ada, username, password):
    response = log_in(client, username, password)
    assert response.status_code == 200
    assert WRONG in text_of(response)


def test_after_five_failures_one_waits_and_is_told_how_long(client, ada):
    for _ in range(rate_limit.FREE_ATTEMPTS):
        assert WRONG in text_of(log_in(client, password="wrong"))
    response = log_in(client)
    assert response.status_code == 429
    assert response["Retry-After"] == "15"
    assert "Too many wrong passwords. Wait 15 seconds, then try again." in text_of(response)
    assert AuditEvent.objects.filter(action="login.throttled", subject="ada").count() == 1


def test_the_wait_is_for_that_name_from_that_address_only(client, ada):
    factories.user(username="bob", password="correct horse")
    for _ in range(rate_limit.FREE_ATTEMPTS):
        log_in(client, password="wrong")
    assert log_in(client, "ADA").status_code == 429
    assert log_in(client, "bob").status_code == 302
    assert log_in(Client(REMOTE_ADDR="192.0.2.7")).status_code == 302


def test_a_success_starts_the_count_anew(client, ada):
    for _ in range(rate_limit.FREE_ATTEMPTS - 1):
        log_in(client, password="wrong")
    assert log_in(client).status_code == 302
    assert WRONG in text_of(log_in(client, password="wrong"))
    assert log_in(client).status_code == 302


def test_each_further_failure_doubles_the_wait_up_to_fifteen_minutes(services):
    waits = [rate_limit.note_attempt("ada", rate_limit.Source("::1")) for _ in range(14)]
    assert waits == [0, 0, 0, 0, 15, 30, 60, 120, 240, 480, 900, 900, 900, 900]
    cache.clear()


def test_logging_out_ends_the_session_and_wants_a_post(client, ada):
    log_in(client)
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/").url == "/login/"
    assert client.get("/workspaces/").status_code == 302


def test_a_part_of_a_page_asked_for_after_the_login_expired_reloads_the_whole_page(client):
    response = client.get("/workspaces/", follow=True, headers={"HX-Request": "true"})
    assert response["HX-Refresh"] == "true"


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_chosen_theme_is_in_the_first_bytes(client, theme):
    client.cookies["theme"] = theme
    assert f'data-theme="{theme}"' in text_of(client.get("/login/"))


def test_a_theme_cookie_of_somebody_else_is_not_rendered(client):
    client.cookies["theme"] = '"><script>'
    assert "data-theme=" not in text_of(client.get("/login/"))


def test_no_page_needs_inline_script_or_style(client, ada):
    log_in(client)
    for address in ("/login/", "/workspaces/"):
        response = client.get(address)
        assert "default-src 'self'" in response["Content-Security-Policy"]
        page = response.content.decode()
        assert "<style" not in page
        assert " style=" not in page
        assert "<script>" not in page


def test_a_form_without_its_token_is_refused_with_what_to_do(ada):
    response = log_in(Client(enforce_csrf_checks=True))
    assert response.status_code == 403
    assert "This form is out of date" in text_of(response)


def test_an_unknown_address_says_so(client, ada):
    log_in(client)
    response = client.get("/nowhere/")
    assert response.status_code == 404
    assert "There is nothing here" in text_of(response)


def test_the_page_of_a_failure_needs_nothing_that_may_have_failed(rf):
    response = server_error(rf.get("/"))
    assert response.status_code == 500
    assert "Nothing that you saved is lost" in text_of(response)


def test_a_strangers_guesses_do_not_lock_out_a_browser_that_was_logged_in_before(client, ada):
    assert log_in(client).url == "/"
    client.post("/logout/")
    for _ in range(rate_limit.FREE_ATTEMPTS):
        log_in(Client(), password="wrong")
    assert log_in(Client()).status_code == 429
    assert log_in(client).url == "/"


def test_a_known_browser_has_no_more_attempts_than_another(client, ada):
    log_in(client)
    client.post("/logout/")
    for _ in range(rate_limit.FREE_ATTEMPTS):
        assert log_in(client, password="wrong").status_code == 200
    assert log_in(client).status_code == 429


def test_a_known_browser_is_known_for_its_own_user_only(client, ada):
    factories.user(username="bob", password="correct horse")
    log_in(client)
    client.post("/logout/")
    for _ in range(rate_limit.FREE_ATTEMPTS):
        log_in(Client(), username="bob", password="wrong")
    assert log_in(client, username="bob").status_code == 429


def test_one_password_tried_for_many_names_is_slowed_down(client, ada):
    for number in range(rate_limit.FREE_PER_ADDRESS):
        assert log_in(Client(), username=f"person{number}", password="summer2026").status_code == 200
    assert log_in(Client(), username="another", password="summer2026").status_code == 429
    assert log_in(Client(), REMOTE_ADDR="10.0.0.9").url == "/"
