"""Odd requests get an answer of 4xx, never a 500; and what is private is not cached."""

import pytest
from django.test import Client
from django.urls import reverse

from tests import factories

from .world import World, addresses

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator():
    client = Client()
    client.force_login(factories.operator())
    return client


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "TRACE", "PROPFIND"])
def test_no_method_is_a_500(operator, method):
    world = World()
    for address in addresses():
        if address.name != "logout":
            response = operator.generic(method, world.path(address))
            assert response.status_code < 500, (address.name, response.status_code)
            assert not response.streaming or response.getvalue() is not None


def test_a_nul_in_a_search_of_the_admin_is_a_400(operator):
    for path in ("/admin/accounts/user/?q=%00", "/admin/accounts/apikey/?q=a%00b"):
        assert operator.get(path).status_code == 400


def test_a_nul_elsewhere_does_no_harm(operator):
    for path in ("/?q=%00", "/chat/sessions/?q=%00", "/workspaces/?q=%00", "/api/v1/llms?offset=%00"):
        assert operator.get(path).status_code < 500


@pytest.mark.parametrize("name", ["chat", "workspaces", "api-workspaces", "api-llms", "login", "admin:index"])
def test_pages_and_replies_are_not_stored(operator, name):
    assert "no-store" in operator.get(reverse(name))["Cache-Control"]
