"""The handler admits requests, and passes on what a view streams."""

import httpx
import pytest
from django.http import StreamingHttpResponse
from django.test import AsyncRequestFactory, Client

from accounts.identity.api_key import issue
from ragsite.door.handler import Handler
from tests import factories
from tests.chat.serving import served_in_thread


@pytest.mark.django_db(transaction=True)
def test_a_probe_is_answered_while_no_place_is_free(settings):
    settings.REQUESTS_AT_ONCE, settings.BUSY_AFTER_S = 0, 0.1
    with served_in_thread() as address:
        found = {path: httpx.get(address + path).status_code for path in ("/health", "/health/", "/login/")}
    assert found == {"/health": 200, "/health/": 200, "/login/": 503}


async def test_an_empty_part_does_not_end_a_stream():
    handler = Handler()

    async def view(request):
        return StreamingHttpResponse(iter([b"a", b"", b"b"]))

    handler._middleware_chain = view
    response = await handler.get_response_async(AsyncRequestFactory().get("/"))
    assert b"".join([part async for part in response]) == b"ab"


PARTS = {
    "without a name": b"Content-Disposition: form-data\r\n\r\nx",
    "with an empty name": b'Content-Disposition: form-data; name=""\r\n\r\nx',
    "with an empty file name": b'Content-Disposition: form-data; name="file"; filename=""\r\n\r\nx',
    "with an empty file": b'Content-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n',
    "without headers": b"\r\nx",
    "without anything": b"\r\n",
}


@pytest.mark.django_db
@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_an_empty_part_of_a_form_is_refused_in_words(part):
    workspace, operator = factories.workspace(), factories.operator()
    client = Client(headers={"authorization": f"Bearer {issue(operator, 'test')[1]}"})
    reply = client.generic(
        "POST", f"/api/v1/workspaces/{workspace.pk}/documents/file-upload",
        b"--b\r\n" + part + b"\r\n--b--\r\n", content_type="multipart/form-data; boundary=b",
    )  # fmt: skip
    assert reply.status_code == 400
    assert all(reply.json().values())
    assert not workspace.documents.exists()
