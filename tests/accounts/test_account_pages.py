"""The pages of one's own account: profile, time zone, API keys, usage."""

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import ApiKey, AuditEvent
from accounts.pages.keys import MAX_KEYS
from chat.models import Answer, Session
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client):
    ada = factories.user(username="ada", first_name="Ada", last_name="Lovelace")
    client.force_login(ada)
    return ada


def test_name_and_time_zone_are_saved_and_audited(ada, client):
    page = client.get(reverse("account")).content.decode()
    assert 'value="Ada Lovelace"' in page
    client.post(reverse("account"), {"name": "Ada\nKing", "time_zone": "Asia/Tokyo"})
    ada.refresh_from_db()
    assert (ada.get_full_name(), ada.time_zone) == ("Ada King", "Asia/Tokyo")
    assert AuditEvent.objects.get(action="user.profile").detail["time_zone"]["new"] == "Asia/Tokyo"


def test_an_unknown_time_zone_is_refused(ada, client):
    page = client.post(reverse("account"), {"name": "Ada", "time_zone": "Mars/Base"}).content.decode()
    assert "Mars/Base is not one of the available choices" in page
    ada.refresh_from_db()
    assert ada.time_zone == ""


@pytest.mark.parametrize(
    ("own", "cookie", "shown"),
    [
        ("Asia/Tokyo", "Europe/Berlin", "08:30:00 JST"),
        ("", "Europe/Berlin", "00:30:00 CET"),
        ("", "", "23:30:00 UTC"),
        ("", "../../etc/passwd", "23:30:00 UTC"),
        ("", "Mars/Base", "23:30:00 UTC"),
    ],
)
def test_times_are_shown_in_ones_own_time_zone(ada, client, own, cookie, shown):
    type(ada).objects.filter(pk=ada.pk).update(time_zone=own)
    key = ApiKey.objects.create(user=ada, name="Script", prefix="rs_abc", digest="x")
    ApiKey.objects.filter(pk=key.pk).update(created_at=datetime(2026, 1, 5, 23, 30, tzinfo=UTC))
    client.cookies["time_zone"] = cookie
    assert shown in client.get(reverse("api-keys")).content.decode()


def test_the_api_stays_in_utc(ada, client):
    session = factories.session(ada)
    Session.objects.filter(pk=session.pk).update(created_at=datetime(2026, 1, 5, 23, 30, tzinfo=UTC))
    client.cookies["time_zone"] = "Asia/Tokyo"
    read = client.get(reverse("api-session", args=[session.pk])).json()
    assert read["createdAt"] == "2026-01-05T23:30:00Z"


def test_the_day_of_a_document_is_the_same_for_everyone(ada, client):
    """A filter in a page finds what the engine finds, which stores the day in UTC."""
    workspace = factories.workspace()
    workspace.memberships.create(user=ada)
    document = factories.document(workspace, title="Night.txt")
    type(document).objects.filter(pk=document.pk).update(created_at=datetime(2026, 1, 5, 23, 30, tzinfo=UTC))
    client.cookies["time_zone"] = "Asia/Tokyo"
    address = reverse("workspace", args=[workspace.pk])
    for day, is_found in (("2026-01-05", True), ("2026-01-06", False)):
        page = client.get(address, {"f.added": day}).content.decode()
        assert ("Night.txt" in page) is is_found


def test_a_key_is_shown_once_and_works_until_it_is_revoked(ada, client):
    page = client.post(reverse("api-keys"), {"name": "Backup script"}).content.decode()
    [key] = re.findall(r'value="(rs_[^"]+)"', page)
    assert key not in client.get(reverse("api-keys")).content.decode()
    api = Client(headers={"Authorization": f"Bearer {key}"})
    assert api.get(reverse("api-sessions")).status_code == 200
    client.post(reverse("api-key-revoke", args=[ada.api_keys.get().pk]))
    assert api.get(reverse("api-sessions")).status_code == 401
    assert [each.action for each in AuditEvent.objects.order_by("at")] == ["api_key.issue", "api_key.revoke"]


def test_a_key_needs_a_name_and_there_are_not_too_many(ada, client):
    assert "Name what will use this key." in client.post(reverse("api-keys"), {"name": " "}).content.decode()
    ApiKey.objects.bulk_create(
        ApiKey(user=ada, name="x", prefix="rs_", digest=str(number)) for number in range(MAX_KEYS)
    )
    page = client.post(reverse("api-keys"), {"name": "One more"}).content.decode()
    assert f"You have {MAX_KEYS} keys already" in page
    assert ada.api_keys.count() == MAX_KEYS


def test_keys_of_others_are_not_there(ada, client):
    theirs = ApiKey.objects.create(user=factories.user(), name="Theirs", prefix="rs_abc", digest="x")
    assert "Theirs" not in client.get(reverse("api-keys")).content.decode()
    assert client.post(reverse("api-key-revoke", args=[theirs.pk])).status_code == 404
    theirs.refresh_from_db()
    assert theirs.revoked_at is None


def test_ones_own_usage_is_summed_by_month_and_model(ada, client):
    session = factories.session(ada)
    for _ in range(2):
        factories.answer(
            session, endpoint_name="Large", input_tokens=1000, output_tokens=50, cost=Decimal("0.01")
        )
    factories.answer(session, endpoint_name="Small", input_tokens=10, output_tokens=5)
    factories.answer(factories.session(factories.user()), endpoint_name="Theirs", output_tokens=5)
    old = factories.answer(session, endpoint_name="Ancient", output_tokens=5)
    Answer.objects.filter(pk=old.pk).update(created_at=datetime(2020, 1, 1, tzinfo=UTC))
    page = " ".join(re.sub(r"<[^>]+>", " ", client.get(reverse("own-usage")).content.decode()).split())
    assert "Large 2 2,000 100 $0.02" in page
    assert "Small 1 10 5 free" in page
    assert "Theirs" not in page
    assert "Ancient" not in page
