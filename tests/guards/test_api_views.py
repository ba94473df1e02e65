import pytest
from rest_framework.permissions import AllowAny

from accounts.identity.api_key import ApiKeyAuthentication

from .world import addresses

PUBLIC = {"api-health"}
VIEWS = [
    address for address in addresses() if hasattr(address.pattern.callback, "cls") and not address.is_admin
]


@pytest.mark.parametrize("address", VIEWS, ids=lambda address: address.name)
def test_every_view_of_the_api_knows_who_asks_and_whether_they_may(address):
    view = address.pattern.callback
    initial = view.initkwargs
    permissions = initial.get("permission_classes", view.cls.permission_classes)
    authentication = initial.get("authentication_classes", view.cls.authentication_classes)
    if address.name in PUBLIC:
        assert list(permissions) == [AllowAny]
    else:
        assert permissions
        assert AllowAny not in permissions
        assert ApiKeyAuthentication in authentication


def test_every_address_below_api_is_such_a_view():
    below = {address.name for address in addresses() if str(address.pattern.pattern).startswith("api/")}
    assert below == {address.name for address in VIEWS}
