"""How bodies of the REST API are read. By itself: Django REST framework imports it before its views."""

from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class Json(JSONParser):
    def parse(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the body says. Raises ParseError, also where Python gives up on its depth."""
        try:
            return super().parse(*args, **kwargs)
        except RecursionError as error:
            raise ParseError("The JSON is nested too deeply.") from error
